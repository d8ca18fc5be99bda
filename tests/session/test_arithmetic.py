"""How runs compute: what is there decides, then what was measured, and never a guess."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ltbench.errors import UsageError
from ltbench.executors import measured
from ltbench.executors.base import Executor
from ltbench.executors.speed import Speeds
from ltbench.results.arithmetic import EVERY, PLAIN, Arithmetic, recorded_format, used_format
from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec
from ltbench.session import arithmetic
from ltbench.session.retry import plan_retry
from ltbench.session.session import Session

FP32_LAST, BF16, BF16_LAST = EVERY[1:]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arithmetic, "precisions", lambda device: ("fp32", "bf16"))


class Machine:
    """A machine on which ways to compute take so long; it counts how often it was measured."""

    def __init__(self, monkeypatch, ratios):
        self.ratios, self.measured = dict(zip(EVERY, ratios, strict=True)), []
        monkeypatch.setattr(arithmetic, "measure", self.measure)

    def measure(self, work, ways, device, threads):
        self.measured.append((work, device, threads))
        ratios = {way: self.ratios[way] for way in ways}
        return Speeds({way: 0.1 * r for way, r in ratios.items()}, ratios, work.images, threads)


@pytest.fixture
def machine(monkeypatch):
    return lambda *ratios: Machine(monkeypatch, ratios)


@pytest.fixture
def sweep(tmp_path):
    """Plan runs on the tiny data set."""

    def sweep(algos="erm", seeds=range(2), out="runs", precision="auto", device="cpu", **options):
        said: list[str] = []
        place = {name: options.pop(name) for name in ("executor", "jobs") if name in options}
        session = Session(tmp_path / out, device=device, say=said.append, **place)
        plan = session.plan([algos], ["tiny-mlt"], seeds, precision=precision, **options)
        return plan, [line for line in said if "images a step" in line]

    return sweep


def way_of(plan):
    (found,) = {(spec.precision, spec.memory_format) for spec in plan.specs}
    methods = {(m.spec.precision, m.spec.memory_format) for m in plan.methods}
    assert methods == {found}, "what is tuned is what is run"
    return Arithmetic(found[0], used_format(found[1], "cpu"))


def begin(plan):
    """Write what a run writes when it begins."""
    for spec in plan.specs:
        folder = spec.folder(plan.out)
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(json.dumps(spec.as_dict()))


@pytest.mark.parametrize(
    ("ratios", "chosen"),
    [
        ((1, 1, 1, 1), PLAIN),
        ((1, 0.88, 1.44, 1.6), FP32_LAST),
        ((1, 0.97, 0.46, 0.5), BF16),
        ((1, 0.9, 0.6, 0.5), BF16_LAST),
        ((1, 1.3, 1.2, 1.1), PLAIN),
    ],
)
def test_what_was_measured_decides_and_is_said_in_one_line(sweep, machine, ratios, chosen):
    there = machine(*ratios)
    plan, said = sweep()
    assert way_of(plan) == chosen
    (line,) = said
    assert f"8 images a step: {chosen}" in line
    (measuring,) = there.measured
    work, device, threads = measuring
    assert (work.backbone, work.images, work.classes) == (plan.specs[0].backbone.name, 8, 3)
    assert (device, threads) == ("cpu", plan_threads(plan))


def plan_threads(plan):
    from ltbench.executors.machine import cores, make_slots

    return cores() // len(make_slots("cpu", None, len(plan.specs)).devices)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"precision": "fp8"}, "there is no precision 'fp8': choose one of auto, fp32, bf16, fp16"),
        ({"precision": "FP32"}, "there is no precision 'FP32'"),
        ({"precision": "float32"}, "there is no precision 'float32'"),
        ({"precision": None}, "there is no precision 'None'"),
        ({"memory_format": "nhwc"}, "there is no memory format 'nhwc': choose one of auto, cont"),
        ({"memory_format": ""}, "there is no memory format ''"),
        ({"pretrained": "no"}, "pretrained is true or false, and not 'no'"),
        ({"pretrained": 0}, "pretrained is true or false, and not '0'"),
    ],
)
def test_no_run_is_planned_in_a_way_that_there_is_not(sweep, asked, says):
    """Its identity would hold the word as it is, and the run compute in fp32."""
    with pytest.raises(UsageError, match=says):
        sweep(**asked)


def test_what_there_is_can_be_asked_for(sweep):
    for precision in ("fp32", "bf16", "fp16"):
        plan, _ = sweep(precision=precision, memory_format="contiguous", pretrained=False)
        assert way_of(plan) == Arithmetic(precision, "contiguous")


def test_runs_at_a_time_are_measured_with_their_threads(sweep, machine, monkeypatch):
    from ltbench.executors import machine as module
    from ltbench.session import session

    monkeypatch.setattr(session, "cores", lambda: 4)
    monkeypatch.setattr(module, "cores", lambda: 4)
    there = machine(1, 1, 1, 1)
    for jobs in (1, 2, 4):
        sweep(seeds=range(8), jobs=jobs, out=f"jobs-{jobs}")
    assert [threads for *_, threads in there.measured] == [4, 2, 1]


def test_it_is_measured_once(sweep, machine):
    there = machine(1, 0.94, 1, 1)
    first, _ = sweep()
    there.ratios[FP32_LAST] = 0.96  # near the edge it could come out otherwise the next time
    again, said = sweep()
    other, _ = sweep("boda", out="elsewhere")
    assert len(there.measured) == 1
    assert [s.hash for s in again.specs] == [s.hash for s in first.specs]
    assert way_of(other) == FP32_LAST
    assert "1.1 times as fast" in said[0]


@pytest.mark.parametrize("lost", ["cache", "damaged", "torch"])
def test_a_command_goes_on_with_its_runs_whatever_became_of_the_cache(
    sweep, machine, tmp_path, monkeypatch, lost
):
    there = machine(1, 0.94, 0.5, 1)
    first, _ = sweep()
    begin(first)
    if lost == "cache":
        shutil.rmtree(tmp_path / "cache")
    elif lost == "damaged":
        for file in measured.folder().iterdir():
            file.write_text("{}")
    else:
        monkeypatch.setattr(arithmetic.torch, "__version__", "99.0")
    there.ratios.update({BF16: 3.0, FP32_LAST: 2.0})
    again, said = sweep()
    assert [s.folder(again.out) for s in again.specs] == [s.folder(first.out) for s in first.specs]
    assert "as runs in" in said[0]
    assert len(there.measured) == 1
    more, _ = sweep("erm,boda", seeds=range(3))
    assert way_of(more) == BF16, "further methods join the table"


def test_what_was_typed_once_does_not_turn_a_command_that_chose_itself(sweep, machine):
    machine(1, 1, 0.5, 1)
    own, _ = sweep(seeds=[0], jobs=1)
    begin(own)
    begin(sweep(seeds=range(5), precision="fp32")[0])
    assert sweep(seeds=range(5), jobs=1)[0].specs[0].hash == own.specs[0].hash


def test_runs_of_before_there_was_a_choice_are_found(sweep, machine):
    begin(sweep(precision="bf16")[0])
    there = machine(1, 1, 1.44, 2)  # bf16, by what the processor said of itself
    plan, _ = sweep()
    assert way_of(plan) == BF16
    assert not there.measured


def test_what_is_typed_is_not_measured_and_leaves_the_hash_as_it_was(sweep, machine):
    there = machine(1, 0.5, 0.5, 0.5)
    plain, said = sweep(precision="fp32")
    assert not there.measured
    assert not said
    assert all("memory_format" not in spec.identity() for spec in plain.specs)
    same, _ = sweep(precision="fp32", memory_format="contiguous")
    assert same.specs[0].hash == plain.specs[0].hash
    last, _ = sweep(precision="fp32", memory_format="channels-last")
    assert last.specs[0].identity()["memory_format"] == "channels-last"
    assert last.specs[0].hash != plain.specs[0].hash
    assert last.specs[0].as_dict()["protocol_hash"] == plain.specs[0].as_dict()["protocol_hash"]
    assert not there.measured


def test_either_may_be_typed_and_the_other_measured(sweep, machine):
    machine(1, 0.9, 0.5, 0.3)
    assert way_of(sweep(precision="fp32", memory_format="auto")[0]) == FP32_LAST
    assert way_of(sweep(memory_format="contiguous", out="a")[0]) == BF16
    assert way_of(sweep(precision="bf16", memory_format="auto", out="b")[0]) == BF16_LAST


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1", "mps"])
def test_the_usual_format_of_a_device_leaves_no_trace(device):
    usual = "channels-last" if device.startswith("cuda") else "contiguous"
    other = ({"contiguous", "channels-last"} - {usual}).pop()
    assert recorded_format(usual, device) == ""
    assert recorded_format(other, device) == other
    for name in (usual, other):
        assert used_format(recorded_format(name, device), device) == name


def test_a_spec_with_a_memory_format_survives_its_json_and_a_retry(sweep, machine, tmp_path):
    machine(1, 0.8, 1, 1)
    plan, _ = sweep()
    spec = plan.specs[0]
    assert RunSpec.from_dict(json.loads(json.dumps(spec.as_dict()))).hash == spec.hash
    begin(plan)
    again = plan_retry([spec.folder(plan.out)], tmp_path)
    assert again.specs[0].memory_format == "channels-last"
    document = spec.as_dict()
    document["identity"]["memory_format"] = "\x1b[31mdiagonal"
    with pytest.raises(UsageError, match="there is no memory format"):
        RunSpec.from_dict(document)


def test_a_network_that_cannot_be_measured_is_computed_plainly(sweep, monkeypatch):
    def fails(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(arithmetic, "measure", fails)
    plan, said = sweep()
    assert way_of(plan) == PLAIN
    assert "nothing could be measured: RuntimeError: out of memory" in said[0]
    assert not list(measured.folder().glob("*"))


class Cluster(Executor):
    """Computes elsewhere."""

    @classmethod
    def choose_device(cls, asked, hparams):
        return "cpu" if asked == "auto" else asked


@pytest.fixture
def cluster(monkeypatch):
    from ltbench.session import session

    def resolved(kinds, name, options):
        return Cluster, Cluster.HParams()

    monkeypatch.setattr(session, "resolve", resolved)


def test_the_processors_of_a_cluster_are_not_guessed_by_this_one(sweep, machine, cluster):
    there = machine(1, 0.5, 0.3, 0.2)
    plan, said = sweep(executor="ray")
    assert way_of(plan) == PLAIN
    assert "ray cannot be measured from here" in said[0]
    assert not there.measured


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_gpus_that_are_elsewhere_ask_for_a_precision(sweep, machine, cluster, device):
    there = machine(1, 0.5, 0.3, 0.2)
    with pytest.raises(UsageError, match="type --precision bf16"):
        sweep(executor="slurm", device=device)
    with pytest.raises(UsageError, match="type contiguous or channels-last"):
        sweep(executor="slurm", device=device, precision="bf16", memory_format="auto")
    sweep(executor="slurm", device=device, precision="bf16")
    assert not there.measured


def test_an_executor_that_leaves_the_device_to_the_machine_computes_here():
    assert Executor.computes_here(Executor.HParams())
    assert not Cluster.computes_here(Cluster.HParams())


def test_a_tuned_sweep_is_planned_with_the_threads_of_its_trials(sweep, machine, monkeypatch):
    from ltbench.executors import machine as module
    from ltbench.session import session

    monkeypatch.setattr(session, "cores", lambda: 4)
    monkeypatch.setattr(module, "cores", lambda: 4)
    there = machine(1, 1, 1, 1)
    sweep(seeds=[0], sweep_size=16)
    sweep(seeds=[0], out="alone")
    assert [threads for *_, threads in there.measured] == [1, 4]


def test_a_study_in_another_format_is_another_study(sweep):
    plan, _ = sweep(precision="fp32")
    (method,) = plan.methods
    other = replace(method, spec=replace(method.spec, memory_format="channels-last"))
    assert other.hash != method.hash
    assert "memory_format" not in method.tuning_task()


def test_a_begun_run_is_a_run_that_is_there(sweep, machine):
    machine(1, 1, 1, 0.2)
    plan, _ = sweep()
    begin(plan)
    assert not any(RunFolder(spec.folder(Path(plan.out))).done for spec in plan.specs)
    machine(1, 1, 0.2, 1)
    assert way_of(sweep()[0]) == BF16_LAST
