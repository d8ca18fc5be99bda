"""A session: plans runs, has an executor carry them out, and collects what came of them.

The commands ``run``, ``retry`` and ``tune`` are thin callers of it, and so is whoever does the same
from Python::

    session = Session(Path("runs"), device="cuda:0")
    plan = session.plan(["erm", "boda+crt"], ["digits-mini-mlt"], range(5), steps=300)
    session.prepare(plan)
    runs = session.run(plan)
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ltbench.data.locations import data_folder
from ltbench.data.store import store_folder
from ltbench.errors import Stopped, UsageError
from ltbench.executors.base import Executor
from ltbench.executors.machine import make_slots
from ltbench.executors.observation import Observation
from ltbench.executors.processor import cores
from ltbench.executors.sharing import Network, runs_per_gpu
from ltbench.executors.slots import Slots
from ltbench.executors.speed import Speeds
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_name
from ltbench.plugins.resolve import registered, resolve
from ltbench.plugins.text import check_printable, visible
from ltbench.results.arithmetic import PLAIN, Arithmetic, check_asked
from ltbench.results.damage import check_result
from ltbench.results.folder import RunFolder
from ltbench.results.protocol import protocol_settings
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.states import read_states
from ltbench.results.sweeps import PlannedRun, write_record
from ltbench.results.untrusted import UnreadableRun, read_result
from ltbench.session.arithmetic import Chooser, Place, measure_now
from ltbench.session.changes import changes
from ltbench.session.disk_use import disk_use
from ltbench.session.estimate import Estimator, own_shares, read_estimator
from ltbench.session.no_effect import no_effect
from ltbench.session.observers import choose_watchers
from ltbench.session.plan import Plan, Request, plan_runs
from ltbench.session.prepare import check_backbones, check_writable, decode_images
from ltbench.session.progress import to_stderr
from ltbench.training.first_stage import with_first_stages
from ltbench.training.job import Job
from ltbench.training.steps import stage_steps


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep and how it stands.

    Attributes:
        state: as in :data:`ltbench.results.states.STATUSES`, or ``interrupted`` where the sweep was
            stopped.
        reason: why it failed or diverged.
        estimate: seconds that it may take, or ``None`` where it is done or nothing is known.
    """

    spec: RunSpec
    folder: Path
    state: str
    reason: str = ""
    estimate: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints of a run."""
        summary: dict[str, Any] = {
            "label": self.spec.label,
            "differs": self.spec.apart.removeprefix(", "),
            "dataset": self.spec.dataset_name,
            "seed": self.spec.seed,
            "hash": self.spec.hash,
            "folder": str(self.folder),
            "state": self.state,
        }
        with contextlib.suppress(UnreadableRun, KeyError):
            summary["test"] = (read_result(self.folder) or {})["test"]
        return summary


class Session:
    """Where runs lie, what carries them out, and who is told.

    Args:
        out: the folder of the runs.
        data_dir: the folder of the data sets' files; by default ``LTBENCH_DATA`` or the user's.
        executor: ``name[key=value,…]`` of an executor.
        ray_address: of a Ray cluster; short for ``ray[address=…]``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        jobs: runs at a time; by default one a core or GPU.
        jobs_per_device: runs that share a GPU; by default several where their networks are small.
        timeout: seconds after which a run stops and counts as failed.
        observers: comma lists of ``name[key=value,…]``.
        quiet: show no progress unless an observer does.
        say: is told in a sentence what nobody else says, by default on standard error.
        command: what was typed, for the record of the sweep.

    Attributes:
        device: what runs compute on: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        UsageError: there is no such observer, executor or device, its settings are not possible, or
            the name of the folder is not printable.
    """

    def __init__(
        self,
        out: Path = Path("runs"),
        *,
        data_dir: Path | None = None,
        executor: str = "local",
        ray_address: str | None = None,
        device: str = "auto",
        jobs: int | None = None,
        jobs_per_device: int | None = None,
        timeout: float | None = None,
        observers: Sequence[str] = (),
        quiet: bool = False,
        say: Callable[[str], None] = to_stderr,
        command: Sequence[str] = (),
    ) -> None:
        check_printable(str(out), f"the folder of the runs '{visible(str(out))}'")
        self.out, self.data_dir, self.quiet = out, data_folder(data_dir), quiet
        self.jobs, self.jobs_per_device, self.timeout = jobs, jobs_per_device, timeout
        self.say = say
        self.command = tuple(command or sys.argv)
        self.watchers = choose_watchers(get_plugins(), observers, quiet=quiet)
        name = _executor_name(executor, ray_address)
        self._kind: type[Executor]
        self._executor = name.name
        self._kind, self._settings = resolve("executors", name.name, name.options)
        self._here = name.name == "local"
        self.device = self._kind.choose_device(device, self._settings)

    @cached_property
    def estimator(self) -> Estimator:
        """Tells how long runs will take, by those that are done in the session's folder."""
        return read_estimator(self.out, self.device)

    def plan(
        self,
        algos: Sequence[str],
        datasets: Sequence[str],
        seeds: Sequence[int],
        precision: str = "auto",
        *,
        memory_format: str | None = None,
        sweep_size: int | None = None,
        **options: Any,
    ) -> Plan:
        """Return the runs of algorithms on data sets with several seeds.

        What changed since runs of the same names were made is said.

        Args:
            algos: comma lists of ``algorithm[+stage…]`` names.
            datasets: comma lists of data set names.
            seeds: the seeds.
            precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
            memory_format: ``auto``, ``contiguous`` or ``channels-last``; ``None`` for ``auto``
                beside the precision ``auto``, and else the usual one of the device.
            sweep_size: runs of the whole sweep, where these are only a part of it.
            options: ``protocol``, ``protocol_in_file``, ``starts``, ``backbone``, ``pretrained``,
                ``weights`` and ``preprocessing``, as in :class:`~ltbench.session.plan.Request`,
                and the settings of :class:`~ltbench.results.protocol.Protocol`; those that are
                ``None`` are not given.

        Raises:
            UsageError: a name, value, file or combination is not possible.
            DataError: a data set is missing or broken.
            PluginError: no algorithm that was asked for can be imported.
        """
        check_asked(precision, memory_format)  # before images are read
        given = {name: value for name, value in options.items() if value is not None}
        pretrained = given.get("pretrained", False)
        if not isinstance(pretrained, bool):
            raise UsageError(
                f"pretrained is true or false, and not '{visible(str(pretrained))}': leave it out "
                "for what the protocol says"
            )
        settings = {name: given.pop(name) for name in protocol_settings() if name in given}
        request = Request(algos, datasets, seeds, PLAIN.precision, self.data_dir, settings, **given)
        plan = replace(plan_runs(request, show=not self.quiet), out=self.out, sweep_size=sweep_size)
        place = self._place(plan)
        plan = Chooser(precision, memory_format, place, self.say).settle(plan)
        for sentence in (
            *_said_of_data(plan),
            *plan.remarks,
            *no_effect(plan),
            *changes(plan),
            *disk_use(plan),
        ):
            self.say(sentence)
        return plan

    def _place(self, plan: Plan) -> Place:
        """Return where the runs of a plan compute."""
        slots = self.slots(plan)
        here = self._kind.computes_here(self._settings)
        elsewhere = "" if here else self._executor
        return Place(slots.devices[0], _threads(slots), elsewhere)

    def measure(self, algorithm: str, dataset: str, also: Sequence[Arithmetic] = ()) -> Speeds:
        """Measure now how fast the network of a data set's default protocol trains here.

        Args:
            algorithm: whose run is planned for it.
            dataset: as typed.
            also: ways to compute that runs would not try on this machine.

        Raises:
            UsageError, DataError, PluginError: as of :meth:`plan`.
            Exception: whatever the network raises.
        """
        request = Request([algorithm], [dataset], [0], PLAIN.precision, self.data_dir)
        plan = replace(plan_runs(request, show=not self.quiet), out=self.out)
        (speeds,) = measure_now(plan, self._place(plan), also)
        return speeds

    def slots(self, plan: Plan) -> Slots:
        """Return how the runs of a plan share the machine."""
        runs, per_device = plan.sweep_size or len(plan.specs), self.jobs_per_device
        if per_device is None and self.jobs is None and self._here and self.device != "cpu":
            per_device = runs_per_gpu(self.device, _networks(plan))
        return make_slots(self.device, self.jobs, runs, per_device)

    def _sharing(self, slots: Slots) -> int:
        """Return how many runs share a device."""
        if self._here:
            return slots.devices.count(slots.devices[0])
        gpus = getattr(self._settings, "gpus", 1)
        return round(1 / gpus) if 0 < gpus < 1 else 1

    def describe(self, plan: Plan) -> list[SweepRun]:
        """Return the runs of a plan as they stand, with the time that those left will take."""
        found = read_states(plan.out).runs if plan.out.is_dir() else []
        states = {run.path: run for run in found}
        runs = []
        for spec, (estimate, _) in zip(plan.specs, self._estimates(plan), strict=True):
            folder = spec.folder(plan.out)
            known = states.get(os.path.abspath(folder))
            state, reason = (known.status, known.reason) if known else ("waiting", "")
            seconds = None if state == "done" else estimate
            runs.append(SweepRun(spec, folder, state, reason, seconds))
        return runs

    def _estimates(self, plan: Plan) -> list[tuple[float | None, float]]:
        """Return the seconds that each run may take, and its own share of those it takes alone."""
        alone = [self.estimator.seconds(spec) for spec in plan.specs]
        jobs = [
            Job(spec, spec.folder(plan.out), plan.data_dir, cost=seconds or 0.0)
            for spec, seconds in zip(plan.specs, alone, strict=True)
        ]
        shares = own_shares(with_first_stages(jobs, plan.out))
        pairs = zip(alone, shares, strict=True)
        return [(None if s is None else s * share, share) for s, share in pairs]

    def prepare(self, plan: Plan) -> None:
        """Check the output folder and get images and weights ready before any run starts.

        Raises:
            UsageError: the folder is not writable, an image is broken, or weights are missing.
        """
        check_writable(plan.out)
        check_backbones(plan)  # what is missing is said before hours of decoding
        decode_images(plan, show=not self.quiet)

    def run(self, plan: Plan) -> list[SweepRun]:
        """Carry out what is not done yet and return how every run of the plan ended.

        Raises:
            UsageError: a result that is there cannot be read.
            Stopped: the user pressed Ctrl-C.
        """
        for spec in plan.specs:
            check_result(spec.folder(plan.out))
        slots, plugins = self.slots(plan), get_plugins()
        executor = self._kind(slots, self._settings)
        executor.say = self.say
        jobs = self._jobs(plan, slots)
        self._record(plan, slots)
        left = [job for job in jobs if not _is_done(job)]
        observation = Observation(plugins)
        observation.outcomes.update({job.folder: "done" for job in jobs})
        with contextlib.ExitStack() as stack:
            for entry, observer in self.watchers:
                name = f"--observer {entry.name}"
                source = entry.distribution, entry.version
                stack.enter_context(plugins.observing(name, observer, *source))
            out, done = plan.out.resolve(), len(jobs) - len(left)
            plugins.call("ltbench_sweep_started", runs=list(plan.specs), done=done, out=out)
            try:
                if left:
                    executor.run(left, observation)
            except Stopped:
                stack.enter_context(_interrupts_ignored())  # until all of them have said farewell
                done = sum(RunFolder(job.folder).done for job in jobs)
                raise Stopped(
                    f"stopped with {done} of {len(jobs)} runs done; type the same command to go on"
                ) from None
            finally:
                plugins.call("ltbench_sweep_finished")
        ended, causes = observation.outcomes, observation.causes
        return [
            SweepRun(job.spec, job.folder, ended[job.folder], causes.get(job.folder, ""))
            for job in jobs
        ]

    def _jobs(self, plan: Plan, slots: Slots) -> list[Job]:
        """Return a job for each run of the plan."""
        out = plan.out.resolve()
        # By all parameters: one of them is the size of the images that are stored.
        stores = {
            canonical_hash([dataset.name, dataset.hparams.as_dict()]): store_folder(dataset, split)
            for dataset, split in plan.datasets
        }
        jobs = [
            Job(
                spec,
                spec.folder(out),
                plan.data_dir,
                slots.devices[0],
                _threads(slots),
                plan.weights,
                stores.get(canonical_hash([spec.dataset.name, spec.dataset_options])),
                cost=cost,
                timeout=self.timeout,
                sharing=self._sharing(slots),
            )
            for spec, cost in zip(plan.specs, self.estimator.costs(plan.specs), strict=True)
        ]
        jobs = with_first_stages(jobs, out)
        shares = own_shares(jobs)
        return [
            replace(job, cost=job.cost * share) for job, share in zip(jobs, shares, strict=True)
        ]

    def _record(self, plan: Plan, slots: Slots) -> None:
        """Leave word of what this sweep sets out to do; the runs go on without it too."""
        runs = [
            PlannedRun(spec, sum(stage_steps(spec)), *estimate)
            for spec, estimate in zip(plan.specs, self._estimates(plan), strict=True)
        ]
        try:
            write_record(plan.out, self.command, runs, len(slots.devices))
        except OSError as error:
            self.say(f"Warning: no record of this sweep: {error}")


def _said_of_data(plan: Plan) -> list[str]:
    """Return where splits are from, and remarks on them; what is true of several settings once."""
    said: list[str] = []
    for dataset, split in plan.datasets:
        origin = dataset.split_origin(split)
        for line in (*([str(origin)] if origin else []), *dataset.remarks(split)):
            said.append(f"{dataset.name}: {line}")
    return list(dict.fromkeys(said))


def _threads(slots: Slots) -> int:
    return max(1, cores() // len(slots.devices))


def _executor_name(executor: str, ray_address: str | None) -> Name:
    name = registered(parse_name(executor), "executors")
    if ray_address is None:
        return name
    if name.name not in ("local", "ray"):
        raise UsageError(f"--ray-address has no meaning for --executor {name.name}: leave it out")
    return Name("ray", {**name.options, "address": ray_address})


def _networks(plan: Plan) -> set[Network]:
    """Return the networks that a plan trains."""
    facts = {dataset.name: dataset.facts for dataset, _ in plan.datasets}
    sizes = ((spec, spec.protocol.sized(facts[spec.dataset.name])) for spec in plan.specs)
    return {(spec.backbone.name, sized.channels, sized.size) for spec, sized in sizes}


def _is_done(job: Job) -> bool:
    folder = RunFolder(job.folder)
    if folder.done:
        folder.tidy()  # of what a command that was killed at the very end left there
    return folder.done


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let Ctrl-C once more, out of impatience, not cost what is said at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
