"""Style-agnostic networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ltbench.api import Backbone, Batch, MakeOptimizer, TrainInfo, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams

EPSILON = 1e-5


class SagNetHParams(WithLossHParams):
    """Hyper-parameters of SagNet."""

    weight: float = hparam(
        0.1, low=0.0, search=(1e-2, 1e1), log=True, help="of the adversarial style loss"
    )


class SagNet(WithLoss):
    """SagNet (Nam et al., "Reducing domain gap by reducing style bias", CVPR 2021, algorithm 1).

    arXiv:1910.11645. The style of a feature vector is its mean and variance over the features; the
    content is what remains when it is normalised by them. A step has three parts, each with an
    optimiser of its own:

    1. backbone and content network (the classifier) lower the risk of features whose style is mixed
       with that of another image, SR: μ̂ = a·μ + (1 − a)·μ' and the same for the variance;
    2. the style network lowers its cross-entropy on features whose content is another image's, CR;
    3. the backbone lowers w·CE(uniform, style network on CR), so that style tells nothing.
    """

    HParams = SagNetHParams
    hparams: SagNetHParams

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: SagNetHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        self.style = nn.Linear(self.num_features, train_info.num_classes)

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return the optimisers of backbone, content network and style network."""
        return {
            "features": make(p for p in self.backbone.parameters() if p.requires_grad),
            "content": make(self.classification_parameters()),
            "style": make(self.style.parameters()),
        }

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Train content, then style, then the backbone against style."""
        content = self.content_risk(batch)
        self.optimizers["features"].zero_grad(set_to_none=True)
        self.minimize(content, "content")
        self.optimizers["features"].step()

        # The style network's step leaves the features as they are: one pass serves both.
        features = self.features(batch.x)
        logits = self.style(self.randomise_content(features.detach()))
        style = F.cross_entropy(logits, batch.y)
        self.minimize(style, "style")

        adversarial = self.adversarial_loss(features)
        self.minimize(self.hparams.weight * adversarial, "features")
        total = content + self.hparams.weight * adversarial
        parts = {"total": total, "content": content, "style": style, "adversarial": adversarial}
        return {name: value.detach() for name, value in parts.items()}

    def content_risk(self, batch: Batch) -> Tensor:
        """Return the mean risk of the content network on features of randomised style."""
        features = self.randomise_style(self.features(batch.x))
        return self.risks(self.classifier(features), batch).mean()

    def adversarial_loss(self, features: Tensor) -> Tensor:
        """Return the cross-entropy from the uniform distribution to the style network's."""
        logits = self.style(self.randomise_content(features))
        return -F.log_softmax(logits, dim=1).mean()

    def randomise_style(self, features: Tensor) -> Tensor:
        """Return features (N, F) whose style is mixed with that of random others."""
        content, mean, variance = split_style(features)
        other, share = self._draw(features)
        # One index and one mixture for both; the derivatives of an index_select are one kernel.
        styles = torch.cat([mean, variance], 1)
        mixed = torch.lerp(styles.index_select(0, other), styles, share)
        return torch.addcmul(mixed[:, :1], content, (mixed[:, 1:] + EPSILON).sqrt())

    def randomise_content(self, features: Tensor) -> Tensor:
        """Return features (N, F) of the same style with the content of random others, detached."""
        content, mean, variance = split_style(features)
        other, _ = self._draw(features)
        return torch.addcmul(mean, content.detach()[other], (variance + EPSILON).sqrt())

    def _draw(self, features: Tensor) -> tuple[Tensor, Tensor]:
        device, images = self.generator.device, len(features)
        other = torch.randperm(images, generator=self.generator, device=device)
        share = torch.rand(images, 1, generator=self.generator, device=device)
        return other, share.to(features.dtype)


def split_style(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the normalised features (N, F), and their means and variances, both (N, 1)."""
    variance, mean = torch.var_mean(features, 1, keepdim=True)
    return (features - mean) / (variance + EPSILON).sqrt(), mean, variance
