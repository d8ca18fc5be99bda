"""The policies that AutoAugment learned on three data sets.

From the tables of its paper (Cubuk et al., CVPR 2019, arXiv:1805.09501, appendix A): each line is
one sub-policy, of two operations with their probabilities and magnitudes, steps of ten from 0.
"""

from __future__ import annotations

IMAGENET = """
posterize 0.4 8, rotate 0.6 9
solarize 0.6 5, autocontrast 0.6
equalize 0.8, equalize 0.6
posterize 0.6 7, posterize 0.6 6
equalize 0.4, solarize 0.2 4
equalize 0.4, rotate 0.8 8
solarize 0.6 3, equalize 0.6
posterize 0.8 5, equalize 1
rotate 0.2 3, solarize 0.6 8
equalize 0.6, posterize 0.4 6
rotate 0.8 8, color 0.4 0
rotate 0.4 9, equalize 0.6
equalize 0, equalize 0.8
invert 0.6, equalize 1
color 0.6 4, contrast 1 8
rotate 0.8 8, color 1 2
color 0.8 8, solarize 0.8 7
sharpness 0.4 7, invert 0.6
shear-x 0.6 5, equalize 1
color 0.4 0, equalize 0.6
equalize 0.4, solarize 0.2 4
solarize 0.6 5, autocontrast 0.6
invert 0.6, equalize 1
color 0.6 4, contrast 1 8
equalize 0.8, equalize 0.6
"""

CIFAR10 = """
invert 0.1, contrast 0.2 6
rotate 0.7 2, translate-x 0.3 9
sharpness 0.8 1, sharpness 0.9 3
shear-y 0.5 8, translate-y 0.7 9
autocontrast 0.5, equalize 0.9
shear-y 0.2 7, posterize 0.3 7
color 0.4 3, brightness 0.6 7
sharpness 0.3 9, brightness 0.7 9
equalize 0.6, equalize 0.5
contrast 0.6 7, sharpness 0.6 5
color 0.7 7, translate-x 0.5 8
equalize 0.3, autocontrast 0.4
translate-y 0.4 3, sharpness 0.2 6
brightness 0.9 6, color 0.2 8
solarize 0.5 2, invert 0
equalize 0.2, autocontrast 0.6
equalize 0.2, equalize 0.6
color 0.9 9, equalize 0.6
autocontrast 0.8, solarize 0.2 8
brightness 0.1 3, color 0.7 0
solarize 0.4 5, autocontrast 0.9
translate-y 0.9 9, translate-y 0.7 9
autocontrast 0.9, solarize 0.8 3
equalize 0.8, invert 0.1
translate-y 0.7 9, autocontrast 0.9
"""

SVHN = """
shear-x 0.9 4, invert 0.2
shear-y 0.9 8, invert 0.7
equalize 0.6, solarize 0.6 6
invert 0.9, equalize 0.6
equalize 0.6, rotate 0.9 3
shear-x 0.9 4, autocontrast 0.8
shear-y 0.9 8, invert 0.4
shear-y 0.9 5, solarize 0.2 6
invert 0.9, autocontrast 0.8
equalize 0.6, rotate 0.9 3
shear-x 0.9 4, solarize 0.3 3
shear-y 0.8 8, invert 0.7
equalize 0.9, translate-y 0.6 6
invert 0.9, equalize 0.6
contrast 0.3 3, rotate 0.8 4
invert 0.8, translate-y 0 2
shear-y 0.7 6, solarize 0.4 8
invert 0.6, rotate 0.8 4
shear-y 0.3 7, translate-x 0.9 3
shear-x 0.1 6, invert 0.6
solarize 0.7 2, translate-y 0.6 7
shear-y 0.8 4, invert 0.8
shear-x 0.7 9, translate-y 0.8 3
shear-y 0.8 5, autocontrast 0.7
shear-x 0.7 2, invert 0.1
"""

POLICIES = {"imagenet": IMAGENET, "cifar10": CIFAR10, "svhn": SVHN}


def read_policy(text: str) -> list[list[tuple[str, float, int]]]:
    """Return the sub-policies of a table: operation, probability and magnitude of each part."""
    return [[_part(*part.split()) for part in line.split(",")] for line in text.split("\n") if line]


def _part(name: str, probability: str, magnitude: str = "0") -> tuple[str, float, int]:
    return name, float(probability), int(magnitude)
