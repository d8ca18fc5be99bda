"""Invariant variances of the gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from ltbench.api import Backbone, Batch, TrainInfo, Training, hparam
from ltbench_domains.annealing import Annealed
from ltbench_domains.composition import WithLossHParams


class FishrHParams(WithLossHParams):
    """Hyper-parameters of Fishr."""

    weight: float = hparam(1000.0, low=0.0, search=(10.0, 1e4), log=True, help="λ of the penalty")
    anneal: int = hparam(
        1500, low=0, search=(0, 5000), begins=True, help="first steps, without the penalty"
    )
    ema: float = hparam(
        0.95, low=0.0, high=0.999, search=(0.90, 0.99), help="share of the variances before"
    )
    scale: str = hparam(
        "code",
        choices=("code", "paper"),
        help="squares averaged, variances over 1 - ema; or squares summed, as in the equation",
    )


class Fishr(Annealed):
    """Fishr (Rame et al., "Invariant gradient variances for out-of-distribution …", ICML 2022).

    arXiv:2109.02934, eq. 4 and algorithm 1. v_d is the variance over the images of domain d of the
    gradients of their losses by each weight of the classifier, averaged over the steps, v̄_d ←
    ema·v̄_d + (1 - ema)·v_d, of which the last term alone has a gradient. Total: mean of the
    domains' risks + λ·mean over domains of ‖v̄_d - v̄‖², v̄ their mean. λ is 0 before ``anneal``,
    and the optimiser starts anew there.

    The authors' code, whose rows are the published ones, divides v̄_d by 1 - ema and takes the mean
    of the squares for their sum. That is the default, as λ is in its units; the penalty is the
    equation's times a constant. ``scale=paper`` is the equation as it stands.

    Of a linear classifier the gradient of an image is (∂loss/∂z)·fᵀ for its weights and ∂loss/∂z
    for its biases, z the logits and f the features, so that a variance is a difference of two
    products of matrices; of any other classifier gradients are taken image by image. Where several
    batches make a step, the average moves by the last of them.
    """

    HParams = FishrHParams
    hparams: FishrHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})
    min_domains = 2
    min_per_domain = 2
    averaged: Tensor
    latest: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: FishrHParams) -> None:
        super().__init__(backbone, train_info, hparams, after=hparams.anneal)
        weights = sum(p.numel() for p in self.classifier.parameters() if p.requires_grad)
        zeros = torch.zeros(len(train_info.domains), weights)
        # Two, so that a loss that is computed twice in a step moves the average once.
        self.register_buffer("averaged", zeros)
        self.register_buffer("latest", zeros.clone())

    def before_step(self, step: int, training: Training) -> None:
        """Let the average of the step before be that of before."""
        super().before_step(step, training)
        self.averaged.copy_(self.latest)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean risk, the distance of the variances and their sum."""
        features = self.features(batch.x)
        logits = self.classifier(features)
        risks = self.mixed_risks(logits, batch)
        images = len(batch) // batch.num_domains
        (slopes,) = torch.autograd.grad(
            images * risks.sum(), logits, retain_graph=True, create_graph=self.annealed
        )
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.annealed):
            penalty = self.penalty(self.variances(features, slopes, batch), batch)
        risk = risks.mean()
        total = risk + self.hparams.weight * penalty if self.annealed else risk
        return {"total": total, "risk": risk, "penalty": penalty}

    def variances(self, features: Tensor, slopes: Tensor, batch: Batch) -> Tensor:
        """Return the variances of the gradients by the classifier's weights, (domains, weights).

        Args:
            features: of the images, (N, F).
            slopes: gradients of their losses by their logits, (N, C).
            batch: the images.
        """
        f, slopes = batch.per_domain(features), batch.per_domain(slopes)
        if type(self.classifier) is nn.Linear:
            return self._of_linear(self.classifier, f, slopes)
        parameters = {k: p for k, p in self.classifier.named_parameters() if p.requires_grad}

        def gradients(one: Tensor, slope: Tensor) -> tuple[Tensor, ...]:
            def logits(weights: dict[str, Tensor]) -> Tensor:
                found: Tensor = functional_call(self.classifier, weights, (one[None],))
                return found[0]

            (by_weight,) = vjp(logits, parameters)[1](slope)
            return tuple(by_weight.values())

        found = vmap(vmap(gradients))(f, slopes)
        return torch.cat([one.flatten(2).var(1, unbiased=False) for one in found], 1)

    def penalty(self, variances: Tensor, batch: Batch) -> Tensor:
        """Return the mean squared distance of the domains' variances to their mean, and note them.

        Args:
            variances: (domains, weights).
            batch: their images.
        """
        d, share = batch.per_domain(batch.d)[:, 0], 1 - self.hparams.ema
        moved = (1 - share) * self.averaged[d] + share * variances
        self.latest[d] = moved.detach().to(self.latest.dtype)
        plain = self.hparams.scale == "paper"
        apart = (moved - moved.mean(0)) / (1.0 if plain else share)
        squares = apart.square().sum(1) if plain else apart.square().mean(1)
        return squares.mean()

    def _of_linear(self, classifier: nn.Linear, f: Tensor, slopes: Tensor) -> Tensor:
        """Return the variances of the gradients by weights and biases, (domains, weights)."""
        images, found = f.shape[1], []
        if classifier.weight.requires_grad:
            mean = slopes.mT @ f / images
            found.append((slopes.square().mT @ f.square() / images - mean.square()).flatten(1))
        if classifier.bias is not None and classifier.bias.requires_grad:
            found.append(slopes.var(1, unbiased=False))
        return torch.cat(found, 1)
