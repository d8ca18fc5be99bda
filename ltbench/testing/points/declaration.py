"""What every plugin says of itself: base class, documentation and hyper-parameters."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from ltbench.plugins.hparams import Bounds, HParams
from ltbench.plugins.manager import KINDS
from ltbench.plugins.names import parse_name
from ltbench.testing.point import NotApplicable, Points, Subject

POINTS = Points()

ALL = tuple(KINDS.values())
BASES = {
    "algorithm": "ltbench.plugins.algorithm:Algorithm",
    "modifier": "ltbench.plugins.modifier:Modifier",
    "stage": "ltbench.plugins.stage:Stage",
    "data set": "ltbench.plugins.dataset:Dataset",
    "augmentation": "ltbench.plugins.augmentation:Augmentation",
    "executor": "ltbench.executors.base:Executor",
    "observer": "ltbench.plugins.observer:Observer",
    "table": "ltbench.plugins.experiment_table:ExperimentTable",
}
WITH_SOURCE = ("algorithm", "modifier", "stage", "data set", "augmentation")
MAPPINGS = ("protocol", "preset")
WITH_DOCSTRING = tuple(kind for kind in ALL if kind not in MAPPINGS)

# A paper's year, an identifier or an address; or "Source: …" for what was never published.
SOURCE = re.compile(r"arxiv|doi[:.]|https?://|\bsource:|\b(19|20)\d\d\b", re.IGNORECASE)


def where(subject: Subject) -> str:
    """Return how sentences call the plugin."""
    return f"{subject.entry.kind} '{subject.entry.name}'"


@POINTS.add("import", "It can be imported", *ALL)
def check_import(subject: Subject) -> None:
    """Check that the target is there."""
    subject.entry.load()


@POINTS.add("base", "It is what its hook asks for", *ALL)
def check_base(subject: Subject) -> None:
    """Check the base class, that a backbone, a metric or a figure can be called, or a mapping."""
    target = subject.entry.load()
    base = BASES.get(subject.entry.kind)
    if subject.entry.kind in MAPPINGS:
        assert isinstance(target, Mapping), f"{where(subject)} is no mapping of settings"
        return
    if base is None:
        assert callable(target), f"{where(subject)} cannot be called"
        return
    module, _, name = base.partition(":")
    cls = getattr(importlib.import_module(module), name)
    fits = isinstance(target, type) and issubclass(target, cls)
    assert fits, f"{where(subject)} is no subclass of {name}"


@POINTS.add("name", "Its name can be typed", *ALL)
def check_name(subject: Subject) -> None:
    """Check that the name follows the grammar of names."""
    name = subject.entry.name
    assert parse_name(name).name == name, f"{where(subject)} cannot be typed as it is spelled"


@POINTS.add("summary", "It is registered with a summary", *ALL)
def check_summary(subject: Subject) -> None:
    """Check that ``ltbench plugins list`` has something to say."""
    assert subject.entry.summary.strip(), (
        f'{where(subject)} is registered without a summary: write register(…, summary="…")'
    )


@POINTS.add("docstring", "It has a docstring of its own", *WITH_DOCSTRING)
def check_docstring(subject: Subject) -> None:
    """Check that ``ltbench plugins info`` has something to show."""
    assert docstring(subject), f"{where(subject)} has no docstring"


@POINTS.add("source", "Its docstring names its source", *WITH_SOURCE)
def check_source(subject: Subject) -> None:
    """Check for a paper, an address or an identifier; a data set's facts count as well."""
    text = docstring(subject)
    if subject.entry.kind == "data set":
        text += " ".join(_citations(subject))
    assert SOURCE.search(text), (
        f"{where(subject)} names no source: put the paper's authors and year, an arXiv number, a "
        "DOI or an address into its docstring, or 'Source: …' for what is published nowhere"
    )


@POINTS.add("defaults", "Its default hyper-parameters can be written and read back", *BASES)
def check_defaults(subject: Subject) -> None:
    """Check that the defaults lie in their bounds and survive JSON."""
    cls = hparams_class(subject)
    values = cls.from_options({}, subject.entry.name).as_dict()
    read = json.loads(json.dumps(values, allow_nan=False))
    again = cls.from_options(read, subject.entry.name).as_dict()
    assert values == again, f"{where(subject)}: {values} becomes {again} when read back"


@POINTS.add("bounds", "Every number among its hyper-parameters has a bound", *BASES)
def check_bounds(subject: Subject) -> None:
    """Check that senseless values can be refused."""
    for key, (bounds, kind) in _hparams(subject).items():
        bounded = bounds.low is not None or bounds.high is not None or bounds.choices is not None
        assert bounded or kind in (bool, str), (
            f"{where(subject)}: hyper-parameter '{key}' has no bound: declare it with "
            "hparam(…, low=…), high=… or choices=…"
        )


@POINTS.add("search", "What tuning may try lies in the bounds", *BASES)
def check_search(subject: Subject) -> None:
    """Check the search intervals."""
    for key, (bounds, _) in _hparams(subject).items():
        if bounds.search is None:
            continue
        low, high = bounds.search
        inside = (bounds.low is None or low >= bounds.low) and (
            bounds.high is None or high <= bounds.high
        )
        assert low <= high, f"{where(subject)}: the search range of '{key}' is upside down"
        assert inside, f"{where(subject)}: the search range of '{key}' leaves its bounds"
        assert low > 0 or not bounds.log, (
            f"{where(subject)}: '{key}' cannot be searched on a logarithmic scale from {low:g}"
        )


def docstring(subject: Subject) -> str:
    """Return a plugin's own docstring; one that is inherited says nothing of it."""
    target = subject.entry.load()
    if isinstance(target, partial):  # of the same class with other arguments
        target = target.func
    own = vars(target).get("__doc__") if isinstance(target, type) else target.__doc__
    return inspect.cleandoc(own or "")


def hparams_class(subject: Subject) -> type[HParams]:
    """Return the class of a plugin's hyper-parameters.

    Raises:
        AssertionError: it is none.
    """
    cls = subject.entry.load().HParams
    assert isinstance(cls, type) and issubclass(cls, HParams), (  # noqa: PT018
        f"{where(subject)}: its HParams is no subclass of ltbench.api.HParams"
    )
    return cls


def _hparams(subject: Subject) -> dict[str, tuple[Bounds, Any]]:
    from typing import get_type_hints

    cls = hparams_class(subject)
    bounds = cls.bounds()
    if not bounds:
        raise NotApplicable("it has no hyper-parameters")
    types = get_type_hints(cls)
    return {key: (value, types[key]) for key, value in bounds.items()}


def _citations(subject: Subject) -> list[str]:
    from ltbench.data.catalogue import create_dataset
    from ltbench.data.locations import data_folder
    from ltbench.errors import DataError

    dataset = create_dataset(parse_name(subject.text), data_folder(None))
    try:
        facts = dataset.facts
    except DataError:  # those of a folder of images that is not there
        return []
    return [facts.citation, *(url for s in facts.sources for url in s.get("urls", ()))]
