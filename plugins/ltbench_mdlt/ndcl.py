"""Negatives-dominant contrastive learning."""

from __future__ import annotations

import torch
from ltbench_domains.mixing import sample_beta
from torch import Tensor
from torch.nn import functional as F

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, hparam

LEAST_DOUBT = 1e-3
OUT = -1e4
"""Score of what is not in a sum of exponentials, where it is 0; its logarithm is a number."""


class NDCLHParams(HParams):
    """Hyper-parameters of NDCL."""

    margin: float = hparam(
        0.1, low=0.0, search=(1e-3, 1.0), log=True, help="α of the contrastive loss"
    )
    align: float = hparam(0.1, low=0.0, search=(1e-3, 1.0), log=True, help="β of the alignment")
    mixup: float = hparam(
        0.2, low=1e-3, search=(0.1, 0.3), help="of the Beta distribution of the hard negatives"
    )


class NDCL(Algorithm):
    """NDCL (Cao, Liu, Chen, "Negatives-dominant contrastive learning …", ICML 2026).

    arXiv:2601.21999. Everything is in terms of the predicted probabilities p. Total: L_cls +
    α·L_margin + β·L_align, each a mean over the classes in the batch:

    * L_cls, a cross-entropy in which the hard images of a class count most: Σ_i a_i·r[d_i, c]·CE_i,
      with a the softmax of the CE over the class's images, without gradient, and r the inverse pair
      frequency, of mean 1 over the classes of a domain;
    * L_margin, a contrastive loss whose numerator holds the negatives: −log of the share of the
      negatives in Σ exp(1 − cos(p_i, ·)) over the negatives and the other images of the class; the
      negatives of a class are mixtures of a hard image of it and an image of another class that is
      taken for it;
    * L_align: −log of the share of the same class, in other domains, in Σ exp(cos) over the mean
      predictions of all other pairs; classes seen in one domain alone are left out.

    Written after the authors' code and the abstract; the draws of the negatives are simplified, see
    docs/algorithms/mdlt.md.
    """

    HParams = NDCLHParams
    hparams: NDCLHParams
    honours = frozenset({"label_smoothing"})
    pair_weights: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: NDCLHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        counts = train_info.counts.float()
        inverse = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
        mean = inverse.sum(1, keepdim=True) / (counts > 0).sum(1, keepdim=True).clamp(min=1)
        weights = inverse / mean.clamp(min=torch.finfo(mean.dtype).tiny)
        self.register_buffer("pair_weights", weights, persistent=False)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the three losses and their weighted sum."""
        logits = self.predict(batch.x)
        p = logits.softmax(1)
        nll = self.cross_entropy(logits, batch.y)
        x, y, valid = self.hard_negatives(batch, p.detach())
        parts = {
            "classification": hard_image_loss(nll, batch.y, self.pair_weights[batch.d, batch.y]),
            "margin": margin_loss(p, batch.y, self.predict(x).softmax(1), y, valid),
            "align": alignment_loss(p, batch.y, batch.d),
        }
        contrast = self.hparams.margin * parts["margin"] + self.hparams.align * parts["align"]
        return {"total": parts["classification"] + contrast, **parts}

    def hard_negatives(self, batch: Batch, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return as many mixed images as the batch has, with the class each one is a negative of.

        The class is drawn from those in the batch, each alike; then an image of it in proportion to
        the doubt 1 − p about it, and one of another class in proportion to its probability of this
        class.

        Args:
            batch: the images.
            p: the predicted probabilities, (N, C), without gradient.

        Returns:
            Images; classes (N,); and whether there is another class to draw from, (N,).
        """
        doubt = 1 - p.gather(1, batch.y[:, None])[:, 0] + LEAST_DOUBT
        same = batch.y[:, None] == batch.y
        hard = (doubt / (same * doubt).sum(1)).multinomial(
            len(batch), True, generator=self.generator
        )
        y = batch.y[hard]
        other = batch.y != y[:, None]
        # Where the batch has a single class this is any image; the mixture does not count then.
        negative = _one_each(other * (p.T[y] + torch.finfo(p.dtype).tiny), self.generator)
        share = sample_beta(self.hparams.mixup, len(batch), self.generator).to(batch.x.dtype)
        share = share.view(-1, *[1] * (batch.x.dim() - 1))
        x = torch.lerp(batch.x[negative], batch.x[hard], share)
        return x, y, other.any(1)


def _one_each(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a column of each row in proportion to its weight, (N,).

    It is what ``weights.multinomial(1)`` draws, which waits for the device to check the weights.
    """
    return (weights / torch.empty_like(weights).exponential_(generator=generator)).argmax(1)


def hard_image_loss(nll: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over classes of the weighted cross-entropy with hard images first.

    Args:
        nll: cross-entropy of each image, (N,).
        y: classes, (N,).
        weights: of the images' pairs, (N,).
    """
    same = y[:, None] == y
    fixed = nll.detach()
    hardness = (fixed - fixed.masked_fill(y[:, None] != y, -torch.inf).logsumexp(1)).exp()
    groups = same.sum(1).to(nll.dtype).reciprocal().sum()  # of n images each is 1/n of its class
    return (hardness * weights / groups) @ nll


def margin_loss(p: Tensor, y: Tensor, negatives: Tensor, of: Tensor, valid: Tensor) -> Tensor:
    """Return the mean over classes of the negatives-dominant contrastive loss.

    Args:
        p: probabilities of the images, (N, C).
        y: classes, (N,).
        negatives: probabilities of the negatives, (M, C).
        of: the class that each is a negative of, (M,).
        valid: whether it counts, (M,).

    Returns:
        A scalar; 0 where no image has a negative.
    """
    different = y[:, None] != y
    itself = torch.eye(len(y), dtype=torch.bool, device=y.device)
    no_negative = (y[:, None] != of) | ~valid
    unit = F.normalize(p, dim=1)
    # Of exp(1 − cos) the factor e is in both sums.
    cosines = unit @ torch.cat([unit, F.normalize(negatives, dim=1)]).T
    scores = (-cosines).masked_fill(torch.cat([different | itself, no_negative], 1), OUT)
    loss = scores.logsumexp(1) - scores[:, len(y) :].logsumexp(1)
    return _mean(loss, ~no_negative.all(1) / (~different).sum(1).to(p.dtype))


def alignment_loss(p: Tensor, y: Tensor, d: Tensor) -> Tensor:
    """Return the mean over classes of the contrast between the domains' mean predictions.

    Args:
        p: probabilities, (N, C).
        y: classes, (N,).
        d: domains, (N,).

    Returns:
        A scalar; 0 where no class is seen in two domains.
    """
    same_class = y[:, None] == y
    same_pair = same_class & (d[:, None] == d)
    # An image stands for its pair, with one over the pair's images as its share.
    share = same_pair.sum(1).to(p.dtype).reciprocal()
    centres = F.normalize((same_pair * share) @ p, dim=1)
    domains = (same_class * share).sum(1).round()
    counted = domains > 1
    scores = torch.addmm(share.log(), centres, centres.T)
    others = scores.masked_fill(same_pair | ~counted, OUT)
    loss = others.logsumexp(1) - others.masked_fill(~same_class, OUT).logsumexp(1)
    return _mean(loss, counted * share / domains)


def _mean(loss: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of losses (N,), 0 where all weights are."""
    shares = weights / weights.sum().clamp(min=torch.finfo(loss.dtype).tiny)
    return shares @ loss
