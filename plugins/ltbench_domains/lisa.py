"""Selective augmentation: mixes images that share their class or their domain."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Batch, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.mixing import sample_beta
from ltbench_domains.mixup import labelled


class LISAHParams(WithLossHParams):
    """Hyper-parameters of LISA."""

    same_class: float = hparam(
        0.5, low=0.0, high=1.0, help="share of the steps that mix one class across domains"
    )
    alpha: float = hparam(2.0, low=1e-3, search=(0.5, 4.0), log=True, help="of the Beta draws")
    mix: str = hparam(
        "mixup", choices=("mixup", "cutmix"), help="blend whole images, or put a rectangle in"
    )


class LISA(WithLoss):
    """LISA (Yao et al., "Improving out-of-distribution robustness via selective augmentation").

    ICML 2022, arXiv:2201.00299, section 3 and algorithm 1. Each step either mixes images of one
    class from different domains, with probability ``same_class``, or images of one domain with
    different classes: x̃ = λ·x_i + (1 - λ)·x_j, and the risk is λ·ℓ(x̃, y_i) + (1 - λ)·ℓ(x̃, y_j).
    Mixup draws a λ ~ Beta(α, α) for each image; CutMix one for the step, and puts a rectangle of
    x_j with about a share 1 - λ of the area at one place of every image, λ being what is left of
    x_i. Both are as in the authors' code, which mixes by CutMix on CelebA, Camelyon17, FMoW, RxRx1
    and MetaShift, and by mixup on ColoredMNIST and Waterbirds. For the sets of WILDS it mixes one
    class alone, ``same_class=1``.

    The partner x_j is drawn from the batch; an image without one is left as it is. The authors draw
    partners from the whole training set. With a loss other than the cross-entropy, whose risk is
    known for a domain only, mixup draws one λ for each domain; each class is judged with its own
    domain's counts.
    """

    HParams = LISAHParams
    hparams: LISAHParams
    honours = frozenset({"label_smoothing"})
    min_domains = 2
    min_per_domain = 2

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean risk of the mixed images."""
        partner = self.partners(batch)
        if self.hparams.mix == "cutmix":
            x, share = self._cutmix(batch.x, partner)
        else:
            x, share = self._mixup(batch, partner)
        logits, other = self.predict(x), labelled(x, batch, partner)
        if self.criterion is None:
            own_loss, other_loss = (self.cross_entropy(logits, y) for y in (batch.y, other.y))
            return (share * own_loss + (1 - share) * other_loss).mean()
        own, others = self.risks(logits, batch), self.risks(logits, other)
        of_domain = batch.per_domain(share)[:, 0] if share.dim() else share
        return (of_domain * own + (1 - of_domain) * others).mean()

    def partners(self, batch: Batch) -> Tensor:
        """Return for each image the one that it is mixed with, itself where none fits, (N,)."""
        device, images = self.generator.device, len(batch)
        draw = torch.rand((), generator=self.generator, device=device)
        one_class = draw < self.hparams.same_class
        alike_class = batch.y[:, None] == batch.y[None]
        alike_domain = batch.d[:, None] == batch.d[None]
        fits = torch.where(one_class, alike_class & ~alike_domain, alike_domain & ~alike_class)
        draws = torch.rand(images, images, generator=self.generator, device=device)
        found = draws.where(fits, -1.0).argmax(1)
        return torch.where(fits.any(1), found, torch.arange(images, device=device))

    def _mixup(self, batch: Batch, partner: Tensor) -> tuple[Tensor, Tensor]:
        """Return the blended images and the share that each has of itself, (N,)."""
        images, domains = len(batch), batch.num_domains
        drawn = images if self.criterion is None else domains
        share = sample_beta(self.hparams.alpha, drawn, self.generator).to(batch.x.dtype)
        share = share.repeat_interleave(images // drawn)
        return torch.lerp(batch.x[partner], batch.x, share.view(-1, 1, 1, 1)), share

    def _cutmix(self, x: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
        """Return images with a rectangle of others, and the share of the area left of them."""
        device, sides = self.generator.device, x.shape[2:]
        drawn = sample_beta(self.hparams.alpha, 1, self.generator)
        centre = torch.rand(2, generator=self.generator, device=device)
        inside = []
        for side, place in zip(sides, centre, strict=True):
            length = (side * (1 - drawn).sqrt()).floor()
            middle, half = (side * place).floor(), (length / 2).floor()
            pixel = torch.arange(side, device=device)
            inside.append((pixel >= middle - half) & (pixel < middle + half))
        rectangle = inside[0][:, None] & inside[1][None]
        share = 1 - rectangle.to(x.dtype).mean()
        return torch.where(rectangle, x[partner], x), share
