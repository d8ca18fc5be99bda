"""What images pass through is asked for, kept in the identity, and printed again."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path

import pytest
import timm
import torch
from click.testing import CliRunner
from PIL import Image

from ltbench.api import Backbone, Preprocessing
from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.cli.show import show
from ltbench.errors import UsageError
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.report.leaderboard import load_content
from ltbench.report.provenance import run_commands
from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.session.plan import Plan, Request, plan_runs
from ltbench.session.preprocessing import KNOWN, asked_preprocessing
from ltbench.training.job import Job
from ltbench.training.run import execute

for command in (run, show):
    if command.name not in cli.commands:
        cli.add_command(command)

HALF = [0.5, 0.5, 0.5]
TINY = "test_resnet"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return a data set with ImageNet's mean and deviation, as PACS has."""
    root = tmp_path / "images"
    for index in range(24):
        path = root / ("a", "b")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50 + index, 40), (10 * index, 0, 255 - 10 * index)).save(path)
    return f"image-folder[root={root}]"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / "mine.pth"
    torch.save(timm.create_model(TINY, pretrained=False).state_dict(), path)
    return path


def planned(dataset: str = "tiny-mlt", **options) -> Plan:
    settings = options.pop("settings", {})
    return plan_runs(
        Request(["erm"], [dataset], [0], "fp32", Path("/nowhere"), settings, **options)
    )


def specification(dataset: str = "tiny-mlt", **options) -> RunSpec:
    return planned(dataset, **options).specs[0]


def test_the_hash_stays_where_the_weights_want_what_the_data_set_has(folder) -> None:
    """ResNet-50 of torchvision on a data set with ImageNet's pixels, as the MDLT benchmark."""
    spec = specification(folder, protocol="mdlt")
    assert spec.backbone.pretrained
    assert registry_facts("pacs-mlt").mean == registry_facts("image-folder").mean
    before = {"name": "resnet50", "pretrained": True, "weights": None}
    assert spec.identity()["backbone"] == before
    assert "evaluation" not in spec.identity()["protocol"]
    assert spec.as_dict()["protocol_hash"] == canonical_hash(spec.setting() | {"backbone": before})


@pytest.mark.parametrize(
    ("backbone", "differs"),
    [
        ("vit_base_patch16_224", {"mean": HALF, "std": HALF, "interpolation": "bicubic"}),
        ("resnetv2_50", {"mean": HALF, "std": HALF, "interpolation": "bicubic"}),
        ("mobilenetv2_100", {"interpolation": "bicubic"}),
        ("resnet18", {}),
        ("hf-hub-free", None),
    ],
)
def test_the_hash_holds_what_the_weights_want_otherwise(folder, backbone, differs) -> None:
    if differs is None:
        with pytest.raises(UsageError, match="there is no backbone"):
            specification(folder, backbone=backbone)
        return
    spec = specification(folder, protocol="thesis", backbone=backbone)
    assert spec.backbone.preprocessing == differs
    assert RunSpec.from_dict(json.loads(json.dumps(spec.as_dict()))).hash == spec.hash
    scratch = specification(folder, protocol="thesis", backbone=backbone, pretrained=False)
    assert scratch.backbone.preprocessing == {}
    asked = specification(folder, protocol="thesis", backbone=backbone, preprocessing="dataset")
    assert asked.backbone.preprocessing == {}


def test_the_crop_counts_where_there_is_one(folder) -> None:
    vit = {"protocol": "thesis", "backbone": "vit_base_patch16_224"}
    crop = {"evaluation": "crop"}
    assert specification(folder, **vit, settings=crop).backbone.preprocessing["crop"] == 0.9
    own = specification(folder, **vit, settings={**crop, "crop_share": 0.8})
    assert "crop" not in own.backbone.preprocessing
    assert own.backbone.resizing(own.protocol) == ("bicubic", 0.8)
    own = specification(folder, **vit, settings={"interpolation": "nearest"})
    assert own.backbone.preprocessing == {"mean": HALF, "std": HALF}
    assert own.backbone.resizing(own.protocol)[0] == "nearest"


def test_a_spec_of_before_reads_and_plans_as_it_did() -> None:
    spec = specification()
    document = json.loads(json.dumps(spec.as_dict()))
    assert "preprocessing" not in document["identity"]["backbone"]
    document["data"].pop("preprocessing")
    assert RunSpec.from_dict(document).hash == spec.hash
    hostile = json.loads(json.dumps(spec.as_dict()))
    hostile["identity"]["backbone"]["preprocessing"] = {"std": [0]}
    with pytest.raises(UsageError, match=r"spec\.json: 'preprocessing': 'std' is 0"):
        RunSpec.from_dict(hostile)


TEXTS = [
    ("imagenet", dict(zip(("mean", "std"), map(list, KNOWN["imagenet"]), strict=True))),
    ("CLIP[crop=1]", dict(zip(("mean", "std"), map(list, KNOWN["clip"]), strict=True))),
    ("inception", {"mean": HALF, "std": HALF}),
    ("[mean=[.1,.2,.3],std=[1,2,3]]", {"mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 3.0]}),
    ("[mean=.1,std=.2]", {"mean": [0.1] * 3, "std": [0.2] * 3}),
    ("[interpolation=bicubic]", {"interpolation": "bicubic"}),
    ("dataset", {}),
    ("weights", {}),
    ("weights[interpolation=nearest,crop=.5]", {"interpolation": "nearest"}),
]


@pytest.mark.parametrize(("text", "found"), TEXTS)
def test_what_can_be_typed(text, found, monkeypatch) -> None:
    spec = specification(preprocessing=text, settings={"evaluation": "squeeze"})
    facts = registry_facts("digits-mini-mlt")
    if text == "inception" and facts.mean == tuple(HALF):
        found = {}  # those of the tiny data set
    assert spec.backbone.preprocessing == found


@pytest.mark.parametrize("name", ["imagenet", "inception", "clip"])
def test_known_names_are_timms(name) -> None:
    from timm.data import constants

    prefix = {
        "imagenet": "IMAGENET_DEFAULT",
        "inception": "IMAGENET_INCEPTION",
        "clip": "OPENAI_CLIP",
    }
    wanted = [tuple(getattr(constants, f"{prefix[name]}_{what}")) for what in ("MEAN", "STD")]
    assert list(KNOWN[name]) == wanted


def test_a_file_of_ones_own(tmp_path) -> None:
    file = tmp_path / "p.json"
    file.write_text('{"mean": [0.1], "std": [0.2], "interpolation": "bicubic", "note": "mine"}')
    found = specification(preprocessing=str(file)).backbone.preprocessing
    assert found == {"mean": [0.1] * 3, "std": [0.2] * 3, "interpolation": "bicubic"}
    file.write_text('{"pretrained_cfg": {"mean": [0.1, 0.1, 0.1], "std": [0.2, 0.2, 0.2]}}')
    assert specification(preprocessing=str(file)).backbone.preprocessing["mean"] == [0.1] * 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("imagenett", "did you mean 'imagenet'"),
        ("", "is none of weights, dataset"),
        ("[mean=x]", "'mean' is not a list"),
        ("[std=[0,0,0]]", "'std' is 0"),
        ("[mean=[1,2]]", "mean of 2 numbers, and the images of 'tiny-mlt' have 3 channels"),
        ("[crop=2.5]", "'crop' is 2.5"),
        ("[interpolation=lanczos]", "choose one of bilinear, bicubic, nearest"),
        ("[size=3]", "has no 'size'"),
        ("imagenet[", "lacks its closing"),
        ("nowhere.json", "cannot be read"),
        ("\x1b[2J", "is none of"),
    ],
)
def test_what_cannot_be_typed_is_one_sentence_before_torch_is_loaded(text, says) -> None:
    words = ["run", "--algo", "erm", "--dataset", "tiny-mlt", "--dry-run", "--preprocessing", text]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2
    line = done.stderr.splitlines()[-1]
    assert says in line
    assert line.isprintable()
    if "channels" not in says:  # which only the data set tells
        assert "Loading PyTorch" not in done.stderr


def test_empty_json_says_nothing(tmp_path) -> None:
    (tmp_path / "p.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match="says nothing of mean"):
        asked_preprocessing(str(tmp_path / "p.json"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"preprocessing": "clip[interpolation=bicubic,crop=.7]"},
        {"preprocessing": "[std=[.1,.2,.3]]"},
        {"preprocessing": "imagenet", "settings": {"evaluation": "crop", "crop_share": 0.5}},
        {"backbone": "vit_tiny_patch16_224", "pretrained": True},
        {"backbone": "vit_tiny_patch16_224", "pretrained": True, "preprocessing": "dataset"},
        {"backbone": "resnet18", "pretrained": True, "settings": {"evaluation": "crop"}},
    ],
)
def test_the_printed_command_plans_the_same_run(options, tmp_path) -> None:
    spec = specification(**options)
    RunFolder(spec.folder(tmp_path)).start(spec.as_dict())
    (board,) = load_content(tmp_path).boards
    (command,) = run_commands(board)
    words = shlex.split(command)
    done = CliRunner().invoke(cli, [*words[1:], "--out", "/nowhere", "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    assert [found["hash"] for found in json.loads(done.stdout)] == [spec.hash]


def test_it_stands_in_a_sweep_file(tmp_path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text('algo = "erm"\ndataset = "tiny-mlt"\nseeds = 1\npreprocessing = "imagenet"\n')
    words = ["run", str(file), "--precision", "fp32", "--out", "/nowhere", "--dry-run", "--json"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    assert found["hash"] == specification(preprocessing="imagenet").hash


def test_local_weights_that_say_nothing_take_the_data_sets_and_say_so(checkpoint) -> None:
    plan = planned(weights=checkpoint, backbone=TINY)
    assert plan.specs[0].backbone.preprocessing == {}
    (sentence,) = plan.remarks
    assert "mine.pth does not say" in sentence
    assert "--preprocessing" in sentence
    for said in ("dataset", "imagenet", "[mean=.4,std=.2]"):
        assert planned(weights=checkpoint, backbone=TINY, preprocessing=said).remarks == ()
    # Whose weights are made here all the time.
    assert planned(weights=checkpoint, backbone="digits-cnn").remarks == ()


def test_the_sentence_is_on_standard_error(checkpoint) -> None:
    words = ["run", "--algo", "erm", "--dataset", "tiny-mlt", "--seeds", "1", "--dry-run"]
    words += ["--weights", str(checkpoint), "--backbone", TINY, "--out", "/nowhere"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "does not say which mean" in done.stderr
    assert "does not say" not in done.stdout


def test_local_weights_bring_what_lies_beside_them(tmp_path) -> None:
    torch.save({}, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text('{"pretrained_cfg": {"mean": [0.1], "std": [0.2]}}')
    plan = planned(weights=tmp_path / "pytorch_model.bin", backbone=TINY)
    assert plan.specs[0].backbone.preprocessing == {"mean": [0.1] * 3, "std": [0.2] * 3}
    assert plan.remarks == ()


class Declared(Backbone):
    """A backbone of a third party that says what its weights were trained with."""

    num_features = 3
    preprocessing = Preprocessing((0.3, 0.3, 0.3), (0.2, 0.2, 0.2), "bicubic")

    def __init__(self, image_shape, pretrained=False):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x.mean((2, 3)) * self.scale


@pytest.fixture
def declared(monkeypatch):
    registry = get_plugins()["backbones"]
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    wrong = type("Wrong", (Declared,), {"preprocessing": 3})
    targets = {"declared": Declared, "part": partial(Declared), "wrong": wrong}
    for name, target in targets.items():
        registry.add(Entry("backbone", name, target, "", "ltbench", "0"))


def test_a_backbone_of_a_third_party_declares_its_own(declared) -> None:
    spec = specification(backbone="declared", pretrained=True)
    assert specification(backbone="part", pretrained=True).backbone.preprocessing
    wanted = {"mean": [0.3] * 3, "std": [0.2] * 3, "interpolation": "bicubic"}
    assert spec.backbone.preprocessing == wanted
    assert specification(backbone="declared", pretrained=False).backbone.preprocessing == {}
    with pytest.raises(Exception, match="declares a preprocessing that is no"):
        specification(backbone="wrong", pretrained=True)


def test_one_channel(monkeypatch) -> None:
    from dataclasses import replace

    facts = replace(registry_facts("digits-mini-mlt"), channels=1, mean=(0.5,), std=(0.5,))
    found = asked_preprocessing("imagenet").of(None, facts)
    assert found.mean == pytest.approx((0.449,))
    assert found.std == pytest.approx((0.226,))


def trained(spec: RunSpec, path: Path) -> dict[str, float]:
    result = execute(Job(spec, path, Path("/nowhere")), lambda event: None, lambda: False)
    assert "test" in result, result
    return result["test"]


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({"preprocessing": "dataset"}, True),
        ({"preprocessing": "[mean=[0,0,0],std=[2,2,2]]"}, False),
        ({"settings": {"evaluation": "crop", "crop_share": 0.5}}, False),
    ],
)
def test_a_run_sees_images_through_it(options, same, tmp_path) -> None:
    settings = {"steps": 3, **options.pop("settings", {})}
    plain = trained(specification(settings={"steps": 3}), tmp_path / "a")
    other = trained(specification(settings=settings, **options), tmp_path / "b")
    assert (plain["loss_average"] == other["loss_average"]) is same


def test_show_says_what_images_passed_through(tmp_path) -> None:
    spec = specification(preprocessing="clip", settings={"evaluation": "crop"})
    RunFolder(spec.folder(tmp_path)).start(spec.as_dict())
    text = CliRunner().invoke(cli, ["show", str(spec.folder(tmp_path))]).output
    (line,) = [line for line in text.splitlines() if line.startswith("images ")]
    assert "mean 0.4815 0.4578 0.4082" in line
    assert "centre crop of 0.875" in text
