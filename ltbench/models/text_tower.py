"""The text tower that belongs to a vision tower, by open_clip (extra ``clip``).

Where it is follows from where the network's weights are: in the same repository of the hub, or in
the same local file. open_clip's repositories hold both towers, and timm's of CLIP models do, too.
Only the text tower is read and built.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.errors import UsageError
from ltbench.models.configuration import OPEN_CLIP_CONFIG
from ltbench.models.hub import HubName, NoSuchFile, first_file, hub_file, is_hub_name
from ltbench.models.open_clip_config import (
    OPEN_CLIP_FILES,
    OpenClipConfig,
    open_clip_config,
    read_open_clip,
    whole,
)
from ltbench.models.synsets import named
from ltbench.models.timm_names import is_timm_model
from ltbench.models.timm_source import timm_source
from ltbench.models.weights import read_state
from ltbench.plugins.class_texts import ClassTexts, sentences, templates
from ltbench.plugins.text import visible

_ELSEWHERE = {
    "vit_base_patch32_clip_224.laion2b": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "vit_base_patch16_clip_224.laion2b": "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    "vit_large_patch14_clip_224.laion2b": "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    "vit_huge_patch14_clip_224.laion2b": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    "vit_base_patch32_clip_224.datacompxl": "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K",
    "vit_base_patch16_clip_224.datacompxl": "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
    "vit_large_patch14_clip_224.datacompxl": "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
    "vit_base_patch16_clip_224.dfn2b": "apple/DFN2B-CLIP-ViT-B-16",
    "vit_large_patch14_clip_224.dfn2b": "apple/DFN2B-CLIP-ViT-L-14",
}
"""Where open_clip has both towers of which timm's repository may have the images' alone."""
_EXTRA = "pip install 'ltbench[clip]'"
_AT_A_TIME = 256  # prompts
_SETTINGS: Mapping[str, tuple[Any, ...]] = {
    "pool_type": ("first", "last", "argmax", "eos"),
    "proj_type": ("linear", "none"),
    "embed_cls": (True, False),
    "no_causal_mask": (True, False),
    "final_ln_after_pool": (True, False),
    "proj_bias": (True, False),
}
"""Settings of a text tower that are not numbers, with their values."""


@dataclass(frozen=True)
class TextTower:
    """Where a text tower is.

    Attributes:
        config: what it is.
        weights: a local file of both towers, or ``None`` where they are the hub's.
        repository: of the hub.
    """

    config: OpenClipConfig
    weights: Path | None = None
    repository: HubName | None = None

    def file(self) -> Path:
        """Return the file of the weights, fetched if need be.

        Raises:
            UsageError: it cannot be had.
        """
        if self.weights is not None:
            return self.weights
        assert self.repository is not None
        try:
            return first_file(self.repository, OPEN_CLIP_FILES, "choose another backbone")
        except NoSuchFile as error:
            raise UsageError(
                f"{self.repository} has no weights of a text tower: none of {error}"
            ) from error


def check_package(asked: str) -> None:
    """Check that the extra ``clip`` is installed; it is not imported.

    Args:
        asked: what needs it, as typed.

    Raises:
        UsageError: it is not.
    """
    if importlib.util.find_spec("open_clip") is None:
        raise UsageError(
            f"{asked} needs the text tower of open_clip, which is not installed: {_EXTRA}, or "
            "choose init=class-mean"
        )


def find_text_tower(name: str, pretrained: bool, weights: Path | None, asked: str) -> TextTower:
    """Return the text tower that belongs to a backbone's weights.

    Args:
        name: of the backbone, of the hub with its commit.
        pretrained: whether it starts from the weights that are named for it.
        weights: a local file that it starts from, or ``None``.
        asked: what needs the tower, as typed.

    Raises:
        UsageError: there is none, or it is none that open_clip builds by itself.
    """
    if weights is not None:
        found = _of_file(name, weights, asked)
    elif not pretrained:
        raise UsageError(
            f"{asked} needs the weights of '{visible(name)}', with which its text tower was "
            "trained: give --pretrained, or --weights FILE of both towers"
        )
    else:
        found = _of_repository(name, asked)
    text_settings(found.config)
    return found


def class_texts(
    tower: TextTower, names: Sequence[str], prompt: str, device: torch.device
) -> ClassTexts:
    """Return what a text tower says of classes.

    The feature of a class is the mean over the templates of features of unit length, of unit length
    itself (Radford et al., ICML 2021, arXiv:2103.00020, section 3.1.4). They are computed in
    float32, a few hundred prompts at a time.

    Args:
        tower: where it is.
        names: of the classes.
        prompt: as :func:`ltbench.plugins.class_texts.templates` reads it.
        device: to compute on, and where the result is.

    Raises:
        UsageError: its weights cannot be had, or are none of such a tower.
    """
    path = tower.file()
    written = path.stat().st_mtime_ns, path.stat().st_size
    features, projection, scale = _asked(
        tower, path, written, names=tuple(names), prompt=prompt, device=device
    )
    return ClassTexts(features.clone(), projection.clone(), scale)


@lru_cache(maxsize=4)
def _asked(
    tower: TextTower,
    path: Path,
    written: tuple[int, int],
    *,
    names: tuple[str, ...],
    prompt: str,
    device: torch.device,
) -> tuple[Tensor, Tensor, float]:
    """Return features, projection and scale; seeds and stages ask for the same again."""
    state = read_state(path, f"the weights {path}")
    model, tokenize = _built(tower.config, state, path)
    model = model.to(device).eval()
    total = torch.zeros(())
    with torch.no_grad():
        for template in templates(prompt):
            texts = sentences(named(names), template)
            parts = [
                model.encode_text(tokenize(texts[at : at + _AT_A_TIME]).to(device), normalize=True)
                for at in range(0, len(texts), _AT_A_TIME)
            ]
            total = total.to(device) + torch.cat(parts).float()
    projection = _projection(tower.config, state, path).float().to(device)
    return F.normalize(total), projection, float(model.logit_scale.detach().exp())


def text_settings(config: OpenClipConfig) -> dict[str, Any]:
    """Return the settings of a text tower that open_clip builds by itself.

    Raises:
        UsageError: it needs another package or files of its own, or a setting is not possible.
    """
    where = config.where
    found: dict[str, Any] = {}
    for key, value in config.text.items():
        what = f"{where}: '{visible(key)}' of the text tower"
        if key in ("context_length", "vocab_size", "width", "heads", "layers"):
            found[key] = whole_text(value, what)
        elif key in _SETTINGS and value in _SETTINGS[key]:
            found[key] = value
        elif key == "mlp_ratio" and isinstance(value, int | float) and 0 < value <= 64:
            found[key] = float(value)
        elif key == "pad_id" and value == 0:
            found[key] = 0
        elif key == "eos_id" and isinstance(value, int) and 0 <= value < 2**31:
            found[key] = value
        elif value is not None and value is not False and key != "output_tokens":
            raise UsageError(
                f"{what} is none that open_clip builds by itself: choose a backbone of another "
                "text tower"
            )
    return found


def whole_text(value: Any, what: str) -> int:
    """Return a whole number of a size that text towers have, vocabularies up to a million."""
    if type(value) is int and 65_536 < value <= 2**20 and "vocab_size" in what:
        return value
    return whole(value, what)


def _of_repository(name: str, asked: str) -> TextTower:
    if not is_hub_name(name) and not is_timm_model(name):
        raise UsageError(f"{asked} needs a text tower, and '{visible(name)}' has none")
    source = timm_source(name)
    if source.repository is None:
        raise UsageError(
            f"{asked} needs a text tower, and '{visible(name)}' has no weights with one"
        )
    places = [source.repository]
    plain = name.replace("_clip_quickgelu_", "_clip_")
    if plain in _ELSEWHERE:
        places.append(HubName(_ELSEWHERE[plain]))
    for place in places:
        try:
            path = hub_file(place, OPEN_CLIP_CONFIG, "choose another backbone")
        except NoSuchFile:
            continue
        config = read_open_clip(path, f"{OPEN_CLIP_CONFIG} of {place.repository}")
        return TextTower(config, repository=place)
    raise UsageError(
        f"{asked} needs a text tower, and '{visible(name)}' has none: {source.repository} has no "
        f"{OPEN_CLIP_CONFIG}; choose a CLIP model, or init=class-mean"
    )


def _of_file(name: str, weights: Path, asked: str) -> TextTower:
    """Return the tower of a local file, which a configuration beside it or open_clip describes."""
    beside = weights.with_name(OPEN_CLIP_CONFIG)
    if beside.exists():
        return TextTower(read_open_clip(beside, str(beside)), weights)
    import open_clip

    architecture = _architecture(name)
    if architecture is None:
        raise UsageError(
            f"{asked} needs a text tower, and there is no {OPEN_CLIP_CONFIG} beside {weights} that "
            "says what its text tower is"
        )
    model, quick = architecture
    document = {**(open_clip.get_model_config(model) or {}), "quick_gelu": quick}
    return TextTower(open_clip_config(document, {}, f"open_clip's {model}"), weights)


def _architecture(name: str) -> tuple[str, bool] | None:
    """Return open_clip's name of the towers whose weights timm has under a name, and their GELU."""
    import open_clip

    plain = name.replace("_clip_quickgelu_", "_clip_")
    wanted = {f"timm/{plain}/", f"{_ELSEWHERE.get(plain, '')}/"}
    for model, tag in open_clip.list_pretrained():
        found = open_clip.get_pretrained_cfg(model, tag)
        if found.get("hf_hub") in wanted and "quickgelu" not in model:
            return model, bool(found.get("quick_gelu", False))
    return None


def _built(config: OpenClipConfig, state: Mapping[str, Tensor], path: Path) -> tuple[Any, Any]:
    """Return open_clip's model with the weights of the text tower, and what makes tokens."""
    import open_clip

    settings = text_settings(config)
    smallest = {"layers": 1, "width": 64, "patch_size": 32, "image_size": 32}  # it is not asked
    own = any(key.startswith("text.") for key in state)
    kind = open_clip.CustomTextCLIP if config.custom_text or own else open_clip.CLIP
    texts = {k: v for k, v in state.items() if not k.startswith("visual.") and k != "logit_bias"}
    if kind is open_clip.CustomTextCLIP and not own:
        alone = ("logit_scale",)
        texts = {k if k in alone else f"text.{k}": v for k, v in texts.items()}
    try:
        model = kind(config.embed_dim, smallest, settings, quick_gelu=config.quick_gelu)
        if "logit_scale" in texts:
            texts["logit_scale"] = texts["logit_scale"].reshape(model.logit_scale.shape)
        missing, unexpected = model.load_state_dict(texts, strict=False)
    except Exception as error:  # of sizes that do not fit one another, or the tensors
        cause = visible(str(error).partition("\n")[0])
        raise UsageError(
            f"{path} does not hold the text tower of {config.where}: {cause}"
        ) from error
    missing = [key for key in missing if not key.startswith("visual.")]
    if missing or unexpected:
        detail = f"'{missing[0]}' is missing" if missing else f"'{unexpected[0]}' is not a part"
        raise UsageError(f"{path} does not hold the text tower of {config.where}: {detail} of it")
    return model, open_clip.SimpleTokenizer(context_length=model.context_length)


def _projection(config: OpenClipConfig, state: Mapping[str, Tensor], path: Path) -> Tensor:
    """Return what maps a feature of the vision tower to the texts' space, (E, F)."""
    if (found := state.get("visual.proj")) is not None:
        return found.T
    if (found := state.get("visual.head.proj.weight")) is not None:
        return found
    if config.vision.get("timm_proj") == "none":
        return torch.eye(config.embed_dim)
    raise UsageError(
        f"{path} has no linear projection from images to texts, which says how the classes' names "
        "lie among the features: choose another backbone, or init=class-mean"
    )
