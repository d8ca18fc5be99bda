"""Re-weighting by the inverse square root of the class frequency."""

from __future__ import annotations

from ltbench_longtail.reweight import ReWeight


class SqrtReWeight(ReWeight):
    """Square-root re-weighting (Mahajan et al., ECCV 2018, arXiv:1805.00932).

    Risk of domain d: Σ w_i·CE_i / Σ w_i over its images, with w = 1 / √n[d, c] scaled to mean 1
    over the classes present in d. The paper draws images with these weights; here they weigh the
    loss, as the rows ``SqrtReweight`` of the MDLT benchmark do (arXiv:2203.09513).
    """

    power = 0.5
