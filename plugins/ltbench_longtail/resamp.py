"""Class-balanced sampling."""

from __future__ import annotations

from ltbench.api import Algorithm


class ReSamp(Algorithm):
    """Re-sampling (Kang et al., "Decoupling representation and classifier", ICLR 2020, eq. 1, q=0).

    Cross-entropy on batches in which every class of a domain is equally likely (arXiv:1910.09217):
    a class present in the domain is drawn with p_c = 1 / C_d, then one of its images, with
    replacement.
    """

    sampling = "class-balanced"
