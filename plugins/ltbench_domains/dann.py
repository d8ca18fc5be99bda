"""Domain-adversarial training."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ltbench.api import Backbone, Batch, MakeOptimizer, TrainInfo, Training, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.discriminator import Discriminator

BETA2 = 0.9
"""Of the optimisers of both players, as in DomainBed; Adam's own is 0.999."""


class DANNHParams(WithLossHParams):
    """Hyper-parameters of DANN."""

    weight: float = hparam(
        1.0, low=0.0, search=(1e-2, 1e2), log=True, help="λ of the adversarial loss"
    )
    d_steps: int = hparam(1, low=1, search=(1, 8), help="discriminator steps per feature step")
    width: int = hparam(256, low=1, search=(64, 1024), log=True, help="of the discriminator")
    beta1: float = hparam(
        0.5,
        low=0.0,
        high=0.999,
        search=(0.0, 0.5),
        betas=True,
        help="β1 of Adam and its like, whose β2 is 0.9",
    )
    alternate: bool = hparam(
        False, later=True, help="one player a step, as in the MDLT benchmark's code"
    )


class DANN(WithLoss):
    """Domain-adversarial neural networks (Ganin et al., JMLR 2016, eq. 9, arXiv:1505.07818).

    Two players: the discriminator lowers its cross-entropy L_d on the domain of a feature; features
    and classifier lower R − λ·L_d. In every step of the training the discriminator takes
    ``d_steps`` steps and then the features take one. Both have the betas of DomainBed's Adam, β1 =
    .5 and β2 = .9.

    With ``alternate`` one player moves in a step. Of the steps number 1, 2, … those are the
    discriminator's whose remainder by ``d_steps`` + 1 is less than ``d_steps``; the features, F,
    move in the others: F D F D with one step of the discriminator, D F D D F D with two, D D F D D
    D F with three. That is the code of DomainBed and of the MDLT benchmark, whose published rows
    have it: with ``d_steps=1`` their features take half the steps of other methods.
    """

    HParams = DANNHParams
    hparams: DANNHParams
    honours = frozenset({"label_smoothing", "mixed_labels", "fp16"})
    min_domains = 2
    turn_of_discriminator = False

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: DANNHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        self.discriminator: nn.Module = Discriminator(
            self.num_features, train_info.num_domains, self.hparams.width
        )

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return one optimiser for each player, with the betas of DomainBed where it has any."""
        features = [p for p in self.backbone.parameters() if p.requires_grad]
        optimizers = {
            "main": make([*features, *self.classification_parameters()]),
            "discriminator": make(self.discriminator.parameters()),
        }
        for optimizer in optimizers.values():
            for group in optimizer.param_groups:
                if "betas" in group:  # Adan, for one, has a third
                    group["betas"] = (self.hparams.beta1, BETA2, *group["betas"][2:])
        return optimizers

    def before_step(self, step: int, training: Training) -> None:
        """Say whose turn it is, where the players alternate."""
        super().before_step(step, training)
        cycle = self.hparams.d_steps + 1
        self.turn_of_discriminator = (step + 1) % cycle < self.hparams.d_steps

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take the discriminator's steps, then one of the features, or the one whose turn it is."""
        features, alternate = self.features(batch.x), self.hparams.alternate
        for _ in range(0 if alternate else self.hparams.d_steps):
            self.minimize(self.domain_loss(features.detach(), batch), "discriminator")
        risk = self.mixed_risks(self.classifier(features), batch).mean()
        adversarial = self.domain_loss(features, batch)
        total = risk - self.hparams.weight * adversarial
        if alternate and self.turn_of_discriminator:
            self.minimize(self.domain_loss(features.detach(), batch), "discriminator")
        else:
            self.minimize(total)
        return {"total": total.detach(), "risk": risk.detach(), "adversarial": adversarial.detach()}

    def domain_loss(self, features: Tensor, batch: Batch) -> Tensor:
        """Return the discriminator's mean cross-entropy on the domains of the batch."""
        return F.cross_entropy(self.discriminator(features), batch.d)
