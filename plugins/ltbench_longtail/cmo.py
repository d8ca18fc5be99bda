"""Context-rich minority oversampling."""

from __future__ import annotations

from ltbench_augmentations.cutmix import CutMix, CutMixHParams
from ltbench_domains.composition import WithLoss, WithLossHParams

from ltbench.api import Backbone, Batch, Losses, TrainInfo, Training, hparam


class CMOHParams(WithLossHParams):
    """Hyper-parameters of context-rich minority oversampling."""

    pasted: str = hparam(
        "class-balanced",
        choices=("class-balanced", "reversed"),
        help="how pasted images are drawn: all classes alike, or by one over their images",
    )
    p: float = hparam(
        0.5, low=0.0, high=1.0, search=(0.25, 1.0), help="share of the batches that get patches"
    )
    alpha: float = hparam(
        1.0, low=1e-3, high=100.0, search=(0.1, 2.0), log=True, help="of the area's distribution"
    )
    start: float = hparam(0.02, low=0.0, high=1.0, help="share of the steps before the first patch")
    stop: float = hparam(0.985, low=0.0, high=1.0, help="share of the steps until the last one")


class CMO(WithLoss):
    """CMO (Park et al., "The majority can help the minority", CVPR 2022).

    Images of the data as they are keep their context; a rectangle of an image of a second,
    class-weighted stream is pasted on each (arXiv:2112.00412, algorithm 1). With λ the share of the
    area that is left of the first, the loss is λ·L(y) + (1 − λ)·L(y'), L any loss on logits:
    ``cmo[loss=bsoftmax]`` is the authors' best. One rectangle a batch, as in CutMix with
    λ ~ Beta(1, 1), on every other batch; both images are of the same domain, and each class is
    judged with the counts of that domain.

    The weight of a class, 1 / n_c (eq. 2 with r = 1), is in the authors' code that of each of its
    images, so that all classes are drawn alike: ``pasted=class-balanced``, which published rows
    used. As the probability of the class it is ``pasted=reversed``. The code pastes nothing in the
    first four and last three of 200 epochs (``start``, ``stop``). With p = 0 it is its loss alone.
    """

    HParams = CMOHParams
    hparams: CMOHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: CMOHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        self.second_sampling = hparams.pasted  # type: ignore[misc]
        patches = CutMixHParams(alpha=hparams.alpha, p=hparams.p)
        self.patches = CutMix(patches, train_info.image_shape)
        self.pasting = True

    def before_step(self, step: int, training: Training) -> None:
        """Let the loss follow its schedule, and say whether this step has patches."""
        super().before_step(step, training)
        start, stop = self.hparams.start, self.hparams.stop
        steps = self.train_info.steps
        self.pasting = round(start * steps) <= step < round(stop * steps)

    def loss(self, batch: Batch) -> Losses:
        """Return the mean over domains of the risks of both classes, by their shares."""
        second = batch.second
        if not self.pasting or second is None:
            return super().loss(batch)
        x, share = self.patches.mix(batch.x, second.x, self.generator)
        logits = self.predict(x)
        own, other = self.mixed_risks(logits, batch), self.mixed_risks(logits, second)
        return (share * own + (1 - share) * other).mean()
