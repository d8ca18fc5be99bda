"""Protocols of the literature, which any data set can be trained under.

What a protocol leaves out has the default of :class:`ltbench.results.protocol.Protocol`. Under
``methods`` stands what the authors of algorithms and stages give these for such a training; where
each value is from, ``docs/published.toml`` says.
"""

from __future__ import annotations

from typing import Any

MDLT: dict[str, Any] = {
    "backbone": "resnet50",
    "pretrained": True,
    "steps": 5001,
    "batch_per_domain": 24,
    "optimizer": "adam",
    "lr": 5e-5,
    "eval_every": 100,
    "augmentation": "photo",
    "freeze_bn": True,
    "methods": {"boda": {"update": 120}},
}
"""Yang et al., ECCV 2022, arXiv:2203.09513, appendix on training details and ``mdlt/hparams``."""

DOMAINBED: dict[str, Any] = {
    "backbone": "resnet50",
    "pretrained": True,
    "steps": 5001,
    "batch_per_domain": 32,
    "optimizer": "adam",
    "lr": 5e-5,
    "weight_decay": 0.0,
    "eval_every": 300,
    "select": "accuracy",
    "augmentation": "photo",
    "freeze_bn": True,
    "dropout": 0.0,
}
"""Gulrajani and Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021, arXiv:2007.01434,
appendix on hyper-parameters and ``domainbed/hparams_registry.py``."""

CIFAR_LT: dict[str, Any] = {
    "backbone": "resnet32",
    "epochs": 200,
    "batch_per_domain": 128,
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 2e-4,
    "schedule": "step",
    "decay_at": [0.8, 0.9],
    "decay": 0.01,
    "warmup": 0.025,
    "eval_epochs": 10,
    "select": "last",
    "augmentation": "crop-flip",
    "methods": {
        "crt": {"epochs": 10, "schedule": "cosine", "shift_bn": True},
        "glmc": {"weight": 4.0, "power": 1.2, "second": "uniform", "strong": "protocol"},
        "gpaco": {"alpha": 0.01, "temperature": 0.05, "queue": 1024, "width": 32},
        "lws": {"epochs": 10, "schedule": "cosine", "shift_bn": True},
        "input-mixup": {"alpha": 1.0},
        "mislas": {"epochs": 10, "schedule": "cosine", "classifier_lr": 0.2},
        "weight-balancing": {"epochs": 10, "lr": 0.1, "schedule": "cosine", "shift_bn": True},
        "h2t": {"epochs": 10, "lr": 0.2, "schedule": "cosine", "shift_bn": True},
    },
}
"""Cao et al. (LDAM), NeurIPS 2019, arXiv:1906.07413, section 4.1."""

_STEPS_ALONE = ("decay_at", "decay", "warmup")
CIFAR_LT_COSINE: dict[str, Any] = {
    **{key: value for key, value in CIFAR_LT.items() if key not in _STEPS_ALONE},
    "weight_decay": 5e-4,
    "schedule": "cosine",
}
"""The same training with the cosine schedule and weight decay of later papers."""

THESIS: dict[str, Any] = {
    "backbone": "mobilenetv2_100",
    "pretrained": True,
    "epochs": 90,
    "batch_per_domain": 128,
    "optimizer": "adam",
    "lr": 1e-3,
    "schedule": "step",
    "decay_at": [1 / 3, 2 / 3],
    "decay": 0.1,
    "eval_epochs": 5,
    "select": "accuracy",
    "augmentation": "crop-flip",
    "methods": {"crt": {"shift_bn": True}, "lws": {"shift_bn": True}},
}
"""Midtgaard, "Long-tailed recognition", 2025: MobileNetV2 fine-tuned, ÷10 at epochs 30 and 60."""

IMAGENET_LT: dict[str, Any] = {
    "backbone": "resnet50",
    "epochs": 90,
    "batch_per_domain": 512,
    "optimizer": "sgd",
    "lr": 0.2,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "eval_epochs": 5,
    "select": "accuracy",
    "augmentation": "imagenet",
    "evaluation": "crop",
    "crop_share": 0.875,
    "methods": {
        "balpoe": {"alpha": 0.3},
        "bcl": {"temperature": 0.07, "width": 1024},
        "crt": {"epochs": 10, "shift_bn": True},
        "glmc": {"weight": 10.0},
        "gpaco": {"alpha": 0.045, "queue": 8192},
        "lws": {"epochs": 10, "shift_bn": True},
        "mislas": {"epochs": 10, "classifier_lr": 0.05, "head": 0.3, "rare": 0.0},
        "ncl": {"scale": 16.0},
        "proco": {"temperature": 0.07, "width": 1024, "scale": 30.0},
        "sade": {"lr": 0.025},
        "weight-balancing": {"epochs": 10, "lr": 0.05, "shift_bn": True},
    },
}
"""Kang et al. (decoupling), ICLR 2020, arXiv:1910.09217, section 4; evaluated by the centre 224 of
256 pixels, as Liu et al. (CVPR 2019) and all since do."""

_ADAPTED = "[adapt=adaptformer,head=cosine,init=class-mean]"
CLIP: dict[str, Any] = {
    "backbone": f"vit_base_patch16_clip_quickgelu_224.openai{_ADAPTED}",
    "pretrained": True,
    "epochs": 10,
    "batch_per_domain": 128,
    "optimizer": "sgd",
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "schedule_per": "epoch",
    "eval_epochs": 5,
    "select": "last",
    "augmentation": "imagenet[brightness=0.0,contrast=0.0,saturation=0.0]",
    "image_size": 224,
    "evaluation": "crop",
    "crop_share": 0.875,
    "interpolation": "bilinear",
}
"""Shi et al., "Long-tail learning with foundation model: heavy fine-tuning hurts", ICML 2024
(LIFT), arXiv:2309.10019, section 5.1 and ``configs/model/clip_vit_b16.yaml``: OpenAI's CLIP
ViT-B/16, whose activation is QuickGELU, frozen but for adapters beside its blocks. In LIFT the
classifier starts from the classes' names; here it starts from their mean features, as that of its
networks without a text tower does, so that classes need no names: the protocol ``lift`` has it."""

DINOV2: dict[str, Any] = {
    **CLIP,
    "backbone": f"vit_base_patch14_dinov2.lvd142m{_ADAPTED}",
}
"""The same training on DINOv2 (Oquab et al., TMLR 2024, arXiv:2304.07193), 16×16 patches of 14."""

DINOV3: dict[str, Any] = {
    **CLIP,
    "backbone": f"vit_base_patch16_dinov3.lvd1689m{_ADAPTED}",
}
"""The same training on DINOv3 (Siméoni et al., 2025, arXiv:2508.10104)."""

BIOCLIP: dict[str, Any] = {
    **CLIP,
    "backbone": f"hf-hub:imageomics/bioclip{_ADAPTED}",
}
"""The same training on BioCLIP (Stevens et al., CVPR 2024, arXiv:2311.18803), CLIP's ViT-B/16 of
plants, animals and fungi."""

PLACES_LT: dict[str, Any] = {
    "backbone": "resnet152",
    "pretrained": True,
    "epochs": 30,
    "batch_per_domain": 128,
    "optimizer": "sgd",
    "lr": 1e-3,
    "classifier_lr": 100.0,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "step",
    "decay_at": [1 / 3, 2 / 3],
    "decay": 0.1,
    "eval_epochs": 2,
    "select": "accuracy",
    "augmentation": "imagenet",
    "evaluation": "crop",
    "crop_share": 0.875,
}
"""Liu et al., CVPR 2019, arXiv:1904.05160, ``config/Places_LT/stage_1.py``: a ResNet-152 of
ImageNet is fine-tuned. Their network learns in its last block alone; here the whole of it does."""

INAT2018: dict[str, Any] = {
    **{key: value for key, value in IMAGENET_LT.items() if key != "methods"},
    "weight_decay": 1e-4,
    "select": "last",
    "methods": {
        "crt": {"epochs": 30, "shift_bn": True},
        "lws": {"epochs": 5, "shift_bn": True},
    },
}
"""Kang et al. (decoupling), ICLR 2020, arXiv:1910.09217, ``config/iNaturalist18``: as ImageNet-LT
with a weaker weight decay; the model of the last step is tested, as nothing is set aside."""

WILDS: dict[str, Any] = {
    "backbone": "resnet50",
    "pretrained": True,
    "epochs": 12,
    "batch_per_domain": 16,
    "optimizer": "adam",
    "lr": 3e-5,
    "weight_decay": 0.0,
    "eval_epochs": 1,
    "select": "f1",
    "augmentation": "none",
}
"""Koh et al., ICML 2021, arXiv:2012.07421, and Sagawa et al., ICLR 2022, for iWildCam: no
augmentation, the model of the best macro-F1 on the validation locations."""
