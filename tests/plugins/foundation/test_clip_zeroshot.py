"""CLIP without training says what open_clip's two towers say, from a file and from the hub."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from ltbench_foundation.clip_zeroshot import TextClassifier
from PIL import Image

from ltbench.api import ClassTexts
from ltbench.plugins.manager import get_plugins
from ltbench.session.plan import Request, plan_runs
from ltbench.session.prepare import check_backbones
from ltbench.testing.small_run import carry_out, check_same

sys.path.append(str(Path(__file__).parents[2] / "models"))
open_clip = pytest.importorskip("open_clip")

from open_clip_cache import snapshot, write_open_clip  # noqa: E402

CLASSES = ("Danaus plexippus", "Papilio_machaon", "Vanessa atalanta")
SHORT = {"augmentation": "none", "steps": 4, "eval_every": 2, "batch_per_domain": 6}
BACKBONE = "hf-hub:imageomics/bioclip"


@pytest.fixture
def moths(tmp_path: Path) -> str:
    """Write images of three classes of a colour each, and return the name of the data set."""
    generator = np.random.default_rng(0)
    for c, name in enumerate(CLASSES):
        folder = tmp_path / "moths" / name
        folder.mkdir(parents=True)
        for number in range(16 - 3 * c):
            pixels = generator.integers(0, 120, (32, 32, 3), dtype=np.uint8)
            pixels[..., c] += 100
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return f"image-folder[root={tmp_path / 'moths'},size=32,val=2,test=4]"


@pytest.fixture
def towers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write BioCLIP's repository with random weights into the cache of the hub."""
    hub = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setenv("HF_HUB_CACHE", str(hub))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return write_open_clip(snapshot(hub, "imageomics/bioclip"))


def planned(method: str, dataset: str, backbone: str = BACKBONE, **options):
    request = Request([method], [dataset], [0], "fp32", Path(), SHORT, backbone=backbone, **options)
    plan = plan_runs(request)
    check_backbones(plan)
    return plan.specs[0]


@pytest.mark.parametrize("width", [3, 9])
def test_the_classifier_is_the_cosine_in_the_shared_space(width) -> None:
    torch.manual_seed(0)
    texts, projection = torch.randn(4, width), torch.randn(width, 6)
    texts /= texts.norm(dim=1, keepdim=True)
    head, features = TextClassifier(6, 4), torch.randn(5, 6) * 3
    head.tell(ClassTexts(texts, projection, 50.0))
    t, p, f = (value.double().numpy() for value in (texts, projection, features))
    images = f @ p.T
    expected = 50 * images @ t.T / np.linalg.norm(images, axis=1)[:, None]
    np.testing.assert_allclose(head(features).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prompt", ["", "[prompt='a photo of a {}.|a {}, a moth']"])
def test_a_run_says_what_the_two_towers_say(towers, moths, tmp_path, prompt) -> None:
    spec = planned(f"clip-zeroshot{prompt}", moths)
    done = carry_out(spec, tmp_path / "run", Path())
    assert [(line["step"], line["losses"]) for line in done.log] == [(0, {})]
    words = prompt.partition("'")[2].rpartition("'")[0] or "a photo of a {}."
    names = [name.replace("_", " ") for name in CLASSES]
    theirs = open_clip.build_zero_shot_classifier(
        towers, open_clip.tokenize, names, words.split("|")
    )
    weight = done.model["classifier.weight"]  # s·t·P
    wanted = float(towers.logit_scale.detach().exp()) * theirs.T @ towers.visual.proj.T
    torch.testing.assert_close(weight, wanted, rtol=1e-4, atol=1e-4)
    check_same(carry_out(spec, tmp_path / "again", Path()), done, "a second run")


def test_stages_stand_on_it(towers, moths, tmp_path) -> None:
    spec = planned("clip-zeroshot+crt", moths)
    done = carry_out(spec, tmp_path / "run", Path(), (1,))
    assert [line["step"] for line in done.log] == [0, 2, 4]  # as many as the protocol says
    assert done.test["accuracy_average"] is not None


def test_a_classifier_that_starts_from_the_names(towers, moths, tmp_path) -> None:
    spec = planned("erm", moths, f"{BACKBONE}[adapt=head,head=cosine,init=text]")
    assert spec.backbone.options == {"adapt": "head", "head": "cosine", "init": "text"}
    whole = carry_out(spec, tmp_path / "whole", Path())
    check_same(carry_out(spec, tmp_path / "broken", Path(), (1, 3)), whole, "a resumed run")
    random = planned("erm", moths, f"{BACKBONE}[adapt=head,head=cosine]")
    other = carry_out(random, tmp_path / "random", Path())
    assert other.log[0]["losses"] != whole.log[0]["losses"]


def test_the_protocol_of_bioclip_is_that_of_clip_with_its_network(towers, moths, tmp_path) -> None:
    protocols = get_plugins()["protocols"]
    clip, bioclip = protocols.get("clip").load(), protocols.get("bioclip").load()
    assert {key for key in clip | bioclip if clip[key] != bioclip[key]} == {"backbone"}
    spec = planned("erm", moths, bioclip["backbone"])
    assert spec.backbone.name.partition("@")[0] == BACKBONE
    done = carry_out(spec, tmp_path / "run", Path())
    patches = towers.visual.conv1.weight
    assert not any(tensor.shape == patches.shape for tensor in done.model.values())
    assert any(key.startswith("backbone.") for key in done.model)


def test_both_towers_of_a_local_file(towers, moths, tmp_path) -> None:
    """The network is timm's of that name, and the file's text tower goes with it."""
    folder = tmp_path / "weights"
    vision = {
        "timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160,
    }  # fmt: skip
    from open_clip_cache import BIOCLIP, MODEL, build

    settings = {**MODEL, "vision_cfg": vision}
    write_open_clip(folder, {"model_cfg": settings, **BIOCLIP}, model=build(settings))
    path = folder / "open_clip_pytorch_model.bin"
    request = Request(
        ["clip-zeroshot"], [moths], [0], "fp32", Path(), SHORT, backbone="test_vit", weights=path
    )
    plan = plan_runs(request)
    check_backbones(plan)
    (spec,) = plan.specs
    from ltbench.training.job import Job
    from ltbench.training.run import execute

    result = execute(
        Job(spec, tmp_path / "run", Path(), weights=path), lambda _: None, lambda: False
    )
    assert "test" in result, result.get("error")
