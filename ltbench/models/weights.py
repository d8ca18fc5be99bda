"""Backbone weights from a local file."""

from __future__ import annotations

import hashlib
import logging
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from ltbench.errors import UsageError
from ltbench.regular_files import open_file

logger = logging.getLogger(__name__)

_HEADS = ("fc.", "head.", "classifier.", "head_dist.")


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint into a backbone; only a classifier's entries may be left over.

    Reads safetensors, and torch files without running any code from them.

    Raises:
        UsageError: the file cannot be read or does not hold this backbone's weights.
    """
    target = getattr(model, "model", model)
    state = of_vision_tower(read_state(path, f"--weights {path}"), target)
    missing, unexpected = target.load_state_dict(_of_right_shape(state, target), strict=False)
    unexpected = [key for key in unexpected if not key.startswith(_HEADS)]
    if missing or unexpected:
        detail = f"'{missing[0]}' is missing" if missing else f"'{unexpected[0]}' is not a part"
        raise UsageError(
            f"{path} does not hold the weights of this backbone: {detail} of it "
            f"({len(missing)} missing, {len(unexpected)} left over)"
        )
    logger.info("backbone weights from %s", path)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"--weights {path} cannot be read: {error.strerror}") from error


def of_vision_tower(state: dict[str, Tensor], target: nn.Module) -> dict[str, Tensor]:
    """Return the weights of an image network; of open_clip's two towers those of images.

    Args:
        state: of a file.
        target: timm's network, which they are meant for.
    """
    if not any(key.startswith("visual.") for key in state):
        return state
    from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

    if isinstance(target, VisionTransformer):
        found: dict[str, Tensor] = checkpoint_filter_fn(dict(state), target)
        return found
    trunk = "visual.trunk."
    return {k.removeprefix(trunk): v for k, v in state.items() if k.startswith(trunk)}


def read_state(path: Path, what: str) -> dict[str, Tensor]:
    """Return the tensors of a file by name, safetensors or torch's, running no code from it.

    Args:
        path: the file.
        what: what the message of an error begins with.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    return {key.removeprefix("module."): value for key, value in _read(path, what).items()}


def _read(path: Path, what: str) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        first = str(error).partition("\n")[0]
        raise UsageError(f"{what} cannot be read: {first}") from error
    except Exception as error:  # safetensors has an error class of its own
        raise UsageError(f"{what} cannot be read: {error}") from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UsageError(f"{what} holds no table of tensors")
    return state


def _of_right_shape(state: dict[str, Tensor], target: nn.Module) -> dict[str, Tensor]:
    """Leave out tensors whose shape differs, so that they are reported as missing."""
    own = target.state_dict()
    return {k: v for k, v in state.items() if k not in own or own[k].shape == v.shape}
