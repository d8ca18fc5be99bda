"""The answers of each seed on all unseen domains, as if one model had been tested on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ltbench.errors import DataError
from ltbench.evaluation.classification import Counts
from ltbench.report.selection import Table
from ltbench.results.documents import Arrays, read_predictions

_TRUE = ("class", "domain")


def joined_predictions(
    table: Table, labels: Sequence[str]
) -> tuple[dict[str, list[Counts]], Arrays | None, list[str]]:
    """Read the predictions of the runs of every unseen domain, one domain after the other.

    Where there are several runs of a seed and a domain (``leave-one-domain-out``), the first of
    each domain go together, then the second of each: the mean over all of them is that of the
    scores. A seed that lacks a domain is left out.

    Args:
        table: of every unseen domain in turn.
        labels: the methods, in the order of the result.

    Returns:
        As :func:`~ltbench.report.predictions.table_predictions`.
    """
    assert table.joined is not None
    domains = table.joined.domains
    complete = table.runs.table[table.runs.table["status"] == "done"]
    keys = set(zip(complete["label"], complete["seed"], strict=True))
    truths: dict[str, Arrays] = {}
    problems: list[str] = []
    found: dict[tuple[str, int], dict[str, list[Counts]]] = {}
    for label, seed, domain, path in zip(
        *(table.joined.runs[name] for name in ("label", "seed", "domain", "path")), strict=True
    ):
        if (label, seed) not in keys or label not in labels:
            continue
        try:
            arrays = read_predictions(Path(path))
        except DataError as error:
            problems.append(str(error))
            continue
        own = truths.setdefault(domain, arrays)
        if not np.array_equal(arrays["class"], own["class"]):
            problems.append(f"{path} holds other test images than the rest")
            continue
        found.setdefault((label, seed), {}).setdefault(domain, []).append(arrays["prediction"])
    predictions: dict[str, list[Counts]] = {}
    for label, seed in sorted(found, key=lambda key: labels.index(key[0])):
        parts = [found[label, seed].get(domain, []) for domain in domains]
        for whole in zip(*parts, strict=False):  # of equal lengths, but where a file is missing
            predictions.setdefault(label, []).append(np.concatenate(whole))
    if not predictions:
        return {}, None, problems
    truth = {"class": np.concatenate([truths[domain]["class"] for domain in domains])}
    sizes = [len(truths[domain]["class"]) for domain in domains]
    truth["domain"] = np.repeat(np.arange(len(domains)), sizes)
    return predictions, truth, problems
