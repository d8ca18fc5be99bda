"""The timm models that the field compares on, under the names it gives them."""

from __future__ import annotations

from functools import partial

from ltbench.models.timm_backbone import TimmBackbone

# DomainBed and the MDLT benchmark start from torchvision's first weights, timm's own default does
# not; with other weights published figures cannot be compared with.
resnet18 = partial(TimmBackbone, "resnet18.tv_in1k")
resnet50 = partial(TimmBackbone, "resnet50.tv_in1k")
mobilenetv2_100 = partial(TimmBackbone, "mobilenetv2_100")
resnetv2_50 = partial(TimmBackbone, "resnetv2_50")
vit_base_patch16_224 = partial(TimmBackbone, "vit_base_patch16_224")
convnext_base = partial(TimmBackbone, "convnext_base")
