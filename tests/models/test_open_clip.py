"""Networks and text towers of open_clip's repositories, in the format of BioCLIP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hub_cache import COMMIT, PREPROCESSING, config
from huggingface_hub import constants
from open_clip_cache import (
    BIOCLIP,
    BIOCLIP_2,
    MODEL,
    TEXT,
    VISION,
    build,
    snapshot,
    write_open_clip,
)
from torch.nn import functional as F

from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone, declared_preprocessing, pinned_backbone
from ltbench.models.open_clip_config import CLIP
from ltbench.models.text_tower import class_texts, find_text_tower
from ltbench.models.weights import load_weights
from ltbench.models.weights_config import weights_preprocessing

open_clip = pytest.importorskip("open_clip")

NAME = "hf-hub:imageomics/bioclip"
NAMES = ("Danaus plexippus", "Papilio_machaon", "Vanessa atalanta")
CPU = torch.device("cpu")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # a look at the network fails
    return folder


def embedding(backbone, projection: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return F.normalize(backbone.eval()(x) @ projection.T)


@pytest.mark.parametrize(
    ("filename", "preprocess", "quick"),
    [
        ("open_clip_pytorch_model.bin", BIOCLIP, False),
        ("open_clip_model.safetensors", BIOCLIP_2, True),
    ],
)
def test_the_vision_tower_says_what_open_clip_says(hub, filename, preprocess, quick) -> None:
    settings = {**MODEL, "quick_gelu": quick} if quick else MODEL
    document = {"model_cfg": settings, **preprocess}
    theirs = write_open_clip(
        snapshot(hub, "imageomics/bioclip"), document, model=build(settings), filename=filename
    )
    backbone = build_backbone(NAME, (3, 32, 32), pretrained=True)
    assert backbone.num_features == VISION["width"]
    assert backbone.preprocessing == CLIP == declared_preprocessing(NAME)
    assert pinned_backbone(NAME) == f"{NAME}@{COMMIT}"
    tower = find_text_tower(NAME, True, None, "init=text")
    texts = class_texts(tower, NAMES, "a photo of a {}.", CPU)
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        images = theirs.encode_image(x, normalize=True)
        words = [f"a photo of a {name.replace('_', ' ')}." for name in NAMES]
        features = theirs.encode_text(open_clip.tokenize(words), normalize=True)
    assert torch.allclose(embedding(backbone, texts.projection, x), images, atol=1e-5)
    assert torch.allclose(texts.features, features, atol=1e-5)
    assert texts.scale == pytest.approx(float(theirs.logit_scale.detach().exp()), rel=1e-5)
    random = build_backbone(NAME, (3, 32, 32), pretrained=False)
    assert not torch.allclose(random.model.cls_token, backbone.model.cls_token)


def test_several_templates_are_averaged_as_open_clip_does(hub) -> None:
    theirs = write_open_clip(snapshot(hub, "imageomics/bioclip"))
    tower = find_text_tower(NAME, True, None, "init=text")
    for prompt, templates in (
        ("a photo of a {}.|a {}, drawn", ["a photo of a {}.", "a {}, drawn"]),
        ("simple", open_clip.SIMPLE_IMAGENET_TEMPLATES),
    ):
        found = class_texts(tower, ("moth", "bee"), prompt, CPU).features
        wanted = open_clip.build_zero_shot_classifier(
            theirs, open_clip.tokenize, ("moth", "bee"), templates
        )
        assert torch.allclose(found, wanted.T, atol=1e-5)
    assert tower.config.embed_dim == MODEL["embed_dim"]


def test_images_of_another_size_pass_too(hub) -> None:
    write_open_clip(snapshot(hub, "imageomics/bioclip"))
    backbone = build_backbone(NAME, (1, 48, 48), pretrained=True)
    assert backbone(torch.randn(2, 1, 48, 48)).shape == (2, VISION["width"])


def test_timms_configuration_goes_before_and_transformers_is_passed_over(hub) -> None:
    folder = snapshot(hub, "imageomics/bioclip")
    write_open_clip(folder)
    transformers = {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 48}
    (folder / "config.json").write_text(json.dumps(transformers))
    assert declared_preprocessing(NAME) == CLIP
    (folder / "config.json").write_text(json.dumps(config()))
    assert declared_preprocessing(f"{NAME}@main").mean == tuple(PREPROCESSING["mean"])


def test_a_flat_configuration_and_a_text_tower_of_its_own(hub) -> None:
    """Apple's first repositories have no ``model_cfg``; SigLIP-like models keep text apart."""
    settings = {**MODEL, "custom_text": True}
    theirs = write_open_clip(snapshot(hub, "imageomics/bioclip"), settings, model=build(settings))
    tower = find_text_tower(NAME, True, None, "init=text")
    found = class_texts(tower, ("bee",), "{}", CPU).features
    with torch.no_grad():
        assert torch.allclose(
            found, theirs.encode_text(open_clip.tokenize(["bee"]), normalize=True), atol=1e-5
        )


def test_a_vision_tower_of_timm(hub) -> None:
    vision = {
        "timm_model_name": "test_vit", "timm_model_pretrained": False, "timm_pool": "",
        "timm_proj": "linear", "image_size": 160,
    }  # fmt: skip
    settings = {**MODEL, "vision_cfg": vision}
    theirs = write_open_clip(
        snapshot(hub, "imageomics/bioclip"), {"model_cfg": settings}, model=build(settings)
    )
    backbone = build_backbone(NAME, (3, 160, 160), pretrained=True)
    tower = find_text_tower(NAME, True, None, "init=text")
    texts = class_texts(tower, ("bee",), "{}", CPU)
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        images = theirs.encode_image(x, normalize=True)
    assert torch.allclose(embedding(backbone, texts.projection, x), images, atol=1e-5)


@pytest.mark.parametrize("filename", ["open_clip_model.safetensors", "mine.bin"])
def test_both_towers_of_a_local_file(tmp_path: Path, filename) -> None:
    """timm's CLIP takes the images' tower of the file, whatever its size is made to be."""
    import timm

    from ltbench.models.timm_backbone import TimmBackbone

    theirs = write_open_clip(tmp_path / "w", {"model_cfg": MODEL, **BIOCLIP_2}, filename=filename)
    path = tmp_path / "w" / filename
    backbone = TimmBackbone("test_vit", (3, 32, 32))
    backbone.model = timm.create_model(
        "vit_base_patch16_clip_224", img_size=32, patch_size=8, embed_dim=128, depth=2,
        num_heads=2, num_classes=0,
    )  # fmt: skip
    load_weights(backbone, path)
    tower = find_text_tower("vit_base_patch16_clip_224.openai", False, path, "init=text")
    texts = class_texts(tower, NAMES, "{}", CPU)
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        images = theirs.encode_image(x, normalize=True)
    assert torch.allclose(embedding(backbone, texts.projection, x), images, atol=1e-5)
    found = weights_preprocessing(path)
    assert found == (CLIP if filename.startswith("open_clip") else None)


def test_open_clip_knows_the_towers_of_timms_names(tmp_path: Path) -> None:
    """Without a configuration beside a local file its text tower is the one of timm's name."""
    path = tmp_path / "w.bin"
    torch.save({"visual.proj": torch.zeros(2, 2)}, path)
    for name, quick in (
        ("vit_base_patch16_clip_224.openai", True),
        ("vit_base_patch16_clip_quickgelu_224.openai", True),
        ("vit_base_patch16_clip_224.laion2b", False),
        ("vit_base_patch16_clip_224.laion400m_e32", False),
    ):
        tower = find_text_tower(name, False, path, "init=text")
        assert (tower.config.embed_dim, tower.config.quick_gelu) == (512, quick), name
        assert tower.config.text["width"] == 512
    large = find_text_tower("vit_large_patch14_clip_224.openai", False, path, "init=text")
    assert large.config.text["width"] == 768
    with pytest.raises(UsageError, match=r"no open_clip_config\.json beside"):
        find_text_tower("vit_base_patch14_dinov2.lvd142m", False, path, "init=text")
    with pytest.raises(UsageError, match="does not hold the text tower"):
        class_texts(large, NAMES, "{}", CPU)


def test_timms_names_have_both_towers_in_one_repository(hub) -> None:
    folder = snapshot(hub, "timm/vit_base_patch16_clip_224.openai")
    write_open_clip(folder, {"model_cfg": {**MODEL, "quick_gelu": True}, **BIOCLIP_2})
    for name in ("vit_base_patch16_clip_224.openai", "vit_base_patch16_clip_quickgelu_224.openai"):
        tower = find_text_tower(name, True, None, "init=text")
        assert str(tower.repository) == "hf-hub:timm/vit_base_patch16_clip_224.openai"
        assert tower.file() == folder / "open_clip_pytorch_model.bin"
    lacking = snapshot(hub, "timm/vit_base_patch16_clip_224.laion2b")
    (lacking.parents[1] / ".no_exist" / COMMIT / "open_clip_config.json").touch()
    elsewhere = "laion/CLIP-ViT-B-16-laion2B-s34B-b88K"
    write_open_clip(snapshot(hub, elsewhere))
    tower = find_text_tower("vit_base_patch16_clip_224.laion2b", True, None, "init=text")
    assert str(tower.repository) == f"hf-hub:{elsewhere}"


def test_networks_without_a_text_tower_say_so_in_a_sentence(hub) -> None:
    dino = snapshot(hub, "timm/vit_base_patch14_dinov2.lvd142m")
    (dino.parents[1] / ".no_exist" / COMMIT / "open_clip_config.json").touch()
    for name, pretrained, says in (
        (
            "vit_base_patch14_dinov2.lvd142m",
            True,
            "has none: hf-hub:timm/.* has no open_clip_config",
        ),
        ("vit_base_patch16_clip_224.openai", False, "give --pretrained"),
        ("digits-cnn", True, "'digits-cnn' has none"),
        ("test_byobnet.untrained", True, "timm has no weights"),
    ):
        with pytest.raises(UsageError, match=says) as caught:
            find_text_tower(name, pretrained, None, "init=text")
        assert len(str(caught.value).splitlines()) == 1


BAD = [
    ({}, "names no architecture|has no 'vision_cfg'"),
    ({"model_cfg": []}, "'model_cfg' is not an object"),
    ({"model_cfg": {**MODEL, "text_cfg": 3}}, "has no 'text_cfg'"),
    ({"model_cfg": {**MODEL, "embed_dim": "48"}}, "'embed_dim'"),
    ({"model_cfg": {**MODEL, "embed_dim": True}}, "'embed_dim'"),
    ({"model_cfg": {**MODEL, "vision_cfg": {**VISION, "layers": 10**9}}}, "'layers'"),
    ({"model_cfg": {**MODEL, "vision_cfg": {**VISION, "width": -1}}}, "'width'"),
    ({"model_cfg": {**MODEL, "vision_cfg": {**VISION, "layers": [3, 4, 6, 3]}}}, "own ResNet"),
    ({"model_cfg": {**MODEL, "vision_cfg": {**VISION, "no_ln_pre": True}}}, "'no_ln_pre'"),
    ({"model_cfg": {**MODEL, "vision_cfg": {**VISION, "mlp_ratio": 1e9}}}, "'mlp_ratio'"),
    ({"model_cfg": {**MODEL, "vision_cfg": {"timm_model_name": "/etc/passwd"}}}, "that timm has"),
    ({"model_cfg": {**MODEL, "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "x"}}},
     "pools in a way"),
    ({"model_cfg": MODEL, "preprocess_cfg": {"mean": [0.5] * 3}}, "go together"),
    ({"model_cfg": MODEL, "preprocess_cfg": {"mean": "x", "std": [0.5] * 3}}, "'mean'"),
    ({"model_cfg": MODEL, "preprocess_cfg": 3}, "'preprocess_cfg' is not an object"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "says"), BAD)
def test_a_hostile_configuration_is_one_sentence(hub, document, says) -> None:
    folder = snapshot(hub, "imageomics/bioclip")
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match=says) as caught:
        declared_preprocessing(NAME)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ({"hf_model_name": "roberta-base"}, "'hf_model_name' of the text tower"),
        ({"hf_tokenizer_name": "timm/ViT-B-16-SigLIP"}, "'hf_tokenizer_name' of the text tower"),
        ({"width": 10**9}, "'width'"),
        ({"pool_type": "x"}, "'pool_type'"),
        ({"tokenizer_kwargs": {"bpe_path": "/etc/passwd"}}, "'tokenizer_kwargs'"),
        ({"\x1b[2J": 1}, "of the text tower is none"),
    ],
)
def test_text_towers_that_open_clip_does_not_build_alone_are_refused(hub, text, says) -> None:
    document = {"model_cfg": {**MODEL, "text_cfg": {**TEXT, **text}}}
    folder = snapshot(hub, "imageomics/bioclip")
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    assert declared_preprocessing(NAME) == CLIP  # of the images' tower there is nothing to say
    with pytest.raises(UsageError, match=says) as caught:
        find_text_tower(NAME, True, None, "init=text")
    assert str(caught.value).isprintable()


def test_weights_that_are_not_the_towers_are_refused(hub) -> None:
    folder = snapshot(hub, "imageomics/bioclip")
    model = write_open_clip(folder)
    state = model.state_dict()
    file = folder / "open_clip_pytorch_model.bin"

    def texts():
        return class_texts(find_text_tower(NAME, True, None, "init=text"), NAMES, "{}", CPU)

    for changed, says in (
        ({k: v for k, v in state.items() if k != "token_embedding.weight"}, "is missing of it"),
        ({**state, "other": torch.zeros(1)}, "'other' is not a part"),
        ({**state, "text_projection": torch.zeros(3, 3)}, "does not hold the text tower"),
        ({k: v for k, v in state.items() if k != "visual.proj"}, "no linear projection"),
    ):
        torch.save(changed, file)
        with pytest.raises(UsageError, match=says) as caught:
            texts()
        assert len(str(caught.value).splitlines()) == 1
    file.write_bytes(b"x")
    with pytest.raises(UsageError, match="cannot be read"):
        texts()
    shutil.rmtree(folder)
