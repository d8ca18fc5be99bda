"""``places-lt``: Places365 by the list files of Liu et al. (CVPR 2019)."""

from __future__ import annotations

from ltbench_datasets.long_tail_lists import FlatValidation


class PlacesLT(FlatValidation):
    """Long-tailed Places365: lists ``path label`` for training, validation and test.

    Training and validation are images of Places365's ``train``, the test its ``val``, whose images
    may lie flat or in class folders. The classes bear the names of the folders in the lists.
    """
