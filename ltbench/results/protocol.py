"""A protocol: every setting of training that is not the algorithm's.

:class:`Protocol` declares each setting once. The command line, sweep files, identities, printed
commands and the documentation take from :func:`protocol_settings` what they need to know of them.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import Bounds, HParams, check_value, hparam
from ltbench.plugins.names import format_value
from ltbench.plugins.preprocessing import INTERPOLATIONS
from ltbench.plugins.text import visible
from ltbench.results.optimizer_names import optimizer_names
from ltbench.results.schedules import SCHEDULES, schedule_factor

SELECTION = {"f1": "macro_f1_average", "accuracy": "accuracy_average", "last": "step"}
"""What is highest at the model that each choice of ``select`` takes: a validation metric, or the
step itself, so that the last model is taken and no validation images are needed."""

EPOCHS = {"epochs": "steps", "eval_epochs": "eval_every"}
"""What a data set's protocol may give in epochs, and the setting that it stands for."""


def setting(
    default: Any,
    *,
    option: str = "",
    later: bool = False,
    search: tuple[float, float] | None = None,
    relative: bool = False,
    **bounds: Any,
) -> Any:
    """Declare a setting of which :func:`~ltbench.plugins.hparams.hparam` cannot say all.

    Args:
        default: the value when nothing is given.
        option: what a user types after ``--`` where it is not the setting's name.
        later: it came after the first runs were made, so that at its default it is no part of
            their identity.
        search: the interval that tuning draws from, on a logarithmic scale with ``log``. Without
            one the setting is never searched, whatever its bounds.
        relative: whether the interval's ends are factors of the protocol's own value, where one
            interval would not suit every protocol: rates are 0.1 with SGD and 5e-5 with Adam.
        bounds: as for a hyper-parameter.
    """
    declared = hparam(default, **bounds)
    more = {"option": option, "later": later, "search": search, "relative": relative}
    declared.metadata = {**declared.metadata, **more}
    return declared


class Protocol(HParams):
    """How a run trains, validates and chooses its model.

    The defaults of steps, batch, optimiser, learning rate, weight decay and evaluations are those
    of the MDLT benchmark (Yang et al., "On multi-domain long-tailed recognition, imbalanced domain
    generalization and beyond", ECCV 2022, arXiv:2203.09513) for photographs. Its augmentation and
    its frozen batch normalisation are no defaults: its protocol ``mdlt`` sets them. It chooses the
    model by accuracy; the default here is macro-F1, as in the BRL paper (Fu et al., Scientific
    Reports 15:23948, 2025). It draws training images with replacement; here each domain's are
    passed through in a new order every epoch.

    Where tuning looks for learning rate, weight decay and batch is after Gulrajani and Lopez-Paz,
    "In search of lost domain generalization", ICLR 2021, arXiv:2007.01434, who draw them
    log-uniformly around the defaults of each of their networks.

    What a protocol sets of methods, beside these, is :mod:`ltbench.results.method_settings`.
    """

    name: str = hparam("", help="the protocol's name in the data set's facts")
    steps: int = hparam(5001, low=1, help="optimisation steps of each stage")
    batch_per_domain: int = setting(
        24, option="batch-size", low=1, search=(0.25, 2), relative=True, log=True,
        help="images per domain in a batch",
    )  # fmt: skip
    optimizer: str = hparam(
        "adam", choices=optimizer_names(), help="torch's adam, adamw or sgd, or any of timm"
    )
    lr: float = setting(
        5e-5, low=1e-12, high=1e3, search=(0.1, 10), relative=True, log=True, help="learning rate"
    )
    momentum: float = hparam(0.9, low=0.0, high=1.0, help="momentum of SGD")
    weight_decay: float = setting(
        0.0, low=0.0, search=(1e-6, 1e-2), log=True, help="weight decay of the optimiser"
    )
    schedule: str = hparam("constant", choices=SCHEDULES, help="course of the learning rate")
    decay_at: tuple[float, ...] = hparam((), help="shares of the steps at which the rate drops")
    decay: float = hparam(0.1, low=0.0, high=1.0, help="factor of each drop, step's or plateau's")
    warmup: float = hparam(0.0, low=0.0, high=1.0, help="share of the steps with a rising rate")
    eval_every: int = hparam(100, low=1, help="steps between evaluations on validation")
    select: str = hparam(
        "f1",
        choices=tuple(SELECTION),
        help="validation metric that chooses the model, or its last step",
    )
    augmentation: str = hparam(
        "none", names="augmentations", help="what is done to training images, a>b after one another"
    )
    freeze_bn: bool = hparam(False, help="keep batch normalisation's statistics as they are")
    max_loss: float = hparam(1e8, low=0.0, help="a mean loss above this counts as diverged")
    grad_clip: float = setting(
        0.0, later=True, low=0.0, help="largest norm of an optimiser's gradient; 0 is no limit"
    )
    image_size: int = setting(
        0, later=True, low=0, high=4096, help="side in pixels; 0 is the data set's own"
    )
    accumulate: int = setting(
        1, later=True, low=1, high=2**20, help="batches whose mean gradient makes one step"
    )
    label_smoothing: float = setting(
        0.0, later=True, low=0.0, high=1.0, help="share of a label that all classes get alike"
    )
    dropout: float = setting(
        0.0,
        later=True,
        low=0.0,
        high=0.99,
        search=(0.0, 0.5),
        help="share of the features dropped in training",
    )
    drop_path: float = setting(
        0.0, later=True, low=0.0, high=0.99, help="share of paths dropped, timm's drop_path_rate"
    )
    classifier_lr: float = setting(
        1.0, later=True, low=1e-9, high=1e9, help="factor on the classifier's learning rate"
    )
    backbone_lr: float = setting(
        1.0, later=True, low=1e-9, high=1e9, help="factor on the backbone's learning rate"
    )
    layer_decay: float = setting(
        1.0, later=True, low=1e-9, high=1.0, help="factor on the rate from a layer to the one below"
    )
    decay_weights_only: bool = setting(
        False, later=True, help="spare biases and norms the weight decay"
    )
    head_steps: int = setting(
        0, later=True, low=0, help="first steps that train the classifier alone, of those of steps"
    )
    schedule_per: str = setting(
        "step", later=True, choices=("step", "epoch"), help="when a schedule changes the rate"
    )
    min_lr: float = setting(
        0.0, later=True, low=0.0, high=1.0, help="least rate of a schedule, as a share of lr"
    )
    power: float = setting(
        1.0, later=True, low=1e-9, high=1e3, help="exponent of the schedule poly; 1 is a line"
    )
    decay_patience: int = setting(
        10, later=True, low=1, help="evaluations without a better score before plateau drops"
    )
    evaluations: int = setting(
        0, later=True, low=0, help="evaluations of each stage, instead of eval-every; 0 is off"
    )
    patience: int = setting(
        0, later=True, low=0, help="evaluations without a better score that end a stage; 0 is never"
    )
    evaluation: str = setting(
        "squeeze",
        later=True,
        choices=("squeeze", "crop"),
        help="evaluate whole images, squeezed to a square, or their centre crop",
    )
    crop_share: float = setting(
        0.0,
        later=True,
        low=0.0,
        high=1.0,
        help="share of the shorter side in the crop; 0 is that of the weights, else 0.875",
    )
    interpolation: str = setting(
        "weights",
        later=True,
        choices=("weights", *INTERPOLATIONS),
        help="how images are resized; by default as the weights want it, else bilinear",
    )
    deterministic: bool = setting(
        False, later=True, help="only operations that give the same bits each time, on GPUs too"
    )

    @property
    def selection_metric(self) -> str:
        """The name of what is highest at the chosen model: a validation metric, or ``step``."""
        return SELECTION[self.select]

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name, as a run's identity holds them."""
        settings = protocol_settings()
        return {
            name: value
            for name, value in super().as_dict().items()
            if name not in settings or not settings[name].later or value != settings[name].default
        }

    def sized(self, facts: Facts) -> Facts:
        """Return the facts with the image size that the network sees under this protocol."""
        return dataclasses.replace(facts, size=self.image_size) if self.image_size else facts

    def lr_factor(self, step: float, steps: float, drops: int = 0) -> float:
        """Return the factor on the learning rate.

        Args:
            step: of the training, from 0; or the epoch, where ``steps`` counts epochs.
            steps: of the whole training.
            drops: how often the validation score stopped rising, which ``plateau`` drops at.
        """
        done = step / steps
        if done < self.warmup:
            return min(1.0, (step + 1) / (self.warmup * steps))
        return schedule_factor(self, done, drops)

    def evaluates_at(self, step: int, steps: int) -> bool:
        """Return whether there is an evaluation after ``step`` (from 1) of ``steps``."""
        if self.evaluations:
            return step * self.evaluations // steps > (step - 1) * self.evaluations // steps
        return step % self.eval_every == 0 or step == steps


@dataclass(frozen=True)
class ProtocolSetting:
    """One setting of a protocol.

    Attributes:
        name: of the field of :class:`Protocol`.
        option: what a user types, dashes included.
        kind: the annotated type.
        default: of the class; data sets' protocols have their own.
        later: whether it is left out of an identity where it has its default.
        search: where tuning looks for it, as :func:`setting` declares it; ``None`` for nowhere.
        relative: whether the ends of ``search`` are factors of a protocol's own value.
    """

    name: str
    option: str
    kind: Any
    default: Any
    bounds: Bounds
    later: bool
    search: tuple[float, float] | None = None
    relative: bool = False

    def check(self, value: Any) -> Any:
        """Return a value in the setting's type.

        Raises:
            UsageError: it has another type or is out of bounds.
        """
        return check_value(value, self.kind, self.bounds, str(value))

    def interval(self, own: float) -> tuple[float, float]:
        """Return the ends between which tuning looks for it, within its bounds.

        Args:
            own: a protocol's own value.

        Raises:
            TypeError: the setting is not searched.
        """
        if self.search is None:
            raise TypeError(f"{self.name} is searched nowhere")
        factor = own if self.relative else 1
        least, most = self.bounds.low, self.bounds.high
        ends = (float(f"{factor * end:.3g}") for end in self.search)  # 0.1 × 3e-4 is 3e-05
        low, high = (
            min(max(end, -math.inf if least is None else least), math.inf if most is None else most)
            for end in ends
        )
        return low, high

    @property
    def off(self) -> str:
        """The option that switches it off, where it is true or false."""
        return f"--no-{self.option.removeprefix('--')}"

    def words(self, value: Any) -> list[str]:
        """Return what a user types to give it a value, which may be any that JSON can hold."""
        if self.kind is bool:
            return [self.option if value else self.off]
        listed = value if isinstance(value, list | tuple) else [value]
        return [self.option, ",".join(map(str, listed))]


@cache
def protocol_settings() -> dict[str, ProtocolSetting]:
    """Return every setting of a protocol by name, in the order of their declaration.

    A protocol's own name is none: it chooses the others' values.
    """
    types = typing.get_type_hints(Protocol)
    return {
        f.name: ProtocolSetting(
            name=f.name,
            option=f"--{f.metadata.get('option') or f.name.replace('_', '-')}",
            kind=types[f.name],
            default=f.default,
            bounds=f.metadata["bounds"],
            later=f.metadata.get("later", False),
            search=f.metadata.get("search"),
            relative=f.metadata.get("relative", False),
        )
        for f in dataclasses.fields(Protocol)
        if f.name != "name"
    }


def protocol_words(protocol: Mapping[str, Any], without: Collection[str] = ()) -> list[str]:
    """Return the options that give a run the settings that its identity holds.

    What came later than the run, and is not in its identity, had what is its default today.

    Args:
        protocol: the settings by name, whatever a file says they are.
        without: settings that are passed over.
    """
    name = str(protocol.get("name") or "")
    # What a file of one's own said is all named here; the file itself may be elsewhere.
    words = ["--protocol", f"[name={format_value(name)}]" if name.endswith(".toml") else name]
    words = words if name else []
    for one in protocol_settings().values():
        hidden = one.name == "eval_every" and protocol.get("evaluations")
        if (one.name in protocol or one.later) and not hidden and one.name not in without:
            words += one.words(protocol.get(one.name, one.default))
    return words


def epochs_to_steps(settings: Mapping[str, object], images: int, domains: int) -> dict[str, object]:
    """Return the settings with ``epochs`` and ``eval_epochs`` turned into steps.

    Steps that are given beside the epochs count.

    Args:
        settings: of a protocol.
        images: training images.
        domains: domains with training images.

    Raises:
        UsageError: the epochs, the batch or the batches a step are no whole numbers from 1.
    """
    left, known = dict(settings), protocol_settings()
    batch, several = (
        _count(left.get(key, known[key].default), key) for key in ("batch_per_domain", "accumulate")
    )
    an_epoch = epoch_steps(images, domains, batch * several)
    for epochs, steps in EPOCHS.items():
        if epochs in left:
            number = _count(left.pop(epochs), epochs)
            left.setdefault(steps, number * an_epoch)
    return left


def epoch_steps(images: int, domains: int, per_domain: int) -> int:
    """Return the steps that an epoch takes, those that hold every training image once.

    Args:
        images: training images.
        domains: domains with training images.
        per_domain: images of each domain in a step.
    """
    return max(1, math.ceil(images / (per_domain * domains)))


def _count(value: object, name: str) -> int:
    """Return a number that stands in a protocol, or was typed."""
    shown = visible(format_value(value))
    count: int = check_value(value, int, Bounds(low=1), f"protocol[{name}={shown}]")
    return count
