"""Methods as they are known: the algorithm together with the network and protocol of its paper.

The protocols have the names of the presets, so that any other method can be trained as these are:
``ltbench run --protocol erm-plus-plus --algo coral``.
"""

from __future__ import annotations

from typing import Any

from ltbench_datasets.protocols import DOMAINBED

ERM_PLUS_PLUS_PROTOCOL: dict[str, Any] = {
    **DOMAINBED,
    "backbone": "resnet50.ram_in1k",
    "freeze_bn": False,
    "head_steps": 500,
}
"""Teterwak et al., "ERM++: an improved baseline for domain generalization", WACV 2025,
arXiv:2304.01973, section 3 and ``main_erm.py``: 500 steps of the classifier alone, then of all;
batch normalisation estimates its statistics; the weights of a ResNet-50 that saw AugMix."""

ERM_PLUS_PLUS: dict[str, Any] = {
    "algo": "erm@swa[start=0.12,cycle=1,schedule=protocol]",
    "protocol": "erm-plus-plus",
}
"""The mean of the weights after every step from 600 on, 0.12 of 5,001, is what is evaluated."""
