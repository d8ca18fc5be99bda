"""``ltbench doctor`` on machines where something is wrong: each is named, with what to do."""

from __future__ import annotations

import collections
import importlib.metadata
import json
import subprocess
import types
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltbench.cli.doctor import compared, doctor
from ltbench.executors import cgroup, machine, processor
from ltbench.plugins import manager
from ltbench.session import dataset_states, hardware, installation, storage
from ltbench.session.checks import BAD, OK, WARN, Check, without_home, worst
from ltbench.session.dataset_states import dataset_checks
from ltbench.session.hardware import hardware_checks
from ltbench.session.installation import installation_checks
from ltbench.session.storage import storage_checks

Usage = collections.namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LTBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def found(checks, name):
    (check,) = [check for check in checks if check.name == name]
    return check


def without(monkeypatch, *names):
    """Let some distributions not be installed."""
    there = importlib.metadata.distribution

    def distribution(name):
        if name in names:
            raise PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(installation, "distribution", distribution)


def test_an_extra_that_is_not_here_is_no_fault(monkeypatch):
    without(monkeypatch, "ray", "onnx")
    checks = list(installation_checks())
    ray = found(checks, "extra ray")
    assert (ray.state, ray.to_do) == (OK, "pip install 'ltbench[ray]' if you want it")
    assert found(checks, "extra onnx").state == WARN  # two of its three packages are here
    assert "ray" not in found(checks, "extras").found.split(", ")


def test_a_requirement_that_is_not_here_is(monkeypatch):
    without(monkeypatch, "tabulate")
    requirement = found(installation_checks(), "requirements")
    assert requirement.state == BAD
    assert "ltbench needs tabulate" in requirement.found
    assert requirement.to_do == "pip install 'tabulate>=0.9'"


def test_a_version_that_does_not_fit_is(monkeypatch):
    there = importlib.metadata.distribution

    def distribution(name):
        dist = there(name)
        if name != "timm":
            return dist
        return types.SimpleNamespace(name="timm", version="0.4.12", requires=dist.requires)

    monkeypatch.setattr(installation, "distribution", distribution)
    requirement = found(installation_checks(), "requirements")
    assert requirement.state == BAD
    assert requirement.found == "ltbench 0.1.0 needs timm>=1.0.12, and 0.4.12 is here"


def test_a_library_that_is_not_here_is(monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "version", version)
    assert found(installation_checks(), "timm") == Check(
        "timm", BAD, "is not installed", "pip install timm"
    )


def test_a_plugin_that_raises_is_named_and_the_command_fails(tmp_path, monkeypatch):
    plugins = manager.Plugins()
    plugins.fail("moths", "acme-moths", "1.2", ImportError("no module named 'antennae'"))
    monkeypatch.setattr(installation, "get_plugins", lambda: plugins)
    broken = found(installation_checks(), "plugin moths")
    assert broken.state == BAD
    assert "acme-moths 1.2 failed: ImportError: no module named 'antennae'" in broken.found
    done = CliRunner().invoke(doctor, ["--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["state"] == "bad"


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "file" / "cache"))
    cache = found(storage_checks(Path("runs"), None), "cache")
    assert cache.state == BAD
    assert "cannot be written" in cache.found
    assert "LTBENCH_CACHE" in cache.to_do


def test_a_folder_that_may_not_be_looked_into(tmp_path, monkeypatch):
    def refused(path, *, follow_symlinks=True):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refused)  # root may look anywhere
    found = {check.name: check for check in storage_checks(tmp_path / "closed" / "runs", None)}
    assert "not there yet" in found["runs"].found


def test_nothing_is_left_where_writing_was_tried(tmp_path):
    assert {check.state for check in storage_checks(Path("runs"), None)} == {OK}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "state"), [(50e6, BAD), (1e9, WARN), (50e9, OK)])
def test_a_full_disk(free, state, monkeypatch):
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: Usage(1e12, 1e12 - free, int(free)))
    runs = found(storage_checks(Path("runs"), None), "runs")
    assert runs.state == state
    assert ("clean" in runs.to_do) == (state != OK)


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Let the process be in a control group whose files a test writes."""
    root = tmp_path / "cgroup"
    (root / "user" / "job").mkdir(parents=True)
    (tmp_path / "own").write_text("0::/user/job\n")
    monkeypatch.setattr(cgroup, "ROOT", root)
    monkeypatch.setattr(cgroup, "OWN", tmp_path / "own")
    return root


def test_the_tightest_of_nested_groups_counts(group):
    assert cgroup.processor_limit() is None
    assert cgroup.memory_limit() is None
    (group / "user" / "job" / "cpu.max").write_text("max 100000\n")
    (group / "user" / "cpu.max").write_text("150000 100000\n")
    (group / "user" / "job" / "memory.max").write_text(f"{3 << 30}\n")
    (group / "user" / "memory.max").write_text("max\n")
    assert cgroup.processor_limit() == 1.5
    assert cgroup.memory_limit() == 3 << 30


def test_as_many_cores_are_used_as_the_group_leaves_the_time_of(group, monkeypatch):
    monkeypatch.setattr(processor, "affine_cores", lambda: 8)
    assert processor.cores() == 8
    for quota, used in (("350000", 3), ("50000", 1), ("1600000", 8)):
        (group / "user" / "cpu.max").write_text(f"{quota} 100000\n")
        assert processor.cores() == used
    (group / "user" / "cpu.max").write_text("350000 100000\n")
    assert len(machine.make_slots("cpu", None, 20).devices) == 3
    (group / "user" / "memory.max").write_text(f"{2 * machine.WORKER_BYTES + 5}\n")
    assert len(machine.make_slots("cpu", None, 20).devices) == 2


def test_groups_of_the_first_version(group, tmp_path):
    (tmp_path / "own").write_text("4:cpu,cpuacct:/job\n3:memory:/job\n")
    for name, text in (("cpu.cfs_quota_us", "50000"), ("cpu.cfs_period_us", "100000")):
        (group / "cpu" / "job").mkdir(parents=True, exist_ok=True)
        (group / "cpu" / "job" / name).write_text(text)
    (group / "memory" / "job").mkdir(parents=True)
    (group / "memory" / "job" / "memory.limit_in_bytes").write_text(str(2**63 - 4096))
    assert cgroup.processor_limit() == 0.5
    assert cgroup.memory_limit() is None


def test_what_a_group_limits_is_told_and_too_little_is_a_warning(group, monkeypatch):
    monkeypatch.setattr(hardware, "affine_cores", lambda: 4)
    (group / "cpu.max").write_text("150000 100000\n")
    (group / "memory.max").write_text(f"{1 << 30}\n")
    cores, memory = (found(hardware_checks(), name) for name in ("cores", "memory"))
    assert (cores.state, memory.state) == (OK, WARN)
    assert "leaves the time of 1.5: 1 at once" in cores.found
    (group / "cpu.max").write_text("196000 100000\n")
    assert "leaves the time of 1.96: 1 at once" in found(hardware_checks(), "cores").found
    (group / "cpu.max").write_text("50000 100000\n")
    assert found(hardware_checks(), "cores").state == WARN
    assert "by a control group; the machine has" in memory.found


def test_a_gpu_that_pytorch_was_not_built_for(monkeypatch):
    row = "NVIDIA H100, 81559, 80000, 550.54\nnonsense\n"
    monkeypatch.setattr(
        hardware.subprocess, "run", lambda *_, **__: types.SimpleNamespace(stdout=row)
    )
    monkeypatch.setattr(hardware, "built_for", lambda: "")
    gpu = found(hardware_checks(), "GPU 0")
    assert gpu.state == WARN
    assert "NVIDIA H100, 81559 MiB, 80000 free, driver 550.54" in gpu.found
    monkeypatch.setattr(hardware, "built_for", lambda: "CUDA 12.8")
    assert found(hardware_checks(), "GPU 0").state == OK
    monkeypatch.setattr(hardware, "built_for", lambda: "ROCm 6.4")
    assert found(hardware_checks(), "GPU 0").state == WARN


def test_a_driver_that_does_not_answer(monkeypatch):
    def hangs(*_, **__):
        raise subprocess.TimeoutExpired("nvidia-smi", 5)

    monkeypatch.setattr(hardware.subprocess, "run", hangs)
    assert found(hardware_checks(), "GPU").state == OK


def test_what_pytorch_is_built_for_is_read_and_not_imported():
    import torch

    cuda = torch.version.cuda
    assert hardware.built_for() == (f"CUDA {cuda}" if cuda else "")


def test_data_sets_that_are_here_not_here_and_damaged(tmp_path):
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (raw / f"{part}-{kind}-ubyte.gz").write_bytes(b"<html>")
    checks = list(dataset_checks(None))
    assert found(checks, "digits-mini-mlt").found == "ready, 3,328 images"
    absent = found(checks, "pacs-mlt")
    assert (absent.state, absent.to_do) == (OK, "ltbench data prepare pacs-mlt")
    damaged = found(checks, "fashion-mlt")
    assert damaged.state == BAD
    assert damaged.found.startswith(f"damaged: {raw}/train-labels-idx1-ubyte.gz cannot be read")
    assert found(checks, "image-folder").found == "yours: image-folder[root=…]"


def test_a_data_set_of_a_plugin_that_raises(monkeypatch):
    def broken(*_):
        raise RuntimeError("no antennae")

    monkeypatch.setattr(dataset_states, "create_dataset", broken)
    check = next(dataset_checks(None))
    assert (check.state, check.found) == (BAD, "fails: RuntimeError: no antennae")


def test_the_worst_state_is_that_of_the_whole():
    checks = [Check("a", state, "") for state in (OK, WARN)]
    assert (worst([]), worst(checks), worst([*checks, Check("b", BAD, "")])) == (OK, WARN, BAD)


def test_nobody_reads_the_users_name(monkeypatch, tmp_path):
    home = tmp_path / "ada"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LTBENCH_CACHE", str(home / "cache"))
    assert without_home(f"{home}/x, {home}2/x, /mnt{home}/x; {home}") == (
        f"~/x, {home}2/x, /mnt{home}/x; ~"
    )
    for options in ([], ["--json"]):
        printed = CliRunner().invoke(doctor, [*options, "--out", str(home / "runs")]).output
        assert "~/cache" in printed
        assert str(home) not in printed


def test_warnings_are_no_failure_and_lines_fit(monkeypatch):
    monkeypatch.setattr(hardware, "processor_limit", lambda: 0.5)
    done = CliRunner().invoke(doctor)
    assert done.exit_code == 0
    assert "0 broken, 1 warning" in done.output
    assert "a control group leaves the time of 0.5: " in " ".join(done.output.split())
    assert max(map(len, done.output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("fp32", "bf16", "said"),
    [
        (1.0, 0.5, "bf16 is 2 times as fast as float32"),
        (1.0, 3.0, "float32 is 3 times as fast as bf16"),
        (1.0, 0.97, "float32 and bf16 are about equally fast"),
    ],
)
def test_which_arithmetic_is_faster(fp32, bf16, said):
    assert compared(fp32, bf16) == said


def test_measuring_now_says_which_is_faster_and_is_remembered():
    done = CliRunner().invoke(doctor, ["--measure", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    (check,) = [check for check in document["checks"] if check["section"] == "Speed"]
    assert check["found"].endswith("on the default network")
    (answer,) = document["measured"]
    assert answer["backbone"] == "digits-cnn-narrow"


def test_a_network_that_cannot_be_measured_is_broken(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr("ltbench.session.session.Session.measure", fails)
    done = CliRunner().invoke(doctor, ["--measure"])
    assert done.exit_code == 1
    assert "fails: RuntimeError: no kernel image is available" in done.output
