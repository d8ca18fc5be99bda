from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone
from ltbench.models.cifar_resnet import CifarResNet32
from ltbench.models.weights import file_sha256, load_weights

SHAPE = (3, 32, 32)


@pytest.fixture
def trained() -> dict[str, torch.Tensor]:
    return CifarResNet32(SHAPE).state_dict()


def loaded(path: Path) -> dict[str, torch.Tensor]:
    model = CifarResNet32(SHAPE)
    load_weights(model, path)
    return model.state_dict()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {**state, "fc.weight": torch.zeros(10, 64), "fc.bias": torch.zeros(10)},
    ],
)
def test_usual_checkpoints_load(wrap, trained, tmp_path: Path) -> None:
    torch.save(wrap(trained), tmp_path / "w.pth")
    assert all(
        torch.equal(value, trained[key]) for key, value in loaded(tmp_path / "w.pth").items()
    )


def test_safetensors(trained, tmp_path: Path) -> None:
    save_file(trained, tmp_path / "w.safetensors")
    assert torch.equal(loaded(tmp_path / "w.safetensors")["conv1.weight"], trained["conv1.weight"])


def test_timm_models_load_whole_checkpoints(tmp_path: Path) -> None:
    import timm

    source = timm.create_model("resnet18", pretrained=False, num_classes=7)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    model = build_backbone("resnet18", SHAPE, pretrained=False)
    load_weights(model, tmp_path / "w.pth")
    assert torch.equal(model.model.conv1.weight, source.conv1.weight)


def test_nothing_is_loaded_silently(trained, tmp_path: Path) -> None:
    lacking = {key: value for key, value in trained.items() if key != "conv1.weight"}
    wrong = {**trained, "conv1.weight": torch.zeros(16, 1, 3, 3)}
    other = {f"encoder.{key}": value for key, value in trained.items()}
    more = {**trained, "extra.weight": torch.zeros(1)}
    for state, message in (
        (lacking, "'conv1.weight' is missing"),
        (wrong, "'conv1.weight' is missing"),
        (other, "is missing"),
        (more, "'extra.weight' is not a part"),
        ({}, "is missing"),
    ):
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(UsageError, match=message):
            loaded(tmp_path / "w.pth")


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("__import__('pathlib').Path('/tmp/ltbench-ran').touch()",)


@pytest.mark.parametrize(
    "content", [b"", b"garbage", pickle.dumps(Evil()), pickle.dumps({"a": 1}), b"PK\x03\x04" * 9]
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_broken_and_hostile_files(content: bytes, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"w{suffix}").write_bytes(content)
    with pytest.raises(UsageError, match=r"w\.(pth|safetensors) (cannot be read|holds no table)"):
        loaded(tmp_path / f"w{suffix}")
    assert not Path("/tmp/ltbench-ran").exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        file_sha256(tmp_path / "gone.pth")
    with pytest.raises(UsageError, match="cannot be read"):
        loaded(tmp_path / "gone.pth")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "weights.pt"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="not a regular file"):
        file_sha256(path)
