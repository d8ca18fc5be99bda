"""The timm models that the field compares on, under the names it gives them."""

from __future__ import annotations

from functools import partial

from ltbench.models.timm_backbone import TimmBackbone
from ltbench.models.timm_source import timm_source
from ltbench.plugins.preprocessing import Preprocessing


class NamedBackbone(partial[TimmBackbone]):
    """A model of timm without its classifier."""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What its weights were trained with, for which no network is built."""
        return timm_source(str(self.args[0])).preprocessing


# DomainBed and the MDLT benchmark start from torchvision's first weights, timm's own default does
# not; with other weights published figures cannot be compared with.
resnet18 = NamedBackbone(TimmBackbone, "resnet18.tv_in1k")
resnet50 = NamedBackbone(TimmBackbone, "resnet50.tv_in1k")
mobilenetv2_100 = NamedBackbone(TimmBackbone, "mobilenetv2_100")
resnetv2_50 = NamedBackbone(TimmBackbone, "resnetv2_50")
vit_base_patch16_224 = NamedBackbone(TimmBackbone, "vit_base_patch16_224")
convnext_base = NamedBackbone(TimmBackbone, "convnext_base")
