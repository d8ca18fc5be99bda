"""An algorithm that looks at two views of each image."""

from torch.nn import functional as F

from ltbench.api import STRONG_VIEW, Algorithm, HParams, hparam


class AgreementHParams(HParams):
    """Typed as ``agreement[weight=0.5,strong=protocol>random-erasing]``."""

    weight: float = hparam(1.0, low=0.0, search=(0.1, 10.0), log=True, help="of disagreement")
    strong: str = hparam(STRONG_VIEW, names="augmentations", help="of the second view")


class Agreement(Algorithm):
    """Cross-entropy, and the answer to a strongly augmented view (UDA, arXiv:1904.12848)."""

    HParams = AgreementHParams

    @classmethod
    def view_augmentations(cls, hparams):
        """Return a chain of augmentations for each view; ``protocol`` is the run's own."""
        return ("protocol", hparams.strong)

    def loss(self, batch):
        """Return the risk of the first view, plus how far the second's answers are from its."""
        plain, strong = (self.predict(view) for view in batch.views)
        apart = F.kl_div(strong.log_softmax(1), plain.detach().softmax(1), reduction="batchmean")
        return {"total": self.risks(plain, batch).mean() + self.hparams.weight * apart}
