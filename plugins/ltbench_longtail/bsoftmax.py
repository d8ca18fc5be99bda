"""Balanced softmax."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Algorithm, Batch, HParams, hparam


class BSoftmaxHParams(HParams):
    """Hyper-parameters of balanced softmax."""

    absent: str = hparam(
        "out",
        choices=("out", "one"),
        later=True,
        help="classes absent from a domain: left out of the sum, or as if of one image",
    )


class BSoftmax(Algorithm):
    """Balanced softmax (Ren et al., "Balanced meta-softmax", NeurIPS 2020, eq. 4).

    Cross-entropy on z_c + log n[d, c] with the counts of the image's own domain
    (arXiv:2007.10740). Classes absent from the domain are left out of the sum, the limit of the
    formula; with ``absent=one`` they count as one image, as in the code of the MDLT benchmark,
    whose published rows have it.
    """

    HParams = BSoftmaxHParams
    hparams: BSoftmaxHParams
    honours = frozenset({"label_smoothing"})

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the shifted logits in each domain."""
        if self.hparams.absent == "one":
            return super().risks(logits + self.counts.clamp(min=1).log()[batch.d], batch)
        return super().risks(logits + self.log_prior(batch.d), batch)
