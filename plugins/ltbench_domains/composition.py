"""Any classification loss under any method that aligns domains: ``coral[loss=bsoftmax]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from ltbench.api import (
    Algorithm,
    Backbone,
    Batch,
    HParams,
    Name,
    PluginError,
    TrainInfo,
    Training,
    UsageError,
    hparam,
    load_plugin,
    parse_name,
    plugin_names,
)

PLAIN = "erm"
"""The loss that :class:`ltbench.api.Algorithm` has by itself."""

_MORE_IMAGES = "looks at more than one view of each image, or at a second batch"

_OF_A_METHOD = {
    "step": "takes its own optimisation steps",
    "configure_optimizers": "has optimisers of its own",
    "minimize": "has optimisers of its own",
    "loss": "is more than a loss on logits",
    "features": "changes the features",
    "predict": "changes the predictions",
    "view_augmentations": _MORE_IMAGES,
    "augment_by_class": "augments images by their classes",
}
"""Parts of an algorithm that a mere loss on logits leaves alone, with what it means to have one."""


class WithLossHParams(HParams):
    """Hyper-parameters of every method that aligns domains."""

    loss: str = hparam(
        PLAIN,
        names="algorithms",
        help="classification loss: any algorithm that is a loss on logits, with its options",
    )

    @classmethod
    def from_options(cls, options: Mapping[str, Any], owner: str) -> Self:
        """Build from typed options; the loss is resolved and spelled in one way only.

        Raises:
            UsageError: an option is out of place, or the loss cannot be combined.
        """
        hparams = super().from_options(options, owner)
        return replace(hparams, loss=canonical(hparams.loss, owner))


class WithLoss(Algorithm):
    """A method written in terms of ``self.risks(logits, batch)``, whatever the loss.

    The loss brings its ``risks``, its classifier (a cosine classifier, say) and its ``before_step``
    (a schedule); the features, the predictions and the steps are the method's.

    Args:
        backbone: gives the features.
        train_info: of the training set.
        hparams: with the name of the loss.
        inputs: numbers that the classifier sees; those of a feature unless given.
    """

    HParams: ClassVar[type[WithLossHParams]] = WithLossHParams
    hparams: WithLossHParams
    honours = frozenset({"label_smoothing"})

    def __init__(
        self,
        backbone: Backbone,
        train_info: TrainInfo,
        hparams: Any,
        inputs: int | None = None,
    ) -> None:
        super().__init__(backbone, train_info, hparams)
        self.criterion: Algorithm | None = None
        if self.hparams.loss != PLAIN:
            self.criterion = build_loss(self.hparams.loss, inputs or self.num_features, train_info)
            self.classifier = self.criterion.classifier
        elif inputs is not None:
            self.classifier = nn.Linear(inputs, train_info.num_classes)

    def before_step(self, step: int, training: Training) -> None:
        """Let the loss follow its schedule."""
        super().before_step(step, training)
        if self.criterion is not None:
            self.criterion.before_step(step, training)

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the classification risk of each domain in the batch, (domains,)."""
        if self.criterion is None:
            return super().risks(logits, batch)
        self.criterion.generator = self.generator
        return self.criterion.risks(logits, batch)

    def classification_parameters(self) -> list[nn.Parameter]:
        """Return what is trained of classifier and loss."""
        modules = [self.classifier] if self.criterion is None else [self.criterion]
        return [p for module in modules for p in module.parameters() if p.requires_grad]


class _NoBackbone(Backbone):
    """Stands where an algorithm expects a backbone; a loss on logits asks for its size alone."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def build_loss(loss: str, inputs: int, train_info: TrainInfo) -> Algorithm:
    """Return the algorithm that ``loss`` names, with a classifier of ``inputs`` numbers.

    Raises:
        UsageError: it cannot be combined; see :func:`resolve`.
    """
    cls, hparams = resolve(parse_name(loss), "loss")
    return cls(_NoBackbone(inputs), train_info, hparams)


def canonical(loss: str, owner: str) -> str:
    """Return the one spelling of a loss, without options that are at their defaults.

    Raises:
        UsageError: it cannot be combined; see :func:`resolve`.
    """
    name = parse_name(loss)
    if name == Name(PLAIN):
        return PLAIN
    _, hparams = resolve(name, owner)
    changed, written = hparams.changed(), hparams.as_dict()
    # A name that runs of before had, when it meant something else, says what it means today.
    earlier = {key: one.before for key, one in hparams.bounds().items() if one.before is not None}
    other = {key for key, value in earlier.items() if written.get(key, value) != value}
    said = {k: getattr(hparams, k) for k in hparams.bounds() if k in {*changed, *other}}
    return str(Name(name.name, said))


def resolve(name: Name, owner: str) -> tuple[type[Algorithm], HParams]:
    """Return the algorithm and the hyper-parameters of a loss on logits.

    Args:
        name: of an algorithm, with options.
        owner: the method that it is to be combined with, for error messages.

    Raises:
        UsageError: there is no such algorithm, an option is out of place, or the algorithm is more
            than a loss on logits.
    """
    cls: type[Algorithm] = load_plugin("algorithms", name.name)
    reason = why_no_loss(cls)
    if reason:
        raise UsageError(
            f"{owner}[loss={name}] makes no sense: '{name.name}' {reason}; "
            f"choose one of {', '.join(losses())}"
        )
    return cls, cls.HParams.from_options(name.options, name.name)


def why_no_loss(cls: type[Algorithm]) -> str:
    """Return why an algorithm is no loss on logits, or nothing where it is one."""
    if cls.sampling != Algorithm.sampling:
        return "changes which images are drawn and leaves the loss as it is"
    if cls.second_sampling or cls.views != Algorithm.views:
        return _MORE_IMAGES
    for part, meaning in _OF_A_METHOD.items():
        own, plain = getattr(cls, part), getattr(Algorithm, part)
        if getattr(own, "__func__", own) is not getattr(plain, "__func__", plain):
            return meaning
    return ""


def losses() -> list[str]:
    """Return the names of all algorithms that can be combined; those that do not load are out."""
    names = []
    for name in plugin_names("algorithms"):
        try:
            if not why_no_loss(load_plugin("algorithms", name)):
                names.append(name)
        except PluginError:
            continue
    return names
