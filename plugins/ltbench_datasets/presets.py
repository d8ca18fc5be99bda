"""Methods as they are known: the algorithm together with the network and protocol of its paper.

The protocols have the names of the presets, so that any other method can be trained as these are:
``ltbench run --protocol erm-plus-plus --algo coral``.
"""

from __future__ import annotations

from typing import Any

from ltbench_datasets.protocols import CLIP, DOMAINBED

LIFT_PROTOCOL: dict[str, Any] = {
    **CLIP,
    "backbone": CLIP["backbone"].replace("init=class-mean", "init=text"),
}
"""Shi et al., "Long-tail learning with foundation model: heavy fine-tuning hurts", ICML 2024,
arXiv:2309.10019, section 5.1, and ``shijxcs/LIFT``: the protocol ``clip``, whose classifier, 25
times the cosine of features and class vectors, starts from the classes' names."""

LIFT: dict[str, Any] = {"algo": "logit-adjust", "protocol": "lift"}
"""Cross-entropy on z + log π. The mean over five crops at test is left out."""

LIFT_PLUS_PROTOCOL: dict[str, Any] = {
    **LIFT_PROTOCOL,
    "epochs": 5,
    "lr": 0.02,
    "augmentation": "growing-crop",
}
"""Shi et al., "LIFT+: lightweight fine-tuning for long-tail learning", 2025, arXiv:2504.13282, and
``shijxcs/LIFT-plus``: half the epochs at twice the rate, and square crops that grow."""

LIFT_PLUS: dict[str, Any] = {"algo": "logit-adjust", "protocol": "lift-plus"}

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

DIWA_PROTOCOL: dict[str, Any] = {**DOMAINBED, "pretrained": True}
"""Rame et al., "Diverse weight averaging for out-of-distribution generalization", NeurIPS 2022,
arXiv:2205.09739, section 4 and ``alexrame/diwa``: DomainBed's training of a ResNet-50."""

DIWA: dict[str, Any] = {
    "algo": "finetune",
    "protocol": "diwa[lr=[1e-05,3e-05,5e-05],weight_decay=[1e-06,0.0001],dropout=[0.0,0.1,0.5]]",
    "seeds": 1,
    "then": ["soup {out} --uniform"],
}
"""All 18 settings of the mild ranges of table 5, each once, from one classifier that was probed on
the pretrained features; the authors draw 20 at random, three times. The mean of all weights is the
paper's uniform selection, ``ltbench soup --greedy`` its restricted one."""
