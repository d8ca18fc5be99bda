"""What changed between two commands: which runs it makes, and what is said of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltbench.plugins.manager import get_plugins
from ltbench.results.run import RunSpec
from ltbench.session.changes import changes
from ltbench.session.plan import Plan
from ltbench.session.session import Session
from ltbench.training.plugin_versions import own_code

SETTINGS = {"backbone": "digits-cnn", "pretrained": False, "steps": 2, "batch_per_domain": 4}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def images(folder: Path, shade: int) -> None:
    for label in ("moth", "wasp"):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(12):
            pixels = np.full((28, 28, 3), shade + i, np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")


class Asked:
    """Plans on image folders, with what was said meanwhile."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.session = Session(Path("runs"), quiet=True, say=self.said.append)

    def plan(self, *roots: str, algo: str = "erm", **settings: object) -> Plan:
        self.said.clear()
        names = [f"image-folder[root={root},size=28]" for root in roots]
        return self.session.plan([algo], names, [0], "fp32", **{**SETTINGS, **settings})


@pytest.fixture
def asked() -> Asked:
    return Asked()


def finished(spec: RunSpec, code: str | None = None) -> None:
    folder = spec.folder(Path("runs"))
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec.as_dict()))
    result = {"environment": {} if code is None else {"code": code}}
    (folder / "result.json").write_text(json.dumps(result))


def test_one_folder_however_it_is_spelled_is_one_run(asked: Asked, tmp_path: Path) -> None:
    images(Path("m"), 10)
    shutil.copytree("m", "elsewhere/copy")
    Path("link").symlink_to("m")
    roots = ["m", "./m", "m/", str(tmp_path / "m"), "link", "elsewhere/../m", "elsewhere/copy"]
    assert len(asked.plan(*roots).specs) == 1
    spec = asked.plan("./m").specs[0]
    assert spec.dataset_options["root"] == "./m"
    assert "root" not in spec.dataset.hparams
    assert RunSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec


def test_other_images_under_the_same_names_are_other_runs(asked: Asked) -> None:
    images(Path("m"), 10)
    before = asked.plan("m").specs[0]
    assert asked.said == []
    finished(before)
    assert asked.plan("m").specs[0].hash == before.hash
    assert asked.said == []
    images(Path("m"), 90)
    after = asked.plan("m").specs[0]
    assert after.hash != before.hash
    assert after.split == before.split
    assert asked.said == [
        "There are runs of erm on image-folder for which the images were others, under the same "
        "names: they stay, and count as other runs"
    ]
    assert asked.plan("m", algo="focal").specs
    assert asked.said == []


def test_two_folders_with_the_same_names_train_on_their_own_images(asked: Asked) -> None:
    images(Path("a"), 10)
    images(Path("b"), 90)
    plan = asked.plan("a", "b")
    asked.session.prepare(plan)
    jobs = asked.session._jobs(plan, asked.session.slots(plan))
    stored = [np.load(job.store / "images.npy").min() for job in jobs]
    assert stored == [10, 90]


def test_one_folder_in_two_sizes_is_stored_in_both(asked: Asked) -> None:
    images(Path("m"), 10)
    names = [f"image-folder[root=m,size={size}]" for size in (32, 28)]
    plan = asked.session.plan(["erm"], names, [0], **SETTINGS)
    asked.session.prepare(plan)
    jobs = asked.session._jobs(plan, asked.session.slots(plan))
    assert [np.load(job.store / "images.npy").shape[-1] for job in jobs] == [32, 28]


def test_runs_of_before_the_images_were_noted(asked: Asked) -> None:
    images(Path("m"), 10)
    spec = asked.plan("m").specs[0]
    old = replace(spec, images="", places={}, dataset=replace(spec.dataset, hparams={
        **spec.dataset.hparams, "root": "m"}))  # fmt: skip
    finished(old)
    asked.plan("m")
    assert asked.said == [
        "There are runs of erm on image-folder for which nobody noted what the images held: they "
        "stay, and count as other runs"
    ]


def test_a_plugin_that_was_edited_is_named(asked: Asked) -> None:
    images(Path("m"), 10)
    spec = asked.plan("m").specs[0]
    finished(replace(spec, plugins={"their-loss": "1.0 abc"}))
    assert changes(Plan((spec,), (), Path(), out=Path("runs"))) == [
        "There are runs of erm on image-folder for which the plugin their-loss was 1.0 abc, and is "
        "absent here: they stay, and count as other runs"
    ]


@pytest.mark.parametrize("code", ["0" * 12, "same", None])
def test_other_code_of_ltbench_is_said_and_counts_as_done(asked: Asked, code: str | None) -> None:
    images(Path("m"), 10)
    spec = asked.plan("m").specs[0]
    finished(spec, own_code(spec) if code == "same" else code)
    again = asked.plan("m").specs[0]
    assert again.hash == spec.hash
    assert [line.partition("which ")[2][:34] for line in asked.said] == (
        ["ltbench's own code was another: th"] if code == "0" * 12 else []
    )


def test_own_code_depends_on_the_algorithm(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    images(Path("m"), 10)
    erm, focal = (asked.plan("m", algo=name).specs[0] for name in ("erm", "focal"))
    assert own_code(erm) == own_code(replace(erm, seed=3))
    assert own_code(erm) != own_code(focal)


@pytest.mark.parametrize("text", ["[]", "{", '{"identity": 3}', '{"identity": {"dataset": []}}'])
def test_what_is_no_run_is_passed_over(asked: Asked, text: str) -> None:
    images(Path("m"), 10)
    folder = Path("runs/image-folder/erm/0123456789ab/seed-0")
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(text)
    (folder / "result.json").write_text(text)
    asked.plan("m")
    assert asked.said == []
    assert "image-folder" in get_plugins()["datasets"]
