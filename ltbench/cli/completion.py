"""What the shell offers after TAB: names of plugins, of protocols, and of what runs there are.

Click asks these functions; ``docs/running.md`` says how a shell is told of it. Nothing here imports
torch or pandas, and what goes wrong offers nothing: a shell has no place for an error.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem

from ltbench.plugins.manager import KINDS, get_plugins

if TYPE_CHECKING:
    import click

    from ltbench.results.run import RunRecord

_DIGITS = 12  # of a hash, as the folders of runs have
Found = Iterable[tuple[str, str]]
"""Names, each with a line that explains it."""
Completer = Callable[["click.Context", "click.Parameter", str], list[CompletionItem]]


def _completer(find: Callable[[click.Context, str], Found], separators: str = "") -> Completer:
    """Return what click asks: the names that go on from what was typed.

    Args:
        find: returns the names there are, given the context and what stands before the word.
        separators: letters after which another name begins, as in ``erm,boda+crt``.
    """

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        start = max((incomplete.rfind(sign) + 1 for sign in separators), default=0)
        before, word = incomplete[:start], incomplete[start:].casefold()
        with contextlib.suppress(Exception):
            return [
                CompletionItem(before + name, help=line or None)
                for name, line in sorted(dict(find(ctx, before)).items())
                if name.casefold().startswith(word)
            ]
        return []

    return complete


def _registered(*kinds: str) -> Iterator[tuple[str, str]]:
    for kind in kinds:
        yield from ((entry.name, entry.summary) for entry in get_plugins()[kind])


def plugin_completer(*kinds: str, between: str = "") -> Completer:
    """Return a completer of the registered names of some kinds, by default of all.

    Args:
        kinds: ``datasets``, ``figures`` and so on.
        between: the sign that parts names, where there may be several.
    """
    return _completer(lambda ctx, before: _registered(*(kinds or KINDS)), between)


def _find_methods(ctx: click.Context, before: str) -> Found:
    if before.endswith("@"):
        return _registered("modifiers")
    # A stage may also stand first, on the algorithm that it has by default.
    return _registered("stages") if before.endswith("+") else _registered("algorithms", "stages")


complete_methods = _completer(_find_methods, ",+@")
"""Names of algorithms, after a ``+`` of stages, and after an ``@`` of modifiers."""


def _find_backbones(ctx: click.Context, before: str) -> Iterator[tuple[str, str]]:
    from ltbench.models.hub import cached_names
    from ltbench.models.timm_names import timm_models

    if before.count("[") > before.count("]"):
        yield from _backbone_options(before)
        return
    yield from ((name, "in the cache of the Hugging Face hub") for name in cached_names())
    yield from ((name, "") for name in timm_models())
    yield from _registered("backbones")


def _backbone_options(before: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a backbone, or behind a sign of equality what one may be."""
    from ltbench.plugins.backbone_options import BackboneOptions

    bounds = BackboneOptions.bounds()
    if before.endswith("="):
        key = re.split(r"[\[,]", before[:-1])[-1]
        yield from ((str(choice), "") for choice in bounds[key].choices or ())
    else:
        yield from ((f"{name}=", one.help) for name, one in bounds.items())


complete_backbones = _completer(_find_backbones, ",[=")
"""Names of the registered backbones, of timm's models, and of those of the hub in the cache; in
brackets those of their options."""


def _find_preprocessing(ctx: click.Context, before: str) -> Iterator[tuple[str, str]]:
    from ltbench.session.preprocessing import WORDS

    yield from ((name, "") for name in WORDS)


complete_preprocessing = _completer(_find_preprocessing)
"""Names of preprocessings."""


def _find_protocols(ctx: click.Context, before: str) -> Iterator[tuple[str, str]]:
    from ltbench.data.catalogue import create_dataset
    from ltbench.data.locations import data_folder
    from ltbench.plugins.names import Name, parse_names

    yield from ((entry.name, entry.summary) for entry in get_plugins()["protocols"])
    typed = [name for text in ctx.params.get("datasets") or () for name in parse_names(text)]
    for name in typed or [Name(entry.name) for entry in get_plugins()["datasets"]]:
        # Of a data set whose facts are in its files, which may not be there, nothing is known.
        with contextlib.suppress(Exception):
            facts = create_dataset(name, data_folder(ctx.params.get("data_dir"))).facts
            yield from ((protocol, f"of {facts.name}") for protocol in facts.protocols)


complete_protocols = _completer(_find_protocols)
"""Names of the protocols of the data sets that were typed, or of all."""


def run_completer(name: Callable[[RunRecord], Iterable[str]], *, scores: bool = False) -> Completer:
    """Return a completer of what the runs have that a command is about.

    Args:
        name: returns the names of a run.
        scores: whether it looks at metrics, which takes longer to read.
    """

    def find(ctx: click.Context, before: str) -> Iterator[tuple[str, str]]:
        for run in _runs(ctx, scores=scores):
            yield from ((text, "") for text in name(run) if text)

    return _completer(find, ",")


def _runs(ctx: click.Context, *, scores: bool = False) -> Iterator[RunRecord]:
    """Yield the readable runs below the folders that were typed, by default those in ``runs``."""
    from ltbench.results.index import read_runs

    typed = (ctx.params.get(name) for name in ("runs", "root", "out"))
    given = next(filter(None, typed), "runs")
    for folder in given if isinstance(given, tuple) else (given,):
        records = read_runs(Path(folder), scores=scores)
        yield from (run for run in records if run.status != "unreadable")


complete_run_methods = run_completer(lambda run: (run.label, run.algo))
"""Labels of the runs there are, and their algorithms with their stages."""
complete_run_datasets = run_completer(lambda run: (run.dataset,))
"""Data sets of the runs there are."""
complete_run_protocols = run_completer(lambda run: (str(run.protocol.get("name", "")),))
"""Protocols of the runs there are."""
complete_run_metrics = run_completer(lambda run: run.test, scores=True)
"""Metrics of the runs there are."""


def _find_run_domains(ctx: click.Context, before: str) -> Iterator[tuple[str, str]]:
    from ltbench.results.untrusted import read_json

    # Of one run of each data set; which run is meant click does not tell while an option is typed.
    for dataset, path in {run.dataset: run.path for run in _runs(ctx)}.items():
        with contextlib.suppress(Exception):
            data = (read_json(Path(path) / "spec.json") or {})["data"]
            yield from ((str(name), f"of {dataset}") for name in data["domains"])
    yield "each", "a table for each of them"


complete_run_domains = _completer(_find_run_domains, ",")
"""Domains of the data sets of the runs there are."""


def complete_runs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return labels and hashes of the runs in ``--out``; else the shell completes a folder."""
    found: dict[str, Any] = {}
    with contextlib.suppress(Exception):
        for run in _runs(ctx):
            found[run.label] = run.dataset
            if incomplete:  # hashes are many, and nobody looks for one without its first digits
                found[run.hash[:_DIGITS]] = f"{run.label} on {run.dataset}"
    start = incomplete.casefold()
    items = [
        CompletionItem(name, help=line)
        for name, line in sorted(found.items())
        if name.casefold().startswith(start)
    ]
    return items or [CompletionItem(incomplete, type="dir")]
