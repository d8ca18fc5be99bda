"""Reads ``open_clip_config.json``, by which open_clip's repositories say what their towers are.

BioCLIP is published so, as are the CLIP models of LAION, Apple and many others: a ``model_cfg``
with a ``vision_cfg`` and a ``text_cfg``, a ``preprocess_cfg``, and weights beside it. Such a file
may come from anywhere, so it is judged field by field. Nothing here needs open_clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.models.configuration import read_config
from ltbench.models.timm_names import is_timm_model
from ltbench.plugins.preprocessing import Preprocessing, both_or_neither, judged
from ltbench.plugins.text import visible

OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
CLIP = Preprocessing(
    (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), "bicubic", 1.0
)
"""What open_clip does where a configuration says nothing else: as OpenAI did for CLIP."""

_VIT = "vit_base_patch16_clip_224"
"""timm's vision transformer as CLIP has it, whose size its arguments say."""
_PLAIN_VIT: Mapping[str, Any] = {
    "attentional_pool": False, "no_ln_pre": False, "pos_embed_type": "learnable",
    "final_ln_after_pool": False, "pool_type": "tok", "ls_init_value": None, "act_kwargs": None,
    "norm_kwargs": None, "block_type": None, "qk_norm": False, "scaled_cosine_attn": False,
    "scale_heads": False, "scale_attn_inner": False, "scale_attn": False, "scale_fc": False,
}  # fmt: skip
"""Settings of open_clip's vision transformer at which it is timm's."""
_POOLS = {"avg": "avg", "tok": "token", "token": "token", "map": "map", "max": "max"}
_MOST = 65_536  # of a width, or a number of layers


@dataclass(frozen=True)
class OpenClipConfig:
    """What a configuration of open_clip says.

    Attributes:
        where: the file, for messages.
        embed_dim: numbers in a feature of the space that images and texts share.
        quick_gelu: whether the activation is OpenAI's.
        vision, text: settings of the towers, as they stand in the file.
        custom_text: whether the text tower is a module of its own.
        preprocessing: what images pass through.
    """

    where: str
    embed_dim: int
    quick_gelu: bool
    vision: Mapping[str, Any] = field(hash=False)
    text: Mapping[str, Any] = field(hash=False)
    custom_text: bool
    preprocessing: Preprocessing

    def timm_model(self) -> tuple[str, dict[str, Any]]:
        """Return timm's name of the vision tower, and what makes it that of this size.

        Raises:
            UsageError: timm has no such network.
        """
        name = self.vision.get("timm_model_name")
        if name is not None:
            return self._of_timm(name)
        if isinstance(self.vision.get("layers"), list):
            raise UsageError(
                f"{self.where}: its vision tower is CLIP's own ResNet: take it by timm's name, "
                "resnet50_clip.openai for one"
            )
        for key, plain in _PLAIN_VIT.items():
            if self.vision.get(key, plain) != plain:
                raise UsageError(
                    f"{self.where}: its vision tower has '{key}', with which timm has none"
                )
        width, head = self._vision("width", 768), self._vision("head_width", 64)
        ratio = self.vision.get("mlp_ratio", 4.0)
        if not isinstance(ratio, int | float) or not 0 < ratio <= 64:
            raise UsageError(f"{self.where}: 'mlp_ratio' of the vision tower is out of place")
        return _VIT, {
            "patch_size": self._vision("patch_size", 16),
            "embed_dim": width,
            "depth": self._vision("layers", 12),
            "num_heads": max(1, width // head),
            "mlp_ratio": float(ratio),
            **({"act_layer": "quick_gelu"} if self.quick_gelu else {}),
        }

    def _of_timm(self, name: Any) -> tuple[str, dict[str, Any]]:
        if not isinstance(name, str) or not is_timm_model(name):
            raise UsageError(f"{self.where} names no vision tower that timm has")
        pool = self.vision.get("timm_pool", "avg")
        if pool not in (*_POOLS, ""):
            raise UsageError(f"{self.where}: its vision tower pools in a way that timm has not")
        return name.partition(".")[0], {"global_pool": _POOLS[pool]} if pool else {}

    def _vision(self, key: str, default: int) -> int:
        return whole(self.vision.get(key, default), f"{self.where}: '{key}' of the vision tower")


def read_open_clip(path: Path, where: str) -> OpenClipConfig:
    """Return what a configuration of open_clip says.

    Args:
        path: the file.
        where: what the message of an error begins with.

    Raises:
        UsageError: it cannot be read, or holds what is not possible.
    """
    document = read_config(path, where)
    return open_clip_config(document.get("model_cfg", document), document, where)


def open_clip_config(model: Any, document: Mapping[str, Any], where: str) -> OpenClipConfig:
    """Judge the parts of a configuration of open_clip.

    Args:
        model: what should be its ``model_cfg``.
        document: which may have a ``preprocess_cfg``.
        where: what the message of an error begins with.

    Raises:
        UsageError: a field is not possible.
    """
    if not isinstance(model, dict):
        raise UsageError(f"{where}: 'model_cfg' is not an object")
    towers = {key: model.get(key) for key in ("vision_cfg", "text_cfg")}
    for key, tower in towers.items():
        if not isinstance(tower, dict):
            raise UsageError(f"{where} has no '{key}', which says what a tower is")
    images = document.get("preprocess_cfg") or {}
    if not isinstance(images, dict):
        raise UsageError(f"{where}: 'preprocess_cfg' is not an object")
    own = {key: images.get(key) for key in ("mean", "std", "interpolation")}
    both_or_neither(judged(own, where), where)
    return OpenClipConfig(
        where,
        whole(model.get("embed_dim"), f"{where}: 'embed_dim'"),
        model.get("quick_gelu") is True,
        towers["vision_cfg"] or {},
        towers["text_cfg"] or {},
        model.get("custom_text") is True,
        Preprocessing.from_config(own, where, CLIP),
    )


def whole(value: Any, what: str) -> int:
    """Return a whole number above 0 of a size that networks have.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise UsageError(f"{what} is {visible(repr(value)[:40])}: it takes 1 to {_MOST}")
    return value
