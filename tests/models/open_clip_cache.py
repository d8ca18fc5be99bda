"""Writes repositories of open_clip in a cache folder of the hub, in the format they have there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from hub_cache import COMMIT
from safetensors.torch import save_file

VISION = {"image_size": 32, "layers": 2, "width": 128, "patch_size": 8}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
MODEL: dict[str, Any] = {"embed_dim": 48, "vision_cfg": VISION, "text_cfg": TEXT}
BIOCLIP = {"preprocess_cfg": {"hf_hub": "imageomics/bioclip/open_clip_pytorch_model.bin"}}
"""What stands in BioCLIP's configuration beside the model."""
BIOCLIP_2 = {
    "preprocess_cfg": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
}


def build(model: dict[str, Any] | None = None, seed: int = 0) -> Any:
    """Return open_clip's model with random weights, none of which is 0 or 1."""
    import open_clip

    torch.manual_seed(seed)
    settings = dict(model or MODEL)
    kind = open_clip.CustomTextCLIP if settings.pop("custom_text", False) else open_clip.CLIP
    found = kind(**settings)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return found.eval()


def write_open_clip(
    folder: Path,
    document: Any = None,
    *,
    model: Any = None,
    filename: str = "open_clip_pytorch_model.bin",
) -> Any:
    """Write ``open_clip_config.json`` and weights into a folder, and return the model.

    Args:
        folder: which is made.
        document: of the configuration; by default in BioCLIP's form.
        model: whose weights; by default a small one.
        filename: of the weights, torch's or safetensors'.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = {"model_cfg": MODEL, **BIOCLIP} if document is None else document
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    model = model or build()
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    if filename.endswith(".safetensors"):
        save_file(state, folder / filename, metadata={"format": "pt"})
    else:
        torch.save(state, folder / filename)
    return model


def snapshot(hub: Path, repository: str) -> Path:
    """Return the folder of a repository's files in the cache, at a commit that is its main one."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(COMMIT)
    path = folder / "snapshots" / COMMIT
    path.mkdir(parents=True, exist_ok=True)
    # So says the cache that a repository lacks a file.
    (folder / ".no_exist" / COMMIT).mkdir(parents=True, exist_ok=True)
    return path
