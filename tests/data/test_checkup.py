"""``ltbench data check`` names each planted fault, and a data set without any has nothing to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from photographs import compressed, cropped, mirrored, photograph
from PIL import Image

from ltbench.cli.data import data
from ltbench.cli.main import cli
from ltbench.data.checkup import KINDS, check_dataset
from ltbench.data.class_counts import ASSOCIATED, cramers_v, shape_of
from ltbench.plugins.split import Split

NAMES = ("a b", "蛾 [x]", "Ünï, (2)")


class Moths:
    """Images of three classes with odd names, given to parts by folders; faults are planted."""

    def __init__(self, root: Path) -> None:
        self.root, self.rng = root, np.random.default_rng(0)
        for part, number in (("train", 8), ("val", 3), ("test", 4)):
            for name in NAMES:
                for i in range(number):
                    suffix = "PNG" if i % 2 else "JPG"
                    self.add(f"{part}/{name}/no {i} ({part}).{suffix}")

    def new(self, height: int = 40, width: int = 48) -> np.ndarray:
        return photograph(self.rng, height, width)

    def add(self, name: str, image: np.ndarray | None = None) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.new() if image is None else image).save(path)
        return path

    def read(self, name: str) -> np.ndarray:
        return np.asarray(Image.open(self.root / name).convert("RGB"))

    def check(self, *options: str, size: int = 32, code: int | None = None) -> dict:
        found = self.said("--json", *options, size=size, code=code)
        document = json.loads(found)
        assert {finding["kind"] for finding in document["findings"]} <= set(KINDS)
        return document

    def said(self, *options: str, size: int = 32, code: int | None = None) -> str:
        if "data" not in cli.commands:
            cli.add_command(data)
        name = f"image-folder[root={json.dumps(str(self.root))},size={size}]"
        result = CliRunner().invoke(cli, ["data", "check", name, *options])
        assert result.exit_code in ((0, 1) if code is None else (code,)), result.output
        return result.stdout


@pytest.fixture
def moths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moths:
    monkeypatch.chdir(tmp_path)
    return Moths(tmp_path / "moths, 2024")


def finding(document: dict, kind: str) -> dict:
    (found,) = [one for one in document["findings"] if one["kind"] == kind]
    return found


def test_where_nothing_is_wrong_nothing_is_to_do(moths):
    document = moths.check(code=0)
    assert [one["kind"] for one in document["findings"]] == ["imbalance"]
    assert finding(document, "imbalance")["details"]["shape"] == "balanced"
    assert document["images"] == {"train": 24, "val": 9, "test": 12}
    assert moths.said().endswith("24/9/12 training, validation and test images, nothing to do\n")


def test_copies_in_train_and_test_are_named(moths):
    moths.add("test/a b/copy.jpeg", cropped(moths.read("train/a b/no 3 (train).PNG")))
    document = moths.check(code=1)
    (pair,) = finding(document, "test-duplicates")["details"]["pairs"]
    assert pair["first"]["image"] == "test/a b/copy.jpeg"
    assert pair["second"]["image"] == "train/a b/no 3 (train).PNG"
    assert pair["second"]["part"] == "train"
    said = moths.said()
    assert "to do: 1 test image is nearly the same as a training or validation image: " in said
    assert "1 thing to do" in said


def test_mirrored_copies_are_named_where_asked_for(moths):
    moths.add("test/a b/copy.PNG", mirrored(moths.read("val/蛾 [x]/no 1 (val).PNG")))
    moths.check(code=0)
    (pair,) = finding(moths.check("--mirrored", code=1), "test-duplicates")["details"]["pairs"]
    assert pair["mirrored"]
    assert "mirrored" in moths.said("--mirrored")


def test_one_image_in_two_classes_is_a_wrong_label(moths):
    moths.add("train/Ünï, (2)/again.png", compressed(moths.read("train/a b/no 1 (train).PNG")))
    (pair,) = finding(moths.check(code=1), "class-duplicates")["details"]["pairs"]
    assert {pair["first"]["class"], pair["second"]["class"]} == {"Ünï, (2)", "a b"}


def test_rare_classes_and_classes_without_test_images(moths):
    for i in range(3):
        moths.add(f"train/rare/{i}.png")
    document = moths.check(code=1)
    assert finding(document, "few")["details"]["classes"] == ["rare"]
    lacking = [one for one in document["findings"] if one["kind"] == "absent"]
    assert [(one["details"]["part"], one["to_do"]) for one in lacking] == [
        ("val", False),
        ("test", True),
    ]
    assert "8 training images, the smallest, 'rare', 3: 2.67 to 1" in moths.said()


def test_broken_and_empty_images(moths):
    (moths.root / "train/a b/broken [1].jpg").write_bytes(b"\xff\xd8 no picture")
    (moths.root / "train/蛾 [x]/nothing.PNG").write_bytes(b"")
    moths.add("val/a b/black.png", np.zeros((40, 40, 3), dtype=np.uint8))
    document = moths.check(code=1)
    causes = finding(document, "unreadable")["details"]["causes"]
    assert len(causes) == 2
    assert "broken [1].jpg cannot be read" in causes[0]
    assert finding(document, "blank")["details"]["images"] == ["val/a b/black.png"]
    few = moths.check("--no-images", code=0)
    assert not few["looked_at_images"]
    assert moths.said("--no-images").endswith("no image was looked at\n")


def test_a_file_of_a_table_that_is_not_there_is_unreadable(moths, monkeypatch):
    rows = [f"train/{name}/no {i} (train).{'PNG' if i % 2 else 'JPG'},{k}"
            for k, name in enumerate(("a b", "蛾 [x]")) for i in range(8)]  # fmt: skip
    table = moths.root / "table.csv"
    table.write_text("\n".join(["path,label", *rows, "train/gone.png,1"]) + "\n", encoding="utf-8")
    moths.root = table
    assert "gone.png" in finding(moths.check(code=1), "unreadable")["details"]["causes"][0]


def test_sizes_that_do_not_suit(moths):
    moths.add("train/a b/long.png", moths.new(40, 160))
    document = moths.check(size=64)
    assert finding(document, "small")["details"]["images"] == 46
    assert finding(document, "shape")["details"] == {"images": 1, "longest": 4.0}
    assert "46 images of 46 (100 %) are smaller than the 64 pixels" in moths.said(size=64)


def test_grey_images_among_colour_ones(moths):
    grey = moths.new()[..., :1].repeat(3, axis=2)
    moths.add("train/a b/grey.jpg", grey)
    found = finding(moths.check(code=0), "grey")
    assert found["details"]["images"] == ["train/a b/grey.jpg"]
    for part, number in (("train", 6), ("val", 2), ("test", 2)):
        for i in range(number):
            moths.add(f"{part}/grey one/{i}.png", moths.new()[..., :1].repeat(3, axis=2))
    found = finding(moths.check(code=1), "grey")
    assert "All of 'grey one' are: a network may learn just that." in found["sentence"]


def domains(tmp_path: Path, *, apart: bool) -> Moths:
    moths = Moths.__new__(Moths)
    moths.root, moths.rng = tmp_path / "domains", np.random.default_rng(1)
    for domain, classes in (("day", NAMES[:2] if apart else NAMES), ("night", NAMES)):
        for k, name in enumerate(classes):
            for i in range(2 if apart and domain == "night" and k < 2 else 14):
                moths.add(f"{domain}/{name}/{i}.png")
    return moths


def test_domains_that_differ_in_classes(tmp_path, monkeypatch):
    document = domains(tmp_path, apart=True).check()
    lacking = finding(document, "domain")["details"]
    assert lacking == {"domain": "day", "classes": [NAMES[2]]}
    told = finding(document, "association")
    assert told["to_do"]
    assert told["details"]["cramers_v"] >= ASSOCIATED


def test_domains_that_have_all_classes_alike(tmp_path):
    told = finding(domains(tmp_path, apart=False).check(code=0), "association")
    assert told["details"]["cramers_v"] == pytest.approx(0, abs=1e-9)


def test_the_store_is_read_where_it_is_built(make_noise):
    from ltbench.data.store import open_store

    noise = make_noise(count=40)
    split = noise.split()
    before = check_dataset(noise, split)
    open_store(noise, split)
    noise.decoded.clear()
    assert check_dataset(noise, split) == before
    assert noise.decoded == []


def test_missing_parts_are_to_do(make_noise):
    noise = make_noise(count=40)
    split = Split.from_rows([(str(i), i % 3, i % 2, "train") for i in range(40)], (2, 3))
    kinds = {one.kind: one.to_do for one in check_dataset(noise, split, images=False)}
    assert kinds["no-val"]
    assert kinds["no-test"]
    assert "no-train" not in kinds
    empty = Split.from_rows([], (2, 3))
    assert {"no-train", "no-val", "no-test"} <= {f.kind for f in check_dataset(noise, empty)}


@pytest.mark.parametrize(
    ("counts", "shape"),
    [
        ([100, 90, 80], "balanced"),
        ([500, 500, 500, 5, 5, 5], "step"),
        ([int(500 * 0.01 ** (c / 9)) for c in range(10)], "exponential"),
        ([int(500 / (c + 1)) for c in range(20)], "power"),
    ],
)
def test_shapes_are_told(counts, shape):
    assert shape_of(np.random.default_rng(0).permutation(counts)) == shape


def test_cramers_v_is_scipys_without_bias_and_its_limits():
    from scipy.stats.contingency import association

    rng = np.random.default_rng(0)
    table = rng.integers(50_000, 200_000, (3, 5))
    assert cramers_v(table) == pytest.approx(association(table), abs=1e-3)
    assert cramers_v(np.diag([50, 60, 70])) == pytest.approx(1)
    assert cramers_v(np.array([[10, 20], [10, 20]])) == 0
    assert cramers_v(np.array([[10, 20, 0]])) == 0
    drawn = [rng.multinomial(60, [1 / 40] * 40).reshape(4, 10) for _ in range(50)]
    assert (
        np.mean([cramers_v(one) for one in drawn]) < 0.12
    )  # independent: without the correction it is about 0.4
