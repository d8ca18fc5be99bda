"""A file of weights says in its own configuration what images it was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ltbench.errors import UsageError
from ltbench.models.weights_config import weights_preprocessing
from ltbench.plugins.preprocessing import Preprocessing

TIMMS = {
    "architecture": "resnet18",
    "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bicubic",
                       "crop_pct": 0.9, "url": "https://example.org"},
}  # fmt: skip
FOUND = Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic", 0.9)


def write(path: Path, metadata: dict[str, str] | None = None) -> Path:
    save_file({"a": torch.zeros(1)}, path, metadata=metadata)
    return path


@pytest.mark.parametrize("document", [TIMMS, TIMMS["pretrained_cfg"]], ids=["timm's", "flat"])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_beside_it(tmp_path: Path, name: str, document: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps(document))
    assert weights_preprocessing(write(tmp_path / name)) == FOUND
    # Another file in that folder is not what the configuration is about.
    assert weights_preprocessing(write(tmp_path / "mine.pth")) is None


def test_within_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.safetensors", {"pretrained_cfg": json.dumps(TIMMS["pretrained_cfg"])}
    )
    assert weights_preprocessing(path) == FOUND
    assert weights_preprocessing(write(tmp_path / "y.safetensors", {"format": "pt"})) is None


@pytest.mark.parametrize("document", [{}, {"model_type": "bert"}, {"pretrained_cfg": {}}])
def test_a_configuration_that_says_nothing_of_it(tmp_path: Path, document: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps(document))
    assert weights_preprocessing(write(tmp_path / "model.safetensors")) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ("\x00\xff", "is not JSON"),
        (" " * (2**20 + 1), "larger than"),
        ('{"pretrained_cfg": 3}', "'pretrained_cfg' is not an object"),
        ('{"mean": [0.5, 0.5, 0.5]}', "go together"),
        ('{"mean": [0.5], "std": [0.5, 0.5]}', "different lengths"),
        ('{"mean": [0.5], "std": [0]}', "'std' is 0"),
        ('{"mean": [NaN], "std": [1]}', "'mean' is nan"),
        ('{"mean": [Infinity], "std": [1]}', "'mean' is inf"),
        ('{"mean": [0.5], "std": [1], "interpolation": "lanczos"}', "'interpolation' is lanczos"),
        ('{"mean": [0.5], "std": [1], "crop_pct": -1}', "'crop' is -1"),
    ],
)
def test_a_hostile_configuration_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=says) as caught:
        weights_preprocessing(path)
    assert "--preprocessing" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"std": [-1], "mean": [1]}'])
def test_hostile_metadata_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "w.safetensors", {"pretrained_cfg": text})
    with pytest.raises(UsageError, match=r"metadata of .*w\.safetensors"):
        weights_preprocessing(path)


def test_no_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(UsageError, match="cannot be read"):
        weights_preprocessing(path)


def test_a_pipe_beside_it_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(UsageError, match="not a regular file"):
        weights_preprocessing(write(tmp_path / "model.safetensors"))
