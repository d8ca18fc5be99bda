"""The first stage of a run, trained once and taken over by every run that begins with it.

``boda``, ``boda+crt`` and ``boda+tau-norm`` of one seed begin with the same training. Whichever of
them comes first does it; the others take its chosen model and its log and go on from there, bit for
bit as if they had trained it. Where ``boda`` alone is done, its folder has all that. Else the run
that trained the stage puts both into one file in a folder that all of them know,
``.stages/<data set>/<hash>/seed-<n>/`` beside the data sets' folders.

Who trains a first stage holds a claim on that folder meanwhile, as one on a run. Others do not wait
with a claim of their own in hand: they give theirs up and say who is at work, so nobody waits for
somebody who waits. A stage is taken over only where it was trained in the environment that it would
be trained in here: by the same code, libraries, kind of device and number of threads. A file that
is damaged is not believed, and the stage is trained again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from ltbench.errors import LtbenchError
from ltbench.plugins.algorithm import Algorithm
from ltbench.regular_files import read_file
from ltbench.results.claim import WATCH, Claim, Owner, acquire, find_owner
from ltbench.results.folder import RunFolder, write_bytes
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.sweeps import STAGES
from ltbench.results.untrusted import parse_line, read_json
from ltbench.training.checkpoint import Best, Checkpoint, load_best, load_state, save_state
from ltbench.training.context import RunContext
from ltbench.training.environment import environment
from ltbench.training.job import Job
from ltbench.training.plugin_versions import own_code, versions_here
from ltbench.training.steps import stage_steps

logger = logging.getLogger(__name__)

SUFFIX = ".pt"
_HERE_ALONE = ("git", "platform")  # of an environment: what changes no bit of a training
_ATTEMPTS = 100


class FirstStageBusy(Exception):
    """Another process trains the first stage at this moment."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(str(owner))
        self.owner = owner


def alone(spec: RunSpec) -> RunSpec:
    """Return the run that trains the first stage of another and nothing else.

    Raises:
        UsageError: something that the run names does not exist.
        PluginError: a plugin cannot be imported.
    """
    bare = replace(spec, stages=(), tuned=None)
    return replace(bare, plugins=versions_here(bare)) if spec.plugins else bare


def shared_folder(spec: RunSpec, out: Path) -> Path:
    """Return the folder in which runs share their first stage.

    It is named by the identity of :func:`alone`, but for what the protocol is called: by data,
    algorithm, protocol, backbone and precision. Stages, and what a protocol sets of them, are no
    part of it, nor is how hyper-parameters were found.

    Args:
        spec: of one of the runs.
        out: the folder of all runs.
    """
    identity = alone(spec).identity()
    identity["protocol"] = {k: v for k, v in identity["protocol"].items() if k != "name"}
    return out / STAGES / spec.dataset.name / canonical_hash(identity) / f"seed-{spec.seed}"


def with_first_stages(jobs: Sequence[Job], out: Path) -> list[Job]:
    """Tell those jobs of a sweep that share their first stage where.

    These are all that have further stages, and the runs of their first stage alone. Other jobs stay
    as they are, unless a first stage lies there for them.

    Args:
        jobs: of the sweep.
        out: the folder of all runs.
    """
    names: dict[str, Path] = {}  # by hash: seeds share all but the last part
    for job in jobs:
        if job.spec.hash not in names:
            names[job.spec.hash] = shared_folder(job.spec, out).parent
    folders = [names[job.spec.hash] / f"seed-{job.spec.seed}" for job in jobs]
    pairs = list(zip(jobs, folders, strict=True))
    shared = {folder for job, folder in pairs if job.spec.stages}
    runs: dict[Path, list[Path]] = {}
    for job, folder in pairs:
        if not job.spec.stages:
            runs.setdefault(folder, []).append(job.folder)
    some = (out / STAGES).is_dir()
    return [
        replace(job, first_stage=folder, first_runs=_runs_alone(job, out, runs.get(folder, ())))
        if folder in shared or (some and folder.is_dir())
        else job
        for job, folder in pairs
    ]


def _runs_alone(job: Job, out: Path, planned: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders of runs of a job's first stage alone, the job's own left out."""
    bare = alone(job.spec)
    tuned = [replace(bare, tuned=job.spec.tuned)] if job.spec.tuned else []
    folders = [*planned, *(spec.folder(out) for spec in [bare, *tuned])]
    return tuple(folder for folder in dict.fromkeys(folders) if folder != job.folder)


@dataclass(frozen=True)
class Trained:
    """A first stage that was trained.

    Attributes:
        best: its chosen model.
        log: the lines that it wrote.
        seconds: that it took.
        evaluating: the part of them spent on evaluation.
        stopped: where it ended before its last step.
        evaluation_batch: images in an evaluation's forward pass.
        run: the run that trained it, by the folder's name below that of all runs.
    """

    best: Best
    log: bytes
    seconds: float
    evaluating: float
    stopped: list[dict[str, Any]]
    evaluation_batch: int
    run: str


class FirstStage:
    """The first stage of one run, for the process that works on the run.

    Used as a context, in which the stage is claimed unless there is nothing to be trained.

    Args:
        job: the run; ``first_stage`` is not ``None``.
        threads: CPU threads that it computes with.
        say: is told in a sentence of what is damaged.

    Raises:
        FirstStageBusy: (from entering) another process trains the stage.
    """

    def __init__(self, job: Job, threads: int, say: Callable[[str], None]) -> None:
        assert job.first_stage is not None
        self.job, self.folder, self.say = job, job.first_stage, say
        spec = alone(job.spec)
        self.environment = _relevant(
            environment(
                torch.device(job.device),
                threads,
                own_code(spec),
                spec.plugins,
                deterministic=spec.protocol.deterministic,
            )
        )
        self.path = self.folder / f"{canonical_hash(self.environment)}{SUFFIX}"
        self.trained: Trained | None = None
        self._claim: Claim | None = None

    def __enter__(self) -> Self:
        self.trained = self._find()
        if self.trained is None:
            self._claim = _claimed(self.folder, self.job.abandoned_stage)
            try:
                self._check_runs()
                self.trained = self._find()  # who had the claim before may have done it
            except BaseException:
                self._release()
                raise
            if self.trained is not None:
                self._release()
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def take_over(
        self, context: RunContext, checkpoint: Checkpoint, model: Algorithm
    ) -> Best | None:
        """Return the chosen model where the stage is trained already, and its log to the run.

        Args:
            context: of the run.
            checkpoint: of the run, at its first stage; it then stands at the stage's end.
            model: of the first stage.
        """
        found = self.trained
        if found is None or not _fits(found.best, model):
            return None
        lines = found.log.splitlines(keepends=True)
        records = [record for line in lines if (record := parse_line(line)) is not None]
        context.folder.guard()
        write_bytes(context.folder.log, found.log, sync=None)
        checkpoint.step, checkpoint.best = int(records[-1]["step"]), found.best
        checkpoint.seconds, checkpoint.evaluating = found.seconds, found.evaluating
        checkpoint.log_lines, checkpoint.stopped = len(lines), list(found.stopped)
        checkpoint.evaluation_batch = context.evaluator.batch = found.evaluation_batch
        checkpoint.taken_over = {"seconds": round(found.seconds, 3), "run": found.run}
        logger.info("%s: the first stage is that of %s", self.job.folder, found.run)
        for record in records:
            context.report({"event": "evaluated", **record})
        return found.best

    def publish(self, checkpoint: Checkpoint, best: Best) -> None:
        """Let other runs have the stage, which was trained just now.

        A run of that stage alone need not: it has all of it in its folder once it is done.

        Args:
            checkpoint: of the run, at the stage's end.
            best: its chosen model.
        """
        if self._claim is None or not self.job.spec.stages:
            return
        state = {
            "best": vars(best),
            "log": RunFolder(self.job.folder).log.read_bytes(),
            "seconds": checkpoint.seconds,
            "evaluating": checkpoint.evaluating,
            "stopped": checkpoint.stopped,
            "evaluation_batch": checkpoint.evaluation_batch,
            "run": str(self.job.spec.folder(Path())),
        }
        try:
            save_state(self.path, state)
        except OSError as error:  # the run itself can do without
            self.say(f"its first stage cannot be kept for other runs: {error}")
        self._release()

    def _find(self) -> Trained | None:
        """Return the stage where it was trained in this environment, and is sound."""
        for folder in map(RunFolder, self.job.first_runs):
            if folder.done:
                with self._judging(f"the run in {folder.path}"):
                    if (found := _of_run(folder, self.environment)) is not None:
                        return _checked(found, self.job.spec)
        if self.path.exists():
            with self._judging(str(self.path)):
                state = load_state(self.path)
                best = Best(**state.pop("best"))
                return _checked(Trained(**state, best=best), self.job.spec)
        return None

    @contextlib.contextmanager
    def _judging(self, what: str) -> Iterator[None]:
        """Say of what cannot be believed that it is not."""
        try:
            yield
        except FileNotFoundError as error:  # its checkpoint was removed, to save space
            logger.info("no first stage from %s: %s", what, error)
        except (LtbenchError, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
            self.say(f"the first stage of {what} is not believed, and trained again ({error})")

    def _check_runs(self) -> None:
        """Raise where a run of this stage alone is at work that does not know of the others."""
        for folder in self.job.first_runs:
            owner = None if RunFolder(folder).done else find_owner(folder)
            if owner is None or owner.key in self.job.abandoned_runs:
                continue
            if not WATCH.sees_gone(owner):
                raise FirstStageBusy(owner)

    def _release(self) -> None:
        if self._claim is None:
            return
        self._claim.release()
        self._claim = None
        for folder in (self.folder, *list(self.folder.parents)[:3]):
            try:
                folder.rmdir()  # where nothing is kept, nothing is left
            except OSError:
                break


def _claimed(folder: Path, gone: str | None) -> Claim:
    """Claim the folder of a first stage.

    Raises:
        FirstStageBusy: another process has it.
    """
    for attempt in range(_ATTEMPTS):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            claim = acquire(folder, gone)
        except FileNotFoundError:  # somebody removed it just now, as it was empty
            if attempt + 1 == _ATTEMPTS:
                raise
            continue
        if isinstance(claim, Owner):
            raise FirstStageBusy(claim)
        return claim
    raise FileNotFoundError(folder)


def _of_run(folder: RunFolder, wanted: Mapping[str, Any]) -> Trained | None:
    """Return what a done run of the stage alone holds; ``None`` if it was made otherwise.

    Raises:
        ValueError: its log is not the one that it had.
    """
    result = read_json(folder.result) or {}
    if _relevant(result["environment"]) != wanted:
        return None
    log, timings = read_file(folder.log), result["timings"]
    if log_digest(log) != result["log_sha256"]:
        raise ValueError("log.jsonl is not what was written")
    return Trained(
        best=load_best(folder.best),
        log=log,
        seconds=float(timings["total_s"]),
        evaluating=float(timings["evaluate_s"]),
        stopped=list(result["selection"].get("stopped", [])),
        evaluation_batch=int(result["evaluation_batch"]),
        run="/".join(folder.path.parts[-4:]),
    )


def _checked(found: Trained, spec: RunSpec) -> Trained:
    """Return a stage whose log is one of that stage, and of no other."""
    lines = found.log.splitlines(keepends=True)
    records = [parse_line(line) for line in lines]
    if not records or any(r is None or r["stage"] != spec.algorithm.title for r in records):
        raise ValueError("its log is that of something else")
    last = records[-1]
    assert last is not None
    if last["step"] != stage_steps(spec)[0] and not last.get("stopped"):
        raise ValueError("its log lacks its end")
    return found


def _fits(best: Best, model: Algorithm) -> bool:
    """Return whether weights are those of a model."""
    own = model.state_dict()
    return best.model.keys() == own.keys() and all(
        best.model[key].shape == value.shape for key, value in own.items()
    )


def log_digest(log: bytes) -> str:
    """Return the SHA-256 of a log's content."""
    return hashlib.sha256(log).hexdigest()


def _relevant(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an environment may change a bit of a training, as JSON has it."""
    kept = {key: value for key, value in found.items() if key not in _HERE_ALONE}
    plain: dict[str, Any] = json.loads(json.dumps(kept))
    return plain
