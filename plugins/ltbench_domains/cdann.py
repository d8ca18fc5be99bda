"""Class-conditional domain-adversarial training."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ltbench.api import Backbone, Batch, TrainInfo
from ltbench_domains.dann import DANN, DANNHParams
from ltbench_domains.discriminator import ConditionalDiscriminator


class CDANN(DANN):
    """CDANN (Li et al., "… conditional invariant adversarial networks", ECCV 2018, eq. 6).

    DANN whose discriminator sees f + e(y), with a learnt embedding e of the class, and whose domain
    cross-entropy is averaged within each class of the batch and then over those classes: features
    are aligned given the class, each class counting the same.
    """

    honours = frozenset({"label_smoothing", "fp16"})  # images of two classes have no one condition

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: DANNHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        self.discriminator = ConditionalDiscriminator(
            self.num_features, train_info.num_domains, self.hparams.width, train_info.num_classes
        )

    def domain_loss(self, features: Tensor, batch: Batch) -> Tensor:
        """Return the mean over classes of the discriminator's mean cross-entropy on each."""
        nll = F.cross_entropy(self.discriminator(features, batch.y), batch.d, reduction="none")
        share = 1 / (batch.y[:, None] == batch.y).sum(1).to(nll.dtype)  # of an image in its class
        return (nll * share).sum() / share.sum()
