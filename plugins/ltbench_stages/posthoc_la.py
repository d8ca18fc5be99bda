"""Post-hoc logit adjustment."""

from __future__ import annotations

from torch import Tensor, nn

from ltbench.api import Algorithm, HParams, TrainInfo, hparam
from ltbench_stages.untrained import UntrainedStage


class PosthocLAHParams(HParams):
    """Hyper-parameters of post-hoc logit adjustment."""

    tau: float = hparam(1.0, low=0.0, search=(0.25, 2.5), help="strength τ; 0 changes nothing")


class PosthocLA(UntrainedStage):
    """Post-hoc logit adjustment (Menon et al., ICLR 2021, arXiv:2007.07314, eq. 9).

    Logits z_c − τ·log π_c at test, with z those of the model chosen before and the class prior
    π_c = n[c] / Σ n[c] of the pooled training images: an image's domain may be used in training,
    never at test. A class without any training image counts as having one, which keeps its logit
    finite.
    """

    HParams = PosthocLAHParams
    hparams: PosthocLAHParams
    shift: Tensor

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: PosthocLAHParams) -> None:
        super().__init__(base, train_info, hparams)
        self.classifier = nn.Identity()  # the base's own is adjusted
        counts = train_info.counts.sum(0).double().clamp(min=1)
        shift = self.hparams.tau * (counts / counts.sum()).log()
        self.register_buffer("shift", shift.float(), persistent=False)

    def predict(self, x: Tensor) -> Tensor:
        """Return the adjusted logits (N, C) of images."""
        return self.base.predict(x) - self.shift
