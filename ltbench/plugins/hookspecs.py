"""The hooks that a plugin module may implement.

Registration hooks receive ``register(name, target, summary=…)``, where ``target`` is a lazy
``"module:Class"`` string or the class itself. Observer hooks are called in the process that
started the sweep, never inside a training step.

An implementation may leave out arguments that it does not need. A plugin module may say which
version of these specifications it was built for, ``__ltbench_hooks__ = 1``; with another one it is
refused with a sentence that names both. :data:`VERSION` grows when a hook is removed or loses or
renames an argument; new hooks and new arguments leave it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import click

    from ltbench.results.run import RunSpec

VERSION = 1
"""Version of the hook specifications."""

hookspec = pluggy.HookspecMarker("ltbench")


class Register(Protocol):
    """Adds one named thing to a registry."""

    def __call__(self, name: str, target: str | object, *, summary: str = "") -> None:
        """Register ``target``, a ``"module:Class"`` string or an object, under ``name``."""


class RegisterMetric(Protocol):
    """Adds one metric, and says what its values mean."""

    def __call__(
        self,
        name: str,
        target: str | object,
        *,
        summary: str = "",
        better: str = "",
        unit: str = "",
        head: str = "",
        words: str = "",
        bases: Mapping[str, Mapping[str, str]] | None = None,
        every_evaluation: bool = True,
    ) -> None:
        """Register ``target`` under ``name``.

        What is declared covers all values whose names are the metric's own name (``_`` for ``-``)
        or begin with it and a ``_``: ``brier``, ``brier_average``, ``brier_worst``.

        Args:
            name: the metric's.
            target: a ``"module:function"`` string or the function.
            summary: one line.
            better: ``"higher"`` or ``"lower"``.
            unit: ``"%"`` for shares in 0…1, printed as percent; otherwise what stands behind a
                value, such as ``"nats"``, or nothing.
            head: a word or two that head a column.
            words: the name in running text; by default the head.
            bases: the same four by base name, for a function whose values have other names.
            every_evaluation: whether it is computed at every evaluation of a training, as it must
                be to stand in ``log.jsonl``; ``False`` leaves it to the test of the chosen model,
                for what takes more than a few milliseconds.
        """


@hookspec
def ltbench_algorithms(register: Register) -> None:
    """Register training algorithms (subclasses of :class:`ltbench.api.Algorithm`)."""


@hookspec
def ltbench_modifiers(register: Register) -> None:
    """Register modifiers of training (subclasses of :class:`ltbench.api.Modifier`).

    ``register("ema", "package.ema:EMA", summary=…)`` makes ``ltbench run --algo erm@ema``.
    """


@hookspec
def ltbench_stages(register: Register) -> None:
    """Register second stages (subclasses of :class:`ltbench.api.Stage`)."""


@hookspec
def ltbench_datasets(register: Register) -> None:
    """Register data sets (subclasses of :class:`ltbench.api.Dataset`)."""


@hookspec
def ltbench_backbones(register: Register) -> None:
    """Register backbones: callables ``(image_shape, pretrained) -> ltbench.api.Backbone``."""


@hookspec
def ltbench_protocols(register: Register) -> None:
    """Register protocols: mappings of settings, which any data set can be trained under.

    ``register("mine", {"backbone": "resnet50", "epochs": 90, "lr": 0.1}, summary=…)`` makes
    ``ltbench run --protocol mine``. Beside the settings of :class:`ltbench.api.Protocol` a protocol
    names its ``backbone``, and may have ``pretrained``, ``epochs`` and ``eval_epochs``. What a data
    set's own facts call by the same name comes first there.
    """


@hookspec
def ltbench_presets(register: Register) -> None:
    """Register presets: mappings of options of ``ltbench run``, under which a method is known.

    ``register("mine", {"algo": "ldam@ema", "protocol": "mdlt[lr=1e-4]"}, summary=…)`` makes
    ``ltbench run --preset mine --dataset …``. Names and values are those of a sweep file; what a
    user types beside the preset wins. ``then`` lists what is to be typed afterwards, such as
    ``["soup {out} --uniform"]``, where ``{out}`` stands for the folder of the runs.
    """


@hookspec
def ltbench_augmentations(register: Register) -> None:
    """Register augmentations of training images (subclasses of :class:`ltbench.api.Augmentation`).

    ``register("flip", "package.flip:Flip", summary=…)`` makes ``ltbench run --augmentation flip``,
    and chains such as ``photo>flip``.
    """


@hookspec
def ltbench_metrics(register: RegisterMetric) -> None:
    """Register metrics: callables ``(Predictions) -> {flat name: value or None}``.

    ``register("brier", brier, summary=…, better="lower", head="Brier", words="Brier score")`` also
    says what the values mean. Of a metric that does not, reports print plain numbers, take more
    for better and say that they do.
    """


@hookspec
def ltbench_executors(register: Register) -> None:
    """Register executors (subclasses of :class:`ltbench.api.Executor`)."""


@hookspec
def ltbench_observers(register: Register) -> None:
    """Register observers for ``--observer NAME`` (subclasses of :class:`ltbench.api.Observer`)."""


@hookspec
def ltbench_figures(register: Register) -> None:
    """Register figures: callables ``(FigureData, Choices) -> (matplotlib Figure, data frame)``.

    ``register("violin", "package.violin:draw", summary=…)`` makes ``ltbench figures violin``. See
    :class:`ltbench.api.FigureData` and :class:`ltbench.api.Choices`; the data frame holds the
    numbers that are drawn. The function writes no files.
    """


@hookspec
def ltbench_tables(register: Register) -> None:
    """Register tables of experiments (subclasses of :class:`ltbench.api.ExperimentTable`).

    ``register("ablation", "package.ablation:Ablation", summary=…)`` makes ``ltbench tables
    ablation``. The summary stands in ``ltbench tables --help``, which imports no table.
    """


@hookspec
def ltbench_commands(cli: click.Group) -> None:
    """Add commands to the ``ltbench`` command line."""


@hookspec
def ltbench_sweep_started(runs: Sequence[RunSpec], done: int, out: Path) -> None:
    """Observe that a sweep starts; ``done`` of its runs have their results already.

    ``out`` is the folder of the runs; ``run.folder(out)`` is a run's own.
    """


@hookspec
def ltbench_run_started(run: RunSpec, folder: Path) -> None:
    """Observe that a run starts (or resumes); ``folder`` is the run's own."""


@hookspec
def ltbench_run_progressed(run: RunSpec, folder: Path, stage: str, step: int) -> None:
    """Observe that a run has done ``step`` steps of ``stage``; about twice a second."""


@hookspec
def ltbench_run_evaluated(run: RunSpec, folder: Path, record: Mapping[str, Any]) -> None:
    """Observe an evaluation; ``record`` is the line of ``log.jsonl``."""


@hookspec
def ltbench_run_finished(run: RunSpec, folder: Path, result: Mapping[str, Any]) -> None:
    """Observe the end of a run; ``result`` is ``result.json``, or ``error.json`` on failure."""


@hookspec
def ltbench_sweep_finished() -> None:
    """Observe that a sweep ends, stopped by the user or not."""
