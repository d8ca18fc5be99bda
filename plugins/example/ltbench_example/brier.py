"""An algorithm: a loss on logits."""

from torch.nn import functional as F

from ltbench.api import Algorithm, HParams, hparam


class BrierHParams(HParams):
    """Typed as ``brier[scale=2]``; values outside of the bounds are refused before any training."""

    # ``low`` and ``high`` bound what may be typed, ``search`` is where tuning looks.
    scale: float = hparam(1.0, low=0.0, search=(0.1, 10.0), log=True, help="factor of the loss")


class Brier(Algorithm):
    """Brier score (Brier, Monthly Weather Review 1950): Σ_c (p_c − [c = y])² per image.

    The first line of this text names the source; ``ltbench plugins info brier`` shows all of it.
    """

    HParams = BrierHParams

    def risks(self, logits, batch):
        """Return the risk of each domain in the batch; their mean is minimised.

        A loss that needs more than the logits overrides ``loss(batch)`` instead, and a method with
        optimisers of its own ``step(batch)``. ``self.train_info`` knows the training set.
        """
        error = logits.softmax(1) - F.one_hot(batch.y, logits.shape[1])
        return self.hparams.scale * batch.per_domain(error.square().sum(1)).mean(1)
