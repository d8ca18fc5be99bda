"""Test images grouped by domain and class, within which they are drawn anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from ltbench.evaluation.classification import Counts
from ltbench.stats.groups import FloatArray

FEWEST_OF_CLASS = 5
"""With fewer test images of a class in a domain, drawn macro-F1 says too little: no interval."""


@dataclass(frozen=True)
class Strata:
    """The domain and class of each image; a single image of its class is grouped with others.

    A stratum of one image says nothing of its spread. Those of a domain are taken together, and one
    that is left alone goes to the smallest other stratum of its domain (collapsed strata: Cochran,
    Sampling Techniques, 3rd ed. 1977, section 5A.12), which gives too much spread rather than none.

    Attributes:
        number: each image's stratum, (N,).
        size: images of each stratum, 2 or more.
        domain: the domain of each stratum.
    """

    number: Counts
    size: Counts
    domain: Counts

    @classmethod
    def of(cls, label: Counts, domain: Counts) -> Strata | None:
        """Return the strata of test images, or ``None`` where a domain has a single image."""
        classes = int(label.max()) + 1
        cell = domain * classes + label
        images = np.bincount(cell)
        stratum = np.arange(len(images))
        for d in np.unique(domain):
            own = np.flatnonzero(images[d * classes : (d + 1) * classes]) + d * classes
            single = own[images[own] == 1]
            stratum[single] = single[:1]
            if len(single) == 1:
                others = own[images[own] > 1]
                if not len(others):
                    return None
                stratum[single] = others[np.argmin(images[others])]
        places, number, size = np.unique(stratum[cell], return_inverse=True, return_counts=True)
        return cls(number, size, places // classes)

    def deviations(self, values: FloatArray) -> FloatArray:
        """Return deviations of values (N,) from their strata's means, spread by :attr:`widening`.

        The sum of their squares is the variance of the sum of the values over test sets.
        """
        means = np.bincount(self.number, values, len(self.size)) / self.size
        return np.asarray((values - means[self.number]) * self.widening[self.number])

    @cached_property
    def widening(self) -> FloatArray:
        """Return by how much each stratum must be spread for intervals to cover, (S,).

        √(n/(n−1)), since a bootstrap takes the spread of what was drawn for that of all images
        (Rao & Wu, Journal of the American Statistical Association 83 (1988) 231–241), times
        Student's quantile over the normal one, with as many degrees of freedom as the images of
        the domain less its strata.
        """
        domains = int(self.domain.max()) + 1
        images = np.bincount(self.domain, self.size, domains)
        freedom = np.maximum(images - np.bincount(self.domain, minlength=domains), 1)
        student = stdtrit(freedom, 0.975) / 1.959964
        return np.asarray(np.sqrt(self.size / (self.size - 1)) * student[self.domain])
