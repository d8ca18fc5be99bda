"""``imagenet-lt``: ImageNet by the list files of Liu et al. (CVPR 2019)."""

from __future__ import annotations

from ltbench_datasets.long_tail_lists import FlatValidation


class ImageNetLT(FlatValidation):
    """Long-tailed ImageNet: lists ``path label`` for training, validation and test.

    The validation images of ImageNet, which are the test set here, may lie flat or in class
    folders. The classes bear ImageNet's synset names where the lists do.
    """

    def is_class_name(self, folder: str) -> bool:
        """Return whether a folder is called as a synset is."""
        return folder.startswith("n") and folder[1:].isdigit()
