"""Registers the augmentations of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl

AUGMENTATIONS = (
    ("crop-flip", "crop_flip:CropFlip", "Shifts by an eighth of the side and mirrors, as on CIFAR"),
    ("photo", "photographs:PhotoAugmentation", "Crop, mirror, jitter and grey, as on MDLT"),
    ("imagenet", "photographs:ImageNet", "Small crops, mirror and jitter, as on ImageNet-LT"),
    ("simclr", "simclr:SimCLR", "Small crops, mirror, strong jitter and grey, for contrast"),
    ("randaugment", "randaugment:RandAugment", "n operations of one magnitude m, drawn anew"),
    ("autoaugment", "autoaugment:AutoAugment", "Learned policies for CIFAR-10, ImageNet and SVHN"),
    ("trivialaugment", "trivialaugment:TrivialAugment", "One operation of random magnitude"),
    ("random-erasing", "random_erasing:RandomErasing", "Blackens a rectangle of random shape"),
    ("cutout", "cutout:Cutout", "Blackens a square, which may stick out"),
    ("mixup", "mixup:Mixup", "Blends two images of a domain, and their labels"),
    ("cutmix", "cutmix:CutMix", "Pastes a rectangle of another image; mixes labels by area"),
)


@hookimpl
def ltbench_augmentations(register: Register) -> None:
    """Register the augmentations."""
    for name, place, summary in AUGMENTATIONS:
        register(name, f"ltbench_augmentations.{place}", summary=summary)
