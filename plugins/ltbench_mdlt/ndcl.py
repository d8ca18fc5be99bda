"""Negatives-dominant contrastive learning."""

from __future__ import annotations

import torch
from ltbench_domains.mixing import sample_beta
from torch import Tensor
from torch.nn import functional as F

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, hparam

LEAST_DOUBT = 1e-3


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
        valid = other.any(1)
        taken_for = p.T[y] + torch.finfo(p.dtype).tiny
        # Where the batch has a single class any image will do; the mixture does not count then.
        wanted = torch.where(valid[:, None], other * taken_for, torch.ones_like(taken_for))
        negative = wanted.multinomial(1, generator=self.generator)[:, 0]
        share = sample_beta(self.hparams.mixup, len(batch), self.generator)
        share = share.view(-1, *[1] * (batch.x.dim() - 1))
        return share * batch.x[hard] + (1 - share) * batch.x[negative], y, valid


def hard_image_loss(nll: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over classes of the weighted cross-entropy with hard images first.

    Args:
        nll: cross-entropy of each image, (N,).
        y: classes, (N,).
        weights: of the images' pairs, (N,).
    """
    same = y[:, None] == y
    fixed = nll.detach()
    hardness = (fixed - fixed.masked_fill(~same, -torch.inf).logsumexp(1)).exp()
    return (hardness * weights * nll).sum() / number_of_groups(same, nll.dtype)


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
    same = y[:, None] == y
    others = same & ~torch.eye(len(y), dtype=torch.bool, device=y.device)
    to_others = (1 - cosines(p, p)).masked_fill(~others, -torch.inf)
    is_negative = (y[:, None] == of) & valid
    counted = is_negative.any(1)
    to_negatives = (1 - cosines(p, negatives)).masked_fill(~is_negative, -torch.inf)
    to_negatives = to_negatives.where(counted[:, None], 0.0)
    everything = torch.cat([to_others, to_negatives], 1).logsumexp(1)
    loss = everything - to_negatives.logsumexp(1)
    weights = counted.to(p.dtype) / same.sum(1)
    return (weights * loss).sum() / weights.sum().clamp(min=torch.finfo(loss.dtype).tiny)


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
    share = 1 / same_pair.sum(1).to(p.dtype)
    centres = (same_pair * share) @ p
    domains = (same_class * share).sum(1).round()
    counted = domains > 1
    cosine = cosines(centres, centres) + share.log()
    others = cosine.masked_fill(same_pair | ~counted, -torch.inf)
    positive = others.masked_fill(~same_class, -torch.inf)
    others, positive = (t.where(counted[:, None], 0.0) for t in (others, positive))
    loss = others.logsumexp(1) - positive.logsumexp(1)
    weights = counted * share / domains
    return (weights * loss).sum() / weights.sum().clamp(min=torch.finfo(p.dtype).tiny)


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of every row of ``a`` (N, C) with every row of ``b`` (M, C), (N, M)."""
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def number_of_groups(same: Tensor, dtype: torch.dtype) -> Tensor:
    """Return how many groups there are, given which images share one, (N, N)."""
    return (1 / same.sum(1).to(dtype)).sum()
