"""The command that is printed under a table, typed again, plans exactly the runs of the table."""

from __future__ import annotations

import json
import shlex
import shutil
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file

from ltbench.api import UsageError
from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.plugins.hparams import Bounds, HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name
from ltbench.report.leaderboard import load_content
from ltbench.report.provenance import run_commands
from ltbench.results.folder import RunFolder
from ltbench.results.protocol import Protocol
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs

if "run" not in cli.commands:
    cli.add_command(run)

ALGORITHMS = ["erm", "focal", "ldam", "cbloss", "boda", "brl", "coral", "groupdro", "bsoftmax"]
STAGES = ["crt", "lws", "tau-norm", "posthoc-la", "mislas", "weight-balancing"]
UNTRAINED = ["tau-norm", "posthoc-la"]
AVERAGES = ["ema", "swa", "swad", "lookahead"]
BACKBONES = ["digits-cnn", "resnet32", "resnet18", "resnet10t.c3_in1k", "vit_tiny_patch16_224"]
PREPROCESSINGS = [
    None, "weights", "dataset", "clip[interpolation=bicubic,crop=.3]", "[std=.1]",
    "weights[crop=1]",
]  # fmt: skip
ODD = 'it\'s a [b]="c", d+e; $HOME `f` é'  # the name of a folder

_places: dict[str, Path] = {}


@pytest.fixture(scope="module", autouse=True)
def places(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make a folder of images and two checkpoints, all under names that want quoting."""
    folder = tmp_path_factory.mktemp("round trip")
    for split, count in (("train", 6), ("test", 2)):
        for label in ("one", "two"):
            place = folder / ODD / split / label
            place.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(np.full((32, 32, 3), 40 * i, np.uint8)).save(place / f"{i}.png")
    (folder / "plain.pt").write_bytes(b"plain.pt")
    save_file({}, folder / "a 'b'.safetensors")  # what it says of images is looked for
    _places.update(folder=folder, images=folder / ODD, runs=folder / "runs")


def value_of(kind: Any, bounds: Bounds) -> st.SearchStrategy[Any]:
    """Return a strategy for the values that a setting or a hyper-parameter may have."""
    if bounds.choices is not None:
        return st.sampled_from(bounds.choices)
    if kind is bool:
        return st.booleans()
    low = bounds.low if bounds.low is not None else 0
    if kind is int:
        high = int(min(bounds.high or 10_000, 10_000))
        return st.integers(int(low), max(high, int(low)))
    high = bounds.high if bounds.high is not None else max(1e6, low)
    return st.floats(low, high, allow_nan=False)


@st.composite
def options(draw: st.DrawFn, cls: type[HParams], leave: tuple[str, ...] = ()) -> dict[str, Any]:
    """Draw values for some of a class's fields."""
    kinds, bounds = typing.get_type_hints(cls), cls.bounds()
    known = [
        n
        for n in bounds
        if n not in leave and (kinds[n] in (bool, int, float) or bounds[n].choices)
    ]
    names = draw(st.lists(st.sampled_from(known), max_size=4, unique=True)) if known else []
    return {name: draw(value_of(kinds[name], bounds[name])) for name in names}


@st.composite
def methods(draw: st.DrawFn) -> str:
    """Draw an algorithm with up to two stages, all with options, some with a modifier."""
    names = [
        draw(st.sampled_from(ALGORITHMS)),
        *draw(st.lists(st.sampled_from(STAGES), max_size=2)),
    ]
    parts = []
    for i, name in enumerate(names):
        cls = get_plugins()["stages" if i else "algorithms"].get(name).load()
        modifiers = draw(st.lists(st.sampled_from(AVERAGES), max_size=name not in UNTRAINED))
        of_modifiers = [get_plugins()["modifiers"].get(one).load().HParams for one in modifiers]
        inner = [Name(m, draw(options(h))) for m, h in zip(modifiers, of_modifiers, strict=True)]
        parts.append(str(Name(name, draw(options(cls.HParams)), tuple(inner))))
    return "+".join(parts)


@st.composite
def datasets(draw: st.DrawFn) -> str:
    """Draw a data set, the user's own folder among them."""
    name = draw(st.sampled_from(["tiny-mlt", "digits-mini-mlt", "image-folder"]))
    chosen: dict[str, Any] = {"data_seed": draw(st.integers(0, 3))}
    if name == "image-folder":
        chosen |= {"root": str(_places["images"]), "size": draw(st.sampled_from([32, 64]))}
    return str(Name(name, chosen))


@st.composite
def augmentations(draw: st.DrawFn) -> str:
    """Draw a chain: what crops stands first, and one at most makes an image of two."""
    parts = [
        draw(st.sampled_from(["none", "crop-flip", "photo", "imagenet"])),
        *draw(st.lists(st.sampled_from(["randaugment", "cutout", "random-erasing"]), max_size=2)),
        *draw(st.lists(st.sampled_from(["mixup", "cutmix"]), max_size=1)),
    ]
    registry = get_plugins()["augmentations"]
    classes = [registry.get(part).load() for part in parts]
    named = zip(parts, classes, strict=True)
    return ">".join(str(Name(part, draw(options(cls.HParams)))) for part, cls in named)


@st.composite
def protocols(draw: st.DrawFn) -> str:
    """Draw a protocol by name or none, with settings in brackets."""
    name = draw(st.sampled_from(["", "mdlt", "cifar-lt", "thesis", "imagenet-lt"]))
    chosen = draw(options(Protocol, ("name",)))
    if draw(st.booleans()):
        chosen["decay_at"] = [draw(st.lists(st.floats(0, 1, exclude_max=True), max_size=3))]
    if draw(st.booleans()):
        chosen["augmentation"] = draw(augmentations())
    if not (chosen or name):
        chosen = {"steps": 3}
    return name + str(Name("x", chosen)).removeprefix("x")


@st.composite
def sweeps(draw: st.DrawFn) -> list[RunSpec]:
    """Draw up to three methods, each with seeds of its own, in one setting."""
    weights = draw(st.sampled_from([None, "plain.pt", "a 'b'.safetensors"]))
    pretrained = draw(st.sampled_from([True, False]))
    setting = {
        "protocol": draw(protocols()),
        "backbone": draw(st.sampled_from(BACKBONES)),
        "pretrained": pretrained if weights is None else None,
        "weights": _places["folder"] / weights if weights else None,
        "preprocessing": draw(st.sampled_from(PREPROCESSINGS)),
    }
    dataset, precision = draw(datasets()), draw(st.sampled_from(["fp32", "bf16"]))
    found = []
    for _ in range(draw(st.integers(1, 3))):
        seeds = sorted(draw(st.sets(st.integers(0, 9), min_size=1, max_size=4)))
        request = Request([draw(methods())], [dataset], seeds, precision, Path("/no"), **setting)
        try:
            found += plan_runs(request).specs
        except UsageError:  # boda needs two domains, for one
            reject()
    return found


def planned(command: str) -> set[tuple[str, int]]:
    words = shlex.split(command)
    assert words[:2] == ["ltbench", "run"]
    options = ["--out", str(_places["runs"]), "--dry-run", "--json"]
    done = CliRunner().invoke(cli, ["run", *words[2:], *options])
    assert done.exit_code == 0, (command, done.output)
    return {(run["hash"], run["seed"]) for run in json.loads(done.stdout)}


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(sweeps())
def test_the_printed_commands_plan_exactly_the_runs_of_the_table(specs: list[RunSpec]) -> None:
    runs = _places["runs"]
    shutil.rmtree(runs, ignore_errors=True)
    for spec in specs:
        RunFolder(spec.folder(runs)).start(spec.as_dict())
    (board,) = load_content(runs).boards
    found = [pair for command in run_commands(board) for pair in planned(command)]
    assert len(found) == len(set(found))
    assert set(found) == {(spec.hash, spec.seed) for spec in specs}
