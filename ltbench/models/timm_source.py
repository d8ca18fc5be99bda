"""What timm, or a repository of the hub, says of a model before it is built.

timm keeps a configuration of the weights of each model; a repository of the hub has one in its
``config.json``, or in open_clip's ``open_clip_config.json``, of which the vision tower is meant.
Anybody may have written them, so that they are judged field by field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.models.configuration import (
    CONFIG,
    OPEN_CLIP_CONFIG,
    hub_config,
    read_config,
    weights_config,
)
from ltbench.models.hub import (
    HubName,
    NoSuchFile,
    commit_of,
    first_file,
    is_hub_name,
    parse_hub_name,
)
from ltbench.models.open_clip_config import OPEN_CLIP_FILES, read_open_clip
from ltbench.models.timm_names import is_timm_model
from ltbench.plugins.preprocessing import Preprocessing, both_or_neither, judged
from ltbench.plugins.text import visible

_FILES = ("model.safetensors", "pytorch_model.bin", *OPEN_CLIP_FILES)
_OURS = ("pretrained", "in_chans", "num_classes", "img_size", "features_only")
"""Arguments that this suite gives itself."""
_PLACES = ("pretrained", "checkpoint", "cache", "file")
"""What names of arguments have that say where something lies, and not what a model is."""
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,60}")
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class TimmSource:
    """A model of timm, and where its weights are.

    Attributes:
        name: as a run's identity has it; of the hub with the commit.
        model: what timm builds, with the tag of its weights if it has one.
        arguments: further ones for timm.
        repository: of the hub, that has the weights; ``None`` where timm knows of none there.
        files: which file has them, the first that is there.
        overlay: what the configuration of the weights says otherwise than timm's.
        preprocessing: what the weights were trained with, or ``None`` where there are none.
    """

    name: str
    model: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    repository: HubName | None = None
    files: tuple[str, ...] = _FILES
    overlay: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None

    def with_weights(self) -> dict[str, Any]:
        """Return what to overlay timm's configuration with, the weights fetched if need be.

        Raises:
            UsageError: they cannot be fetched.
        """
        if self.repository is None:
            return dict(self.overlay)
        try:
            path = first_file(self.repository, self.files)
        except NoSuchFile as error:
            raise UsageError(f"{self.repository} has no weights: none of {error}") from error
        return {**self.overlay, "file": str(path)}


def timm_source(name: str) -> TimmSource:
    """Return what is known of a model of timm, or of ``hf-hub:ORG/MODEL``.

    Raises:
        UsageError: timm has no such weights, or the repository's configuration cannot be fetched
            or is none of timm's.
    """
    return _of_hub(parse_hub_name(name)) if is_hub_name(name) else _of_timm(name)


@lru_cache(maxsize=64)
def _of_timm(name: str) -> TimmSource:
    from timm.data import resolve_data_config
    from timm.models import get_pretrained_cfg

    try:
        config = get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UsageError(f"timm has no weights '{visible(name)}': {error}") from error
    if config is None or not config.has_weights:
        return TimmSource(name, name)
    found = judged(resolve_data_config(pretrained_cfg=config.to_dict()), f"timm's '{name}'")
    repository: HubName | None = None
    files: tuple[str, ...] = _FILES
    # What a model reads in a way of its own is left to timm.
    if config.hf_hub_id and not config.file and config.custom_load != "hf":
        repository = HubName(*str(config.hf_hub_id).split("@"))
        files = (str(config.hf_hub_filename),) if config.hf_hub_filename else _FILES
    return TimmSource(
        name, name, repository=repository, files=files, preprocessing=Preprocessing(**found)
    )


def _of_hub(name: HubName) -> TimmSource:
    path = hub_config(name)
    return _of_config(HubName(name.repository, commit_of(path)), path)


@lru_cache(maxsize=64)
def _of_config(name: HubName, path: Path) -> TimmSource:
    if path.name == OPEN_CLIP_CONFIG:
        return _of_open_clip(name, path)
    where = f"{CONFIG} of {name.repository}"
    document = read_config(path, where)
    model = document.get("architecture")
    if not isinstance(model, str) or not is_timm_model(model):
        raise UsageError(f"{where} names no architecture that timm has: choose another model")
    config = weights_config(document, where)
    both_or_neither(judged(config, where), where)
    base = _of_timm(model.partition(".")[0]).preprocessing or Preprocessing((0.5,) * 3, (0.5,) * 3)
    return TimmSource(
        str(name),
        model,
        dict(_arguments(document.get("model_args"), where)),
        name,
        overlay={"hf_hub_id": None, "url": "", **_overlay(config, where)},
        preprocessing=Preprocessing.from_config(config, where, base),
    )


def _of_open_clip(name: HubName, path: Path) -> TimmSource:
    config = read_open_clip(path, f"{OPEN_CLIP_CONFIG} of {name.repository}")
    model, arguments = config.timm_model()
    return TimmSource(
        str(name),
        model,
        arguments,
        name,
        OPEN_CLIP_FILES,
        # timm takes the projection to the texts' space for a classifier, which it leaves out.
        {"hf_hub_id": None, "url": "", "num_classes": config.embed_dim, "custom_load": False},
        config.preprocessing,
    )


def _arguments(found: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield the arguments of the model that are the model's: plain values under plain names."""
    if not isinstance(found, dict | None):
        raise UsageError(f"{where}: 'model_args' is not an object")
    for key, value in (found or {}).items():
        if key in _OURS or (key == "global_pool" and not value):  # the features are pooled
            continue
        values = value if isinstance(value, list) else [value]
        plain = _PLAIN.fullmatch(key) and all(isinstance(one, _SCALARS) for one in values)
        if not plain or any(word in key for word in _PLACES):
            raise UsageError(f"{where}: 'model_args' has '{visible(key)}', which is no setting")
        yield key, value


def _overlay(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return what says how the weights of a configuration are put into a network."""
    found: dict[str, Any] = {}
    classes = config.get("num_classes")
    if isinstance(classes, int) and not isinstance(classes, bool) and 0 <= classes <= 10**7:
        found["num_classes"] = classes
    elif classes is not None:
        raise UsageError(f"{where}: 'num_classes' is not a number from 0")
    size = config.get("input_size")
    if size is not None:
        whole = isinstance(size, list) and len(size) == 3
        if not whole or not all(type(n) is int and 1 <= n <= 65_536 for n in size):
            raise UsageError(f"{where}: 'input_size' is not three numbers, channels first")
        found["input_size"] = tuple(size)
    return found
