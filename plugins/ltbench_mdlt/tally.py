"""TALLY: augmentation of disentangled representations."""

from __future__ import annotations

import torch
from ltbench_domains.mixing import sample_beta
from ltbench_domains.schedule import in_proportion
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, Training, hparam
from ltbench_mdlt.style import join_style, split_style
from ltbench_mdlt.trunk import middle_of


class TALLYHParams(HParams):
    """Hyper-parameters of TALLY."""

    alpha: float = hparam(
        0.5, low=1e-3, search=(0.1, 2.0), log=True, help="of the Beta distribution of the shares"
    )
    momentum: float = hparam(
        0.8, low=0.0, high=1.0, help="share of the old prototypes and domain statistics"
    )
    warm_up: int = hparam(
        2334, low=0, search=(500, 4000), help="steps of 5001 before it augments (7 of 15 epochs)"
    )


class TALLY(Algorithm):
    """TALLY (Yang, Yao, Zhou, Finn, "Multi-domain long-tailed learning …", TMLR 10/2023).

    arXiv:2210.14358. In the middle of the backbone, a map h of channels is split into style, the
    mean μ and standard deviation σ of each channel over the image, and content z = (h − μ)/σ. An
    augmented map joins the content of an image i with the style of an image j:

        z̃ = λ·z_i + (1 − λ)·r[y_i],   μ̃ = λ'·μ_j + (1 − λ')·μ̄[d_j],   σ̃ alike,   h̃ = σ̃·z̃ + μ̃

    and is trained with the label y_i. r[c] is the prototype of the class, the mean content over its
    images whatever the domain; μ̄[d], σ̄[d] are the mean style of the domain; all are moving
    averages. λ = max(b, 1 − b) with b ~ Beta(α, α), for every image anew.

    Selective balanced sampling: i is drawn class-balanced over all domains, j domain-balanced, by
    resampling the batch. A batch draws classes of a domain alike, so that it holds rare ones; the
    weights of the draws undo that. Before ``warm_up`` the total is the plain risk, each image of a
    domain counting the same.
    """

    HParams = TALLYHParams
    hparams: TALLYHParams
    honours = frozenset({"label_smoothing"})
    min_per_domain = 2
    sampling = "class-balanced"
    prototypes: Tensor
    styles: Tensor
    seen_classes: Tensor
    seen_domains: Tensor
    as_class: Tensor
    as_domain: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: TALLYHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        domains, classes = train_info.counts.shape
        self.middle, shape = middle_of(backbone, train_info.image_shape)
        self.register_buffer("prototypes", torch.zeros(classes, *shape))
        self.register_buffer("styles", torch.zeros(domains, 2, *style_shape(shape)))
        self.register_buffer("seen_classes", torch.zeros(classes, dtype=torch.bool))
        self.register_buffer("seen_domains", torch.zeros(domains, dtype=torch.bool))
        as_class, as_domain = draw_weights(train_info.counts)
        self.register_buffer("as_class", as_class, persistent=False)
        self.register_buffer("as_domain", as_domain, persistent=False)
        self.warm_up = in_proportion(self.hparams.warm_up, train_info.steps)
        self.augmenting = self.warm_up == 0

    def before_step(self, step: int, training: Training) -> None:
        """Begin to augment when the warm-up is over."""
        self.augmenting = step >= self.warm_up

    def loss(self, batch: Batch) -> Tensor:
        """Return the risk of the augmented batch, or of the batch itself in the warm-up."""
        drawn = self.draw(batch) if self.augmenting else None

        def augment(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            with torch.autocast(output.device.type, enabled=False):
                mixed = self.mix(_at_least_float32(output), batch, drawn)
            return mixed.to(output.dtype)

        hook = self.backbone.get_submodule(self.middle).register_forward_hook(augment)
        try:
            logits = self.predict(batch.x)
        finally:
            hook.remove()
        if drawn is not None:
            return self.cross_entropy(logits, batch.y[drawn[0]]).mean()
        nll = self.cross_entropy(logits, batch.y)
        weights = batch.per_domain(self.as_domain[batch.d, batch.y])
        return ((batch.per_domain(nll) * weights).sum(1) / weights.sum(1)).mean()

    def draw(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return which images of the batch give content and style, (N,) each."""
        drawn = [
            weights[batch.d, batch.y].multinomial(len(batch), True, generator=self.generator)
            for weights in (self.as_class, self.as_domain)
        ]
        return drawn[0], drawn[1]

    def mix(self, maps: Tensor, batch: Batch, drawn: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return the maps to go on with, and let prototypes and styles follow the batch.

        Args:
            maps: of the batch's images, (N, channels, …).
            batch: their classes and domains.
            drawn: the images that give content and style, (N,) each; nothing in the warm-up.
        """
        z, mean, deviation = split_style(maps)
        styles = torch.stack([mean, deviation], 1)
        self.follow(z.detach(), styles.detach(), batch)
        if drawn is None:
            return maps
        content, style = drawn
        # Their derivatives are added up by one kernel, those of an index with brackets by sorting.
        z = self._blend(z.index_select(0, content), self.prototypes[batch.y[content]])
        blended = self._blend(styles.index_select(0, style), self.styles[batch.d[style]])
        return join_style(z, blended[:, 0], blended[:, 1])

    @torch.no_grad()
    def follow(self, z: Tensor, styles: Tensor, batch: Batch) -> None:
        """Move the prototypes and the domains' styles toward the batch.

        Args:
            z: contents, (N, channels, …).
            styles: means and deviations, (N, 2, channels, …).
            batch: classes and domains.
        """
        self._follow(self.prototypes, self.seen_classes, z, batch.y)
        weights = self.as_domain[batch.d, batch.y]
        self._follow(self.styles, self.seen_domains, styles, batch.d, weights)

    def _follow(
        self,
        kept: Tensor,
        seen: Tensor,
        values: Tensor,
        group: Tensor,
        weights: Tensor | float = 1.0,
    ) -> None:
        """Mix the weighted mean of each group in the batch into what is kept of it."""
        members = torch.arange(len(kept), device=group.device)[:, None] == group
        share = F.normalize((members * weights).to(values.dtype), p=1.0, dim=1)
        means = (share @ values.flatten(1)).view(len(kept), *values.shape[1:])
        present = members.any(1)
        # Of a group in the batch a share goes: all at first. Absent ones stay.
        rate = present * (1 - self.hparams.momentum * seen)
        kept.lerp_(means, rate.to(kept.dtype).view(-1, *[1] * (kept.dim() - 1)))
        seen.logical_or_(present)

    def _blend(self, own: Tensor, shared: Tensor) -> Tensor:
        draws = sample_beta(self.hparams.alpha, len(own), self.generator)
        share = torch.maximum(draws, 1 - draws).view(-1, *[1] * (own.dim() - 1))
        return torch.lerp(shared, own, share.to(own.dtype))


def style_shape(shape: torch.Size) -> torch.Size:
    """Return the shape of a map's style: one number a channel, as the map's axes stand."""
    return split_style(torch.zeros(1, *shape))[1].shape[1:]


def draw_weights(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights, (D, C), that turn class-balanced batches into the draws of TALLY.

    In such a batch an image of the pair (d, c) is as likely as 1 / (C_d·n[d, c]), with C_d classes
    in the domain. The first weights make it 1 / n[c] (classes alike, images of a class alike,
    whatever the domain), the second ones 1 / N_d (images of a domain alike).

    Args:
        counts: training images, (D, C).
    """
    n = counts.float()
    inverse_likelihood = n * (n > 0).sum(1, keepdim=True)
    as_class = inverse_likelihood / n.sum(0, keepdim=True).clamp(min=1)
    as_domain = inverse_likelihood / n.sum(1, keepdim=True).clamp(min=1)
    return as_class, as_domain


def _at_least_float32(maps: Tensor) -> Tensor:
    return maps.to(torch.promote_types(maps.dtype, torch.float32))
