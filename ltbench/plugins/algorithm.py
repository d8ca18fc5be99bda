"""The contract of an algorithm plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ltbench.errors import UsageError
from ltbench.plugins.backbone import Backbone
from ltbench.plugins.batch import Batch, TrainInfo
from ltbench.plugins.hparams import HParams
from ltbench.plugins.loss_scale import LossScale
from ltbench.plugins.stopwatch import Stopwatch
from ltbench.plugins.training import Training
from ltbench.plugins.unlabelled import Unlabelled
from ltbench.plugins.views import PROTOCOL

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""What the network computes with at each ``--precision`` that is not ``fp32``."""

Losses = Tensor | Mapping[str, Tensor]
MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
"""Builds an optimiser as the protocol says, for the parameters given."""


class Algorithm(nn.Module):
    """A training algorithm: a backbone, a linear classifier and a loss.

    A loss on logits overrides :meth:`risks`, most other algorithms :meth:`loss`; those that own
    their optimisation override :meth:`step`.

    Modules and buffers made in ``__init__`` are checkpointed with the rest. Randomness comes from
    ``self.generator``. It and torch's own generators (dropout draws from them) are seeded anew for
    every step from the run's seed, so a resumed run draws what an uninterrupted one draws.

    Attributes:
        HParams: the hyper-parameters' class.
        min_domains: fewer domains are refused before any training.
        min_per_domain: images of a domain in a batch that it mixes, weighs or compares with one
            another, at least; where a protocol's batch has fewer a sentence says that this part
            has no effect.
        needs_texts: whether it asks for :meth:`Training.class_texts`; without a text tower or names
            of classes it is refused before any training.
        sampling: ``uniform``, or ``class-balanced`` for batches in which every class of a domain
            is equally likely; ``reversed`` makes classes likely by one over their images.
        second_sampling: of a second batch, :attr:`Batch.second`; none where it is empty. A model
            may set it for itself in ``__init__``.
        views: how many views of each image a batch holds, :attr:`Batch.views`; what each is
            augmented by, :meth:`view_augmentations` says.
        honours: what a protocol or modifier may ask (:data:`ltbench.plugins.honours.DONE_IN`) that
            the class honours although it overrides the methods which do.
        counts: training images per domain and class, (D, C), float, on the model's device.
        generator: draws what is random in a step, on the model's device.
        micro_batches: batches that make one step; :meth:`step` is called for each of them.
        micro_batch: which of them the present batch is, from 0.
        backbone_rests: whether the backbone gets no gradient in the present step, as a protocol
            with ``head_steps`` has it.
        stopwatch: tells the time of forward and backward passes and of the optimiser from the rest.
        loss_scale: with ``--precision fp16``, what losses are multiplied by before their gradients
            are computed; :meth:`minimize` does that. ``None`` otherwise.
    """

    HParams: ClassVar[type[HParams]] = HParams
    min_domains: ClassVar[int] = 1
    min_per_domain: ClassVar[int] = 1
    needs_texts: ClassVar[bool] = False
    sampling: ClassVar[str] = "uniform"
    second_sampling: ClassVar[str] = ""
    views: ClassVar[int] = 1
    honours: ClassVar[frozenset[str]] = frozenset()
    counts: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: Any) -> None:
        super().__init__()
        self.train_info = train_info
        self.hparams: Any = hparams
        self.precision = "fp32"
        self.backbone = backbone
        self.num_features = backbone.num_features
        self.classifier: nn.Module = self.make_classifier()
        self._made_classifier = (self.classifier,)  # in a tuple, for it is no second module
        self.register_buffer("counts", train_info.counts.float(), persistent=False)
        self.optimizers: dict[str, Optimizer] = {}
        self.generator = torch.Generator()
        self.micro_batches, self.micro_batch = 1, 0
        self.backbone_rests = False
        self.loss_scale: LossScale | None = None
        self.stopwatch = Stopwatch()

    @classmethod
    def view_augmentations(cls, hparams: Any) -> tuple[str, ...]:
        """Return the augmentations of each view; their number is the number of views.

        Each is a chain, ``crop-flip>cutout``, in which ``protocol``, at its beginning, stands for
        the augmentations of the run's protocol. As many of these as :attr:`views` says, unless
        overridden. Only the first may mix images, for ``y`` and ``mixed`` are its labels.

        Args:
            hparams: an instance of :attr:`HParams`.
        """
        return (PROTOCOL,) * cls.views

    def augment_by_class(
        self, x: Tensor, y: Tensor, d: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return first views as their classes and domains ask for; as they are unless overridden.

        It is what a method does to images that no chain of augmentations can, for these know
        nothing of classes. Nothing is read back from the device, which would wait for it.

        Args:
            x: floats 0…1, (N, channels, H, W), augmented and not yet normalised; they stay as they
                are.
            y: classes, (N,).
            d: domains, (N,).
            generator: draws what is random.
        """
        return x

    @classmethod
    def steps(cls, steps: int, hparams: Any) -> int:
        """Return how many optimisation steps it takes where the protocol says ``steps``.

        An algorithm that trains nothing says 0; :meth:`before_step` is called once then.
        """
        return steps

    @property
    def made_classifier(self) -> nn.Module:
        """What :meth:`make_classifier` returned, whatever stands in its place today."""
        return self._made_classifier[0]

    def make_classifier(self) -> nn.Module:
        """Return the classifier on top of the features, with random weights.

        It is called once, when the hyper-parameters, ``num_features`` and ``train_info`` are there.
        The backbone's options say which it is (``head=cosine``) and what it starts from
        (``init=class-mean``). An algorithm with a classifier of its own overrides this; it is then
        refused where such options are given, before any training.
        """
        return self.train_info.head.build(self.num_features, self.train_info.num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, F) of images, in float32 whatever the precision of the run.

        In training the share of them that the protocol says is dropped.
        """
        half = HALF.get(self.precision)
        learns = torch.is_grad_enabled() and not self.backbone_rests
        with (
            self.stopwatch.part("forward"),
            torch.autocast(x.device.type, dtype=half, enabled=half is not None),
            torch.set_grad_enabled(learns),
        ):
            features: Tensor = self.backbone(x)
        features = features.float()
        if self.backbone_rests and torch.is_grad_enabled():
            features.requires_grad_()  # of those who look at gradients by the features
        share = self.train_info.dropout
        return F.dropout(features, share, self.training) if share else features

    def predict(self, x: Tensor) -> Tensor:
        """Return the logits (N, C) of images."""
        logits: Tensor = self.classifier(self.features(x))
        return logits

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the classification risk of each domain in the batch, (domains,).

        The mean cross-entropy unless overridden. A loss that is a function of the logits alone
        overrides this method only, and can then be combined with any method that aligns domains.

        Args:
            logits: (N, C), of the images of ``batch``.
            batch: its classes and domains.
        """
        return batch.per_domain(self.cross_entropy(logits, batch.y)).mean(1)

    def cross_entropy(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the cross-entropy of each image, (N,), with labels as smooth as the protocol says.

        A share ε of the label is spread evenly over the classes (Szegedy et al., CVPR 2016, section
        7, arXiv:1512.00567); a class that the logits rule out, -inf, gets none of it.

        Args:
            logits: (N, C).
            y: classes, (N,).
        """
        nll = F.cross_entropy(logits, y, reduction="none")
        share = self.train_info.label_smoothing
        if not share:
            return nll
        possible = logits != -torch.inf
        log_p = logits.log_softmax(1).where(possible, 0.0)
        return (1 - share) * nll - share * log_p.sum(1) / possible.sum(1)

    def mixed_risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the risks, (domains,); of mixed images those of both classes by their shares.

        What is called where a loss is made; :meth:`risks` is what is overridden.
        """
        risks = self.risks(logits, batch)
        if batch.mixed is None:
            return risks
        share, other = batch.mixed.share, replace(batch, y=batch.mixed.y, mixed=None)
        return share * risks + (1 - share) * self.risks(logits, other)

    def loss(self, batch: Batch) -> Losses:
        """Return the loss of a batch, or its named parts with the sum under ``total``.

        The mean of the domains' risks unless overridden.
        """
        return self.mixed_risks(self.predict(batch.x), batch).mean()

    def named_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return :meth:`loss` by name, the sum under ``total``, whichever way it is returned.

        Raises:
            KeyError: a mapping without ``total``.
        """
        return named(self.loss(batch))

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one optimisation step and return the detached losses, the sum under ``total``.

        Of a step that several batches make it takes this batch's part; see :meth:`minimize`.
        """
        losses = self.named_losses(batch)
        self.minimize(losses["total"])
        return {name: value.detach() for name, value in losses.items()}

    @property
    def accumulating(self) -> bool:
        """Whether further batches belong to the present step, so that it is not taken yet."""
        return self.micro_batch + 1 < self.micro_batches

    def minimize(self, loss: Tensor, optimizer: str = "main") -> None:
        """Take one step of the named optimiser down the gradient of ``loss``.

        Of a step that several batches make, the gradients' mean is gathered, and the step is taken
        at the last of them. With ``--precision fp16`` the gradients are those of a scaled loss
        until then, and a step in which one of them overflows is not taken.
        """
        if self.micro_batch == 0:
            self.optimizers[optimizer].zero_grad(set_to_none=True)
        with self.stopwatch.part("backward"):
            self.to_differentiate(loss).backward()  # type: ignore[no-untyped-call]
        self.descend(optimizer)

    def to_differentiate(self, loss: Tensor) -> Tensor:
        """Return what gradients are computed of: this batch's part of the step's loss, scaled.

        It is what :meth:`minimize` differentiates. Who computes gradients otherwise, twice for
        instance, gathers those of it in ``.grad`` and calls :meth:`descend`.
        """
        mean = loss / self.micro_batches if self.micro_batches > 1 else loss
        return mean if self.loss_scale is None else self.loss_scale.scaled(mean)

    def descend(self, optimizer: str = "main") -> None:
        """Take one step of the named optimiser down the gradients that were gathered.

        Nothing is done where further batches belong to the step.
        """
        if self.accumulating:
            return
        scale = self.loss_scale
        with self.stopwatch.part("optimizer"):
            if scale is None:
                self.optimizers[optimizer].step()
            else:
                scale.step(self.optimizers[optimizer])

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return the optimisers by name; ``make`` builds one as the protocol says."""
        return {"main": make(p for p in self.parameters() if p.requires_grad)}

    def before_step(self, step: int, training: Training) -> None:
        """Do what must be done before step ``step`` (from 0), for example a pass over the data."""

    @classmethod
    def uses_validation(cls, hparams: Any) -> str:
        """Return what it does itself with validation images, beside being chosen by them.

        Nothing, the empty text; ``chooses`` something by them; or is ``trained`` on them, which
        results and every table then say, and so cannot be tuned. Without any validation image one
        that does either is refused before training.

        Args:
            hparams: of the run.
        """
        return ""

    @classmethod
    def test_augmentations(cls, hparams: Any) -> tuple[str, ...]:
        """Return the augmentations in which :meth:`before_test` sees the test images.

        A chain for each view, in which ``protocol`` stands for the protocol's own augmentation;
        ``none`` is an image as the test sees it. Without any, :meth:`before_test` is not called,
        and the run sees no test image before its test.

        Args:
            hparams: of the run.
        """
        return ()

    def before_test(self, test: Unlabelled) -> Mapping[str, Any]:
        """Learn on the test images, without their labels, what the test is to be done with.

        Called once, on the chosen model, in evaluation mode, where :meth:`test_augmentations` names
        any; such a run is transductive, which its result and every table say. As it is called on
        the last part of a method alone, no stage may stand behind one that learns. What it changes
        is in the test's answers and in the logits that are kept, of validation images too. The
        model that the run keeps, and that ensembles and soups begin with, is the one before.

        Args:
            test: the test images.

        Returns:
            What was learnt, by name, for ``result.json``: numbers, texts, and lists of them.
        """
        return {}

    def persistent_buffers(self) -> dict[str, Tensor]:
        """Return the buffers that checkpoints have, by name: statistics, averages, queues.

        The others are constants and frozen weights of the backbone, which change in no step.
        """
        return {
            f"{place}.{name}" if place else name: buffer
            for place, module in self.named_modules()
            for name, buffer in module.named_buffers(recurse=False)
            if name not in module._non_persistent_buffers_set
        }

    def class_weights(self) -> Tensor:
        """Return the weight vectors (C, F) of a classifier that is linear in the features.

        Stages that re-scale or re-train the chosen classifier start from them. Those of a
        classifier by cosines have the length of its scale, whatever length they were trained to,
        which changes no cosine: so they answer as it does. Where :meth:`predict` does more to
        logits than :attr:`classifier`, as a scale of each class, this and :meth:`class_bias` are
        overridden to do it too.

        Raises:
            UsageError: there are none.
        """
        weight = getattr(self.classifier, "weight", None)
        shape = (self.train_info.num_classes, self.num_features)
        there = isinstance(weight, Tensor) and weight.shape == shape
        found = _as_linear(self.classifier, weight) if there else None
        if found is None:
            raise UsageError(
                f"{type(self).__name__} has no classifier that is linear in its features: choose "
                "another algorithm, or a stage that needs none (crt, lws, posthoc-la)"
            )
        return found

    def class_bias(self) -> Tensor | None:
        """Return the bias (C,) beside :meth:`class_weights`; ``None`` where there is none."""
        bias = getattr(self.classifier, "bias", None)
        return bias if isinstance(bias, Tensor) else None

    def log_prior(self, d: Tensor) -> Tensor:
        """Return log n[d, c] for the domains ``d`` (N,), (N, C); absent classes are -inf."""
        return self.counts.log()[d]


def _as_linear(classifier: nn.Module, weight: Any) -> Tensor | None:
    """Return the weight vectors of a linear classifier, or of one by cosines those of its scale.

    What it is it is asked, by features and thrice the same; ``None`` where it is neither.
    """
    with torch.no_grad():
        features = torch.linspace(0.5, 1.5, weight.shape[1]).to(weight)
        one, three = classifier(torch.stack([features, 3 * features]))
        if _near(three - one, 2 * weight @ features):
            return weight
        directions = F.normalize(weight)
        cosines = directions @ F.normalize(features, dim=0)
        scale = one @ cosines / cosines.square().sum().clamp(min=1e-12)
        by_cosines = _near(one, three) and _near(one, scale * cosines)
    return float(scale) * F.normalize(weight) if by_cosines else None


def _near(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-2, atol=1e-3)


def named(losses: Losses) -> dict[str, Tensor]:
    """Return losses by name, with the sum under ``total``.

    Raises:
        KeyError: a mapping without ``total``.
    """
    if isinstance(losses, Tensor):
        return {"total": losses}
    if "total" not in losses:
        raise KeyError("a loss returned as a mapping needs the entry 'total'")
    return dict(losses)
