"""ImageNet's classes by name, where its lists have numbers of WordNet."""

from __future__ import annotations

import pytest

from ltbench.errors import UsageError
from ltbench.models.synsets import named


def test_numbers_of_wordnet_become_their_first_word():
    assert named(["n01440764", "n02123045", "moth", "n0144"]) == ["tench", "tabby", "moth", "n0144"]


def test_a_number_that_imagenet_lacks_is_refused():
    with pytest.raises(UsageError, match="'n99999999' is a number of WordNet that ImageNet does"):
        named(["n99999999"])
