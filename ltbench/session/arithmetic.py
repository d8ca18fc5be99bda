"""In which way the runs of a plan compute, where that is left to this machine.

Runs that are there decide first, so that a command goes on with what it began and a table stays one
table. Else it is what was measured of the network here, now or before.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ltbench.errors import UsageError, described
from ltbench.executors import measured
from ltbench.executors.machine import memory_formats, precisions
from ltbench.executors.measured import Answer, Question
from ltbench.executors.processor import processor
from ltbench.executors.speed import Speeds, Workload, measure
from ltbench.plugins.backbone_options import parse_backbone
from ltbench.plugins.manager import get_plugins
from ltbench.results.arithmetic import (
    AUTO,
    PLAIN,
    Arithmetic,
    recorded_format,
    used_format,
    usual_format,
)
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord, RunSpec, canonical_hash
from ltbench.results.sweeps import TUNING
from ltbench.session.plan import Plan

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where runs compute.

    Attributes:
        device: as in :class:`~ltbench.executors.slots.Slots`: ``cpu``, ``cuda:0``.
        threads: CPU threads of a run.
        elsewhere: the executor that has other machines compute; empty for this one.
    """

    device: str
    threads: int
    elsewhere: str = ""


class Chooser:
    """Chooses how runs compute, and says what and why.

    Args:
        precision: as typed: ``auto``, or one of them.
        memory_format: as typed: ``auto``, one of them, or ``None``, which is ``auto`` beside
            ``--precision auto``, and the device's usual one beside a precision.
        place: where the runs compute.
        say: is told in a sentence.
    """

    def __init__(
        self,
        precision: str,
        memory_format: str | None,
        place: Place,
        say: Callable[[str], None],
    ) -> None:
        self.precision, self.place, self.say = precision, place, say
        self.memory_format = memory_format or (
            AUTO if precision == AUTO else usual_format(place.device)
        )

    def settle(self, plan: Plan) -> Plan:
        """Return the plan with runs that say how they compute.

        Raises:
            UsageError: it is to be measured, and the machines are out of reach.
        """
        groups: dict[Workload, list[RunSpec]] = {}
        for spec in plan.specs:
            groups.setdefault(_workload(spec, plan), []).append(spec)
        ways = {}
        for work, specs in groups.items():
            ways[work] = self._choose(work, specs, plan.out)

        def settled(spec: RunSpec) -> RunSpec:
            return in_way(spec, ways[_workload(spec, plan)], self.place.device)

        return replace(
            plan,
            specs=tuple(map(settled, plan.specs)),
            methods=tuple(replace(m, spec=settled(m.spec)) for m in plan.methods),
        )

    @property
    def _typed(self) -> list[Arithmetic]:
        """The ways that what was typed leaves open, the plainest first."""
        elsewhere, device = self.place.elsewhere, self.place.device
        both = [self.precision], [self.memory_format]
        if self.precision == AUTO:
            both = list(("fp32", "bf16") if elsewhere else precisions(device)), both[1]
        if self.memory_format == AUTO:
            both = both[0], list(memory_formats(device))
        return [Arithmetic(*pair) for pair in itertools.product(*both)]

    def _choose(self, work: Workload, specs: Sequence[RunSpec], out: Path) -> Arithmetic:
        ways = self._typed
        if len(ways) == 1:
            return ways[0]
        question = None if self.place.elsewhere else _question(work, ways, self.place)
        answer = measured.find(question) if question else None
        there = _ways_there(specs, ways, out, self.place.device)
        if there:
            way = there.most_common(1)[0][0]
            if answer and answer.choice(ways) in there:
                way = answer.choice(ways)
            self._tell(work, way, f"as runs in {out} have it")
            return way
        if question is None:
            return self._elsewhere(work)
        if answer is None:
            try:
                answer, _ = _measured(work, question, self.place)
            except Exception as error:  # the run says it as well, if it is the network's fault
                logger.info("measuring %s failed", work.backbone, exc_info=True)
                way = ways[0] if PLAIN not in ways else PLAIN
                self._tell(work, way, f"as nothing could be measured: {described(error)}")
                return way
        way = answer.choice(ways)
        self._tell(work, way, _why(answer, way, ways))
        return way

    def _elsewhere(self, work: Workload) -> Arithmetic:
        """Return how runs compute on machines that nobody can ask: never by a guess.

        Raises:
            UsageError: they are GPUs, most of which are far faster in another precision.
        """
        option = "--precision" if self.precision == AUTO else "--memory-format"
        if option == "--memory-format":
            raise UsageError(
                f"--memory-format auto cannot measure machines that are elsewhere "
                f"({self.place.elsewhere}): type contiguous or channels-last"
            )
        if self.place.device.startswith("cuda"):
            raise UsageError(
                "--precision auto cannot ask GPUs that are elsewhere: type --precision bf16 "
                "(NVIDIA Ampere or newer) or --precision fp32"
            )
        memory_format = self.memory_format
        if memory_format == AUTO:
            memory_format = usual_format(self.place.device)
        way = Arithmetic("fp32", memory_format)
        reason = (
            f"as the machines of {self.place.elsewhere} cannot be measured from here; type "
            "--precision bf16 if they multiply in it natively"
        )
        self._tell(work, way, reason)
        return way

    def _tell(self, work: Workload, way: Arithmetic, reason: str) -> None:
        self.say(f"{work.backbone}, {work.images} images a step: {way}, {reason}")


def measure_now(plan: Plan, place: Place, also: Sequence[Arithmetic] = ()) -> list[Speeds]:
    """Measure the networks of a plan as if nothing were known of them, and keep what comes of it.

    Args:
        plan: the runs.
        place: where they would compute; a device of this machine.
        also: ways that runs would not try here, measured beside the others and not kept.

    Raises:
        Exception: whatever a backbone raises, and what becomes of a process that ends.
    """
    works = dict.fromkeys(_workload(spec, plan) for spec in plan.specs)
    return [_measured(work, _question(work, (), place), place, also)[1] for work in works]


def _measured(
    work: Workload, question: Question, place: Place, also: Sequence[Arithmetic] = ()
) -> tuple[Answer, Speeds]:
    """Measure and keep what answers a question; return it, and all that was measured."""
    ways = _ways_of(question)
    speeds = measure(work, [*ways, *also], place.device, place.threads)
    seconds = {way: speeds.seconds[way] for way in ways}
    ratios = {way: speeds.ratios[way] for way in ways}
    answer = Answer(question, speeds.images, speeds.threads, seconds, ratios)
    measured.keep(answer)
    return answer, speeds


def in_way(spec: RunSpec, way: Arithmetic, device: str) -> RunSpec:
    """Return a run that computes in some way."""
    recorded = recorded_format(way.memory_format, device)
    return replace(spec, precision=way.precision, memory_format=recorded)


def _workload(spec: RunSpec, plan: Plan) -> Workload:
    """Return the network's part of a run's steps."""
    facts = next(d.facts for d, _ in plan.datasets if d.name == spec.dataset.name)
    sized = spec.protocol.sized(facts)
    trained = sum(any(counts) for counts in spec.data["counts"]["train"])
    return Workload(
        spec.backbone.title,
        (sized.channels, sized.size, sized.size),
        spec.protocol.batch_per_domain * max(1, trained),
        len(facts.classes),
        spec.protocol,
    )


def _question(work: Workload, ways: Iterable[Arithmetic], place: Place) -> Question:
    """Return what there is to know; ways that nobody asked for are compared as well."""
    cuda = place.device.startswith("cuda")
    every = [
        Arithmetic(*pair)
        for pair in itertools.product(precisions(place.device), memory_formats(place.device))
    ]
    return Question(
        processor=processor().key,
        device=torch.cuda.get_device_name(place.device) if cuda else place.device,
        torch=str(torch.__version__),
        threads=place.threads,
        backbone=_with_version(work.backbone),
        image_shape=work.image_shape,
        images=work.images,
        optimizer=work.protocol.optimizer,
        drop_path=float(work.protocol.drop_path),
        ways=tuple(map(str, dict.fromkeys([PLAIN, *every, *ways]))),
    )


def _ways_of(question: Question) -> list[Arithmetic]:
    return [Arithmetic(*way.split()) for way in question.ways]


def _with_version(backbone: str) -> str:
    registry, name = get_plugins()["backbones"], parse_backbone(backbone).name
    if name not in registry:
        return backbone
    entry = registry.get(name)
    own = entry.distribution == "ltbench"
    return backbone if own else f"{backbone} ({entry.distribution} {entry.version})"


def _ways_there(
    specs: Sequence[RunSpec], ways: Sequence[Arithmetic], out: Path, device: str
) -> Counter[Arithmetic]:
    """Count the runs in a folder by how they compute: these runs, else those of their table."""
    folders = [folder for folder in (out, out / TUNING) if folder.is_dir()]
    records = [record for folder in folders for record in read_runs(folder)]
    paths: dict[str, Arithmetic] = {}
    tables: dict[tuple[str, str], Arithmetic] = {}
    for way in ways if records else ():
        for spec in (in_way(spec, way, device) for spec in specs):
            paths[os.path.abspath(spec.folder(out))] = way
        shared = {canonical_hash(in_way(spec, way, device).shared_setting()) for spec in specs}
        tables |= {(table, way.memory_format): way for table in shared}

    def of_table(run: RunRecord) -> Arithmetic | None:
        return tables.get((run.protocol_hash, used_format(run.memory_format, device)))

    own = [paths.get(os.path.abspath(run.path)) for run in records]
    return Counter(filter(None, own)) or Counter(filter(None, map(of_table, records)))


def _why(answer: Answer, way: Arithmetic, ways: Sequence[Arithmetic]) -> str:
    """Say in a few words what was measured."""
    if way == PLAIN:
        return "as nothing else is clearly faster here (`ltbench doctor` shows what was measured)"
    times = 1 / answer.ratios[way]
    if PLAIN not in ways:
        return f"the fastest of its kind here, {times:.2g} times as fast as {PLAIN}"
    return f"{times:.2g} times as fast here as {PLAIN} (`ltbench doctor` shows what was measured)"
