"""The page of all methods: what each needs, asked of its class, and what its paper reports.

Nothing of what a method needs is written by hand: each is built on a small network and asked, so
that a method that is registered stands in the table. Published numbers are in
``docs/algorithms/published_numbers.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.batch import TrainInfo
from ltbench.plugins.honours import obstacle
from ltbench.plugins.manager import KINDS, get_plugins
from ltbench.plugins.modifier import Modifier
from ltbench.plugins.registry import Entry
from ltbench.plugins.resolve import MODIFIERS
from ltbench.testing import (
    SmallTraining,
    build_algorithm,
    build_modifier,
    build_stage,
    random_batch,
    random_batch_for,
    train_info,
)

OWN = "ltbench"
NUMBERS = Path(__file__).parents[1] / "algorithms" / "published_numbers.toml"
PAGE = "algorithms/all.md"
PRESETS = "presets"
COUNTS = ((4000, 1, 90), (60, 3000, 2))
"""Images by domain and class. A method that uses them does something else with them reversed."""
STEPS = 3
ANY_STEPS = 1000
TITLES = {
    "algorithms": "Algorithms",
    "stages": "Stages",
    MODIFIERS: "Modifiers",
    PRESETS: "Presets",
}
HEADER = ["name", "batches", "views", "second batch", "class counts", "domains", "network",
          "validation images", "test images", "not with", "published"]  # fmt: skip
OPENING = """\
# All methods, and what they need

What a method needs beyond images, classes and domains. The tables are made from the classes: each
method is built and asked. Empty means that it needs nothing of the kind.

- **batches**: how the images of a batch are drawn where it is not uniformly from each domain;
  **second batch** a further one beside it.
- **views**: how many augmented images of each image, where it is more than one.
- **class counts**: whether the loss or the answers depend on how many training images classes have.
- **domains**: the fewest that it takes, where it is more than one.
- **network**: what it needs of one; any will do where nothing stands.
- **validation images**: whether it *chooses* something of its own by them, or is *trained* on them;
  that models are chosen by them is the protocol's. Those that are trained say so in every table.
- **test images**: whether it learns on them, without their classes, before its test; such rows are
  marked as transductive in every table, and no stage goes on from such a method.
- **not with**: stages (`+`) and modifiers (`@`) that do not go with it; all others do.
- **published**: data sets for which [a number of its paper](#published-numbers) is below.
"""
NUMBERS_OPENING = """\
## Published numbers

What authors report for data sets that are here, in % of the test images (all classes). They are not
comparable with one another unless network and training are the same, nor with a board that was made
under another protocol; [settings that are the authors'](../published.md) says which of theirs are
here. Where a paper has no number for such a data set, or none that could be checked against the
paper or the authors' repository, there is none. With CLIP's weights the test images may have been
among those of the pretraining.
"""
WITHOUT = "Without a number: "


@dataclass(frozen=True)
class Published:
    """A table of a source on one data set.

    Attributes:
        dataset: as it is registered, with options.
        setting: network and training.
        source: paper or repository, with the table.
        numbers: % by method.
    """

    dataset: str
    setting: str
    source: str
    numbers: Mapping[str, float]


def page() -> str:
    """Return the Markdown of the page."""
    parts = [OPENING]
    for kinds, title in TITLES.items():
        listed = entries(kinds)
        if listed:
            parts.append(f"## {title}\n\n{_table(HEADER, [row(kinds, one) for one in listed])}")
    parts += [NUMBERS_OPENING, numbers_table(), f"{WITHOUT}{', '.join(without_numbers())}."]
    return "\n\n".join(parts) + "\n"


def entries(kinds: str) -> list[Entry]:
    """Return what the project registers as one kind, nothing where there is no such kind."""
    if kinds not in KINDS:
        return []
    return [entry for entry in get_plugins()[kinds] if entry.distribution == OWN]


@cache
def published() -> tuple[Published, ...]:
    """Return the published numbers of methods and data sets that are registered."""
    tables = tomllib.loads(NUMBERS.read_text(encoding="utf-8"))["table"]
    names = {entry.name for kinds in TITLES for entry in entries(kinds)}
    datasets = {entry.name for entry in entries("datasets")}
    found = []
    for table in tables:
        known = {name: value for name, value in table["numbers"].items() if parts_of(name) <= names}
        if known and table["dataset"].partition("[")[0] in datasets:
            found.append(Published(table["dataset"], table["setting"], table["source"], known))
    return tuple(found)


def parts_of(method: str) -> set[str]:
    """Return the names of algorithm, stages and modifiers of a method without options."""
    return set(method.replace("@", "+").split("+"))


def numbers_table() -> str:
    """Return the table of published numbers."""
    rows = [
        [f"`{method}`", f"`{one.dataset}`", f"{value:.1f}", one.setting, one.source]
        for one in published()
        for method, value in one.numbers.items()
    ]
    order = {entry.name: place for place, entry in enumerate(entries("datasets"))}
    rows.sort(key=lambda row: (order[row[1].strip("`").partition("[")[0]], row[0]))
    return _table(["method", "data set", "%", "network and training", "source"], rows)


def without_numbers() -> list[str]:
    """Return the methods of which no number stands in the table, in quotes for code."""
    told = {part for one in published() for method in one.numbers for part in parts_of(method)}
    names = [entry.name for kinds in TITLES for entry in entries(kinds)]
    return [f"`{name}`" for name in names if name not in told]


def row(kinds: str, entry: Entry) -> list[str]:
    """Return what a method needs, by the columns of :data:`HEADER`."""
    needs = {"algorithms": _algorithm, "stages": _stage, MODIFIERS: _modifier, PRESETS: _preset}
    found = needs[kinds](entry)
    datasets = dict.fromkeys(
        f"`{one.dataset.partition('[')[0]}`"
        for one in published()
        for method in one.numbers
        if entry.name in parts_of(method)
    )
    link = f"[`{entry.name}`](../reference/{kinds}.md#{entry.name.lower().replace('_', '-')})"
    return [link, *(found.get(column, "") for column in HEADER[1:-1]), ", ".join(datasets)]


def _algorithm(entry: Entry) -> dict[str, str]:
    cls = entry.load()
    network = {"network": "with a text tower"} if getattr(cls, "needs_texts", False) else {}
    found = {**_of_class(cls), **network}
    domains = max(cls.min_domains, 1)
    found["domains"] = f"≥ {domains}" if domains > 1 else ""
    try:
        model = build_algorithm(entry.name, _info())
    except UsageError as refused:
        return {"network": str(refused), **found}
    found |= _of_model(model)
    found["class counts"] = _yes(_uses_counts(lambda info: build_algorithm(entry.name, info)))
    stages = [f"`+{name}`" for name in _refusing_stages(entry.name)]
    found["not with"] = ", ".join([*stages, *_refusing_modifiers(cls)])
    return found


def _stage(entry: Entry) -> dict[str, str]:
    cls = entry.load()
    base = build_algorithm(cls.default_base or "erm", _info())
    found = {**_of_class(cls), **_of_model(build_stage(entry.name, base))}
    found["class counts"] = _yes(
        _uses_counts(lambda info: build_stage(entry.name, build_algorithm("erm", info)))
    )
    refusing = ", ".join(_refusing_modifiers(cls))
    untrained = cls.steps(ANY_STEPS, cls.HParams()) == 0
    return {**found, "not with": "any `@`, as it is not trained" if untrained else refusing}


def _modifier(entry: Entry) -> dict[str, str]:
    cls: type[Modifier] = entry.load()

    def build(info: TrainInfo) -> Modifier:
        return build_modifier(entry.name, build_algorithm("erm", info))

    counts = _modified(build(_info())) != _modified(build(_info(reverse=True)))
    return {
        "class counts": _yes(counts),
        "validation images": "chooses" if cls.needs_validation else "",
        "not with": f"those with `@{entry.name}` above" if _refuses(cls) else "",
    }


def _preset(entry: Entry) -> dict[str, str]:
    text = str(entry.load())
    adapters = ("adaptformer", "vpt-shallow", "vpt-deep", "lora")
    return {"network": "transformer" if any(f"adapt={one}" in text for one in adapters) else ""}


def _of_class(cls: type[Algorithm]) -> dict[str, str]:
    """Return what the class of an algorithm or stage says of itself."""
    own = cls.HParams()
    views = len(cls.view_augmentations(own))
    return {
        "views": str(views) if views > 1 else "",
        "validation images": {"trained": "**trained**"}.get(
            cls.uses_validation(own), cls.uses_validation(own)
        ),
        "test images": _yes(bool(cls.test_augmentations(own))),
    }


def _of_model(model: Algorithm) -> dict[str, str]:
    return {
        "batches": model.sampling if model.sampling != "uniform" else "",
        "second batch": model.second_sampling,
    }


def _info(*, reverse: bool = False) -> TrainInfo:
    """Return the facts of a training set; reversed, other classes are rare in it."""
    return train_info([row[::-1] if reverse else row for row in COUNTS], steps=STEPS)


def _uses_counts(build: Any) -> bool:
    """Return whether a method does something else where other classes are rare."""
    return _trained(build(_info())) != _trained(build(_info(reverse=True)))


def _trained(model: Algorithm) -> list[Any]:
    """Return the losses of a few steps, and the answers afterwards."""
    # Both training sets have the same classes, so the batches are the same.
    batches = [random_batch_for(model, seed=seed) for seed in range(STEPS)]
    found: list[Any] = []
    for step, batch in enumerate(batches):
        torch.manual_seed(step)
        model.generator.manual_seed(step)
        training = SmallTraining(model, batch)
        model.before_step(step, training)
        if not model.optimizers:
            break
        found.append({name: float(value) for name, value in model.step(batch).items()})
    model.eval()
    with torch.no_grad():
        found.append(model.predict(batches[0].x).tolist())
    return found


def _modified(modifier: Modifier) -> list[Any]:
    model, found = modifier.model, list[Any]()
    for step in range(STEPS):
        batch = random_batch(model.train_info, seed=step)
        torch.manual_seed(step)
        model.generator.manual_seed(step)
        losses = modifier.step(batch, model.step)
        modifier.after_step(step + 1)
        found.append({name: float(value) for name, value in losses.items()})
    found.append([parameter.tolist() for parameter in model.parameters()])
    return found


@cache
def _refusing_stages(algorithm: str) -> tuple[str, ...]:
    """Return the stages that cannot stand on an algorithm."""
    refusing = []
    base = build_algorithm(algorithm, _info())
    for entry in entries("stages"):
        try:
            build_stage(entry.name, base)
        except UsageError:
            refusing.append(entry.name)
    return tuple(refusing)


def _refusing_modifiers(cls: type[Algorithm]) -> list[str]:
    """Return the modifiers whose wishes an algorithm or stage does not honour."""
    return [
        f"`@{entry.name}`"
        for entry in entries(MODIFIERS)
        if any(obstacle(cls, wish) for wish in entry.load().needs)
    ]


def _refuses(cls: type[Modifier]) -> bool:
    """Return whether there are algorithms or stages that do not honour what a modifier needs."""
    parts = (entry.load() for kinds in ("algorithms", "stages") for entry in entries(kinds))
    return any(obstacle(part, wish) for part in parts for wish in cls.needs)


def _yes(answer: bool) -> str:
    return "yes" if answer else ""


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(' '.join(c.split()) for c in row)} |" for row in lines)
