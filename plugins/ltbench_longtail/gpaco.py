"""Parametric contrastive learning, and its generalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import (
    STRONG_VIEW,
    Algorithm,
    Backbone,
    Batch,
    HParams,
    TrainInfo,
    Training,
    UsageError,
    hparam,
)
from ltbench_longtail.bcl import projection
from ltbench_longtail.logit_adjust import log_prior_shift
from ltbench_longtail.momentum import MomentumCopy, Queue

_MOMENTUM = 0.999
KEYS_OF_A_CLASS = 8
"""As the authors have for ImageNet-LT: 8,192 for 1,000 classes."""


class GPaCoHParams(HParams):
    """Hyper-parameters of (generalised) parametric contrastive learning."""

    alpha: float = hparam(
        0.05, low=0.0, search=(0.01, 0.2), log=True, help="α, weight of a key of the same class"
    )
    beta: float = hparam(1.0, low=0.0, help="β, weight of the class's centre")
    temperature: float = hparam(0.2, low=1e-3, search=(0.05, 0.5), log=True, help="τ of the keys")
    width: int = hparam(128, low=2, search=(32, 256), log=True, help="of the contrastive space")
    queue: int = hparam(
        0, low=0, help="older keys, at most one a training image; 0 is eight a class"
    )
    keys: str = hparam(
        "network",
        choices=("network", "momentum"),
        help="what makes keys: the network itself (GPaCo), or a moving average of it (PaCo)",
    )
    momentum: float = hparam(_MOMENTUM, low=0.0, help="of the moving average, at most 1")
    strong: str = hparam(STRONG_VIEW, names="augmentations", help="of the second view")

    @classmethod
    def from_options(cls, options: Mapping[str, Any], owner: str) -> Self:
        """Build from typed options.

        Raises:
            UsageError: an option is out of place, or has no effect, or nothing has a weight.
        """
        hparams = super().from_options(options, owner)
        if hparams.alpha == hparams.beta == 0:
            raise UsageError(
                f"{owner}[alpha=0,beta=0] has no loss, for neither centres nor keys have a weight: "
                "give one of them more than 0"
            )
        said = f"{owner}[momentum={hparams.momentum:g}]"
        if hparams.momentum > 1:
            raise UsageError(f"{said} is out of range: the most is 1")
        if hparams.keys == "network" and hparams.momentum != _MOMENTUM:
            raise UsageError(
                f"{said} has no effect without keys=momentum: add it, or leave both out"
            )
        return hparams


class GPaCo(Algorithm):
    """GPaCo (Cui et al., "Generalized parametric contrastive learning", TPAMI 2023).

    arXiv:2209.12400, which generalises PaCo (Cui et al., ICCV 2021, arXiv:2107.12028). The classes'
    centres and the keys of other images share a softmax. For an image with the logits z and the
    projection v of unit length, its entries are

        z_c + log π[d, c] for each class c,  and  v·k/τ for each key k but the image's own

    with π[d, c] the share of the class in the image's domain. The loss of the image is minus the
    mean of their log-probabilities, weighted by β at the centre of its class and by α at each key
    of its class. Keys are the projections of all images of the batch in both of their views, and a
    queue of those of earlier second views, of all domains.

    In GPaCo the network makes the keys itself, both views have a loss and gradients, and the
    projection has three layers without normalisation. With ``keys=momentum`` it is PaCo: second
    views are keys alone, made by a moving average of the network that gets no gradient, and the
    projection has two layers with batch normalisation. What the average has of weights that are
    frozen is those weights.

    Defaults are the authors' for ImageNet-LT (α = .045 for GPaCo), with as many older keys a class:
    where there are many more, the centres' logits take long to reach those of the keys. For
    CIFAR-100-LT they have α = .01, τ = .05, 1024 keys and a width of 32. Smooth labels are spread
    over the centres; the authors' code spreads them over the other classes alone. Its queue begins
    with random vectors of random classes, here it begins empty.
    """

    HParams = GPaCoHParams
    hparams: GPaCoHParams
    honours = frozenset({"label_smoothing"})
    views: ClassVar[int] = 2
    prior: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: GPaCoHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        width = self.hparams.width
        self.averages = self.hparams.keys == "momentum"
        shape = projection if self.averages else deep_projection
        self.projection = shape(self.num_features, width)
        self.register_buffer("prior", log_prior_shift(train_info.counts, 1.0), persistent=False)
        images = int(train_info.counts.sum())
        wanted = self.hparams.queue or KEYS_OF_A_CLASS * train_info.num_classes
        self.queue = Queue(min(wanted, images), width)
        self.average = MomentumCopy(self, ("backbone", "projection")) if self.averages else None

    @classmethod
    def view_augmentations(cls, hparams: Any) -> tuple[str, ...]:
        """Return the protocol's augmentation, and a strong one for the keys."""
        return ("protocol", hparams.strong)

    def before_step(self, step: int, training: Training) -> None:
        """Let the moving average follow the network."""
        if self.average is not None:
            self.average.follow(self, self.hparams.momentum)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean parametric contrastive loss of the views that have one."""
        features = [self.features(batch.x)]
        if self.average is None:
            features.append(self.features(batch.views[1]))
            v = [self.project(each) for each in features]
            keys = v[1]
        else:
            v = [self.project(features[0])]
            keys = self.average.call(self, batch.views[1])
        number = len(features)
        y, d = batch.y.repeat(number), batch.d.repeat(number)
        queued, classes = self.queue.contents()
        found = parametric_contrast(
            self.classifier(torch.cat(features)) + self.prior[d],
            torch.cat(v) @ torch.cat([v[0], keys, queued]).T / self.hparams.temperature,
            y,
            torch.cat([batch.y, batch.y, classes]),
            alpha=self.hparams.alpha,
            beta=self.hparams.beta,
            smoothing=self.train_info.label_smoothing,
        )
        self.queue.put(keys, batch.y)
        return found.mean()

    def forward(self, x: Tensor) -> Tensor:
        """Return the projections (N, P) of images, of unit length."""
        return self.project(self.features(x))

    def project(self, features: Tensor) -> Tensor:
        """Return the projections (N, P) of features (N, F), of unit length."""
        return F.normalize(self.projection(features))


def deep_projection(num_features: int, width: int) -> nn.Sequential:
    """Return GPaCo's projection head of three layers."""
    return nn.Sequential(
        nn.Linear(num_features, num_features),
        nn.ReLU(inplace=True),
        nn.Linear(num_features, num_features),
        nn.ReLU(inplace=True),
        nn.Linear(num_features, width),
    )


def parametric_contrast(
    centres: Tensor,
    likeness: Tensor,
    y: Tensor,
    classes: Tensor,
    *,
    alpha: float,
    beta: float,
    smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of each of A images, (A,).

    Args:
        centres: logits of the classes, prior included, (A, C); −inf rules a class out.
        likeness: logits of the keys, (A, K); the first A keys are the images' own.
        y: classes of the images, (A,).
        classes: of the keys, (K,); −1 is none, a key that does not count.
        alpha: weight of a key of the image's class.
        beta: weight of the centre of the image's class.
        smoothing: share of that weight that all centres get alike.
    """
    itself = torch.eye(*likeness.shape, dtype=torch.bool, device=likeness.device)
    others = likeness.masked_fill(itself | (classes < 0), -torch.inf)
    total = torch.cat([centres, others], 1).logsumexp(1)
    same = (y[:, None] == classes) & ~itself
    own = centres.gather(1, y[:, None])[:, 0] - total
    if smoothing:
        possible = centres != -torch.inf
        mean = centres.where(possible, 0.0).sum(1) / possible.sum(1) - total
        own = (1 - smoothing) * own + smoothing * mean
    number = same.sum(1)
    keys = (likeness * same).sum(1) - number * total
    return -(beta * own + alpha * keys) / (beta + alpha * number)
