"""Which domain-class pairs are many-, medium-, few- and zero-shot; decided here alone.

Commands that only look at runs use it too, and shall not wait for numpy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOTS = ("many", "medium", "few", "zero")
"""From the head of a data set to what is not trained on."""

_LIMITS = {"many": 100.0, "few": 20.0}  # where a document has none
_INCLUSIVE = ("many_inclusive", "few_inclusive")


@dataclass(frozen=True)
class ShotRule:
    """The limits of the shots, in training images of a domain-class pair.

    The multi-domain benchmark (Yang et al., ECCV 2022) counts a pair with exactly ``few`` images as
    few-shot; the long-tail literature on one domain (Liu et al., CVPR 2019) as medium-shot.

    Attributes:
        many: pairs with more training images are many-shot.
        few: pairs with at most this many, but some, are few-shot.
        many_inclusive: whether pairs with exactly ``many`` are many-shot too.
        few_inclusive: whether pairs with exactly ``few`` are few-shot; if not, few-shot ones have
            fewer.
    """

    many: float
    few: float
    many_inclusive: bool = False
    few_inclusive: bool = True

    def shot(self, n: float) -> str:
        """Return ``many``, ``medium``, ``few`` or ``zero`` for a pair of ``n`` training images."""
        if n == 0:
            return "zero"
        if n > self.many or (self.many_inclusive and n == self.many):
            return "many"
        if n < self.few or (self.few_inclusive and n == self.few):
            return "few"
        return "medium"

    def buckets(self, n: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
        """Return which pairs belong to each shot; every pair belongs to one.

        Args:
            n: training images of pairs, an array of any shape.

        Returns:
            A mask of that shape for ``many``, ``medium``, ``few`` and ``zero``, in this order.
        """
        import numpy as np

        numbers, which = np.unique(n, return_inverse=True)
        shots = np.array([self.shot(number) for number in numbers.tolist()], dtype=np.str_)
        return {name: (shots == name)[which].reshape(n.shape) for name in SHOTS}

    def accuracies(self, pairs: Iterable[tuple[int, int, int]]) -> dict[str, float | None]:
        """Return the accuracy of each shot under its flat names, ``None`` where there is none.

        ``accuracy_many`` and the like are means over the pairs that have test images, each pair
        counted alike; ``accuracy_many_pooled`` and the like are over the images.

        Args:
            pairs: of each, its training images, the test images that are answered rightly, and all
                its test images.
        """
        tested: dict[str, list[tuple[int, int]]] = {name: [] for name in SHOTS}
        for n, right, images in pairs:
            if images:
                tested[self.shot(n)].append((right, images))
        found: dict[str, float | None] = {}
        for name, shares in tested.items():
            right, images = (sum(share[i] for share in shares) for i in (0, 1))
            found[f"accuracy_{name}"] = _mean(shares) if shares else None
            found[f"accuracy_{name}_pooled"] = right / images if shares else None
        return found

    @property
    def words(self) -> str:
        """The rule as people read it: "many > 100, few < 20"."""
        above, below = "≥" if self.many_inclusive else ">", "≤" if self.few_inclusive else "<"
        return f"many {above} {self.many:g}, few {below} {self.few:g}"

    def as_dict(self) -> dict[str, Any]:
        """Return what stands in ``spec.json``."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ShotRule:
        """Return the rule of such a mapping; limits that are missing are 100 and 20.

        Raises:
            TypeError: a limit is no number, or ``…_inclusive`` is neither true nor false.
            ValueError: a limit is no number.
        """
        inclusive = {name: values[name] for name in _INCLUSIVE if name in values}
        for name, value in inclusive.items():
            if not isinstance(value, bool):
                raise TypeError(f"'{name}' is neither true nor false")
        many, few = (float(values.get(name, usual)) for name, usual in _LIMITS.items())
        return cls(many, few, **inclusive)


def _mean(shares: list[tuple[int, int]]) -> float:
    """Return the mean of right / images over pairs.

    Pairs of as many images are added up before they are divided, so that where all have as many the
    mean is to the last bit the share of all images, as it is on paper.
    """
    right_of_size: Counter[int] = Counter()
    for right, images in shares:
        right_of_size[images] += right
    return sum(right / (size * len(shares)) for size, right in sorted(right_of_size.items()))
