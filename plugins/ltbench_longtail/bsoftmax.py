"""Balanced softmax."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Algorithm, Batch


class BSoftmax(Algorithm):
    """Balanced softmax (Ren et al., "Balanced meta-softmax", NeurIPS 2020, eq. 4).

    Cross-entropy on z_c + log n[d, c] with the counts of the image's own domain
    (arXiv:2007.10740). Classes absent from the domain are left out of the sum.
    """

    honours = frozenset({"label_smoothing"})

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the shifted logits in each domain."""
        return super().risks(logits + self.log_prior(batch.d), batch)
