"""Every registered metric of some predictions under flat names. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ltbench.errors import PluginError
from ltbench.evaluation.metrics import Metrics
from ltbench.plugins.blame import naming
from ltbench.plugins.manager import OWN, get_plugins
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.registry import Entry

_OVER_DOMAINS = ("_average", "_worst")


def compute_metrics(predictions: Predictions, *, chosen: bool = True) -> Metrics:
    """Return every registered metric of the predictions under flat names.

    Args:
        predictions: of one model.
        chosen: whether it is the chosen model; if not, metrics that are for that one alone are
            left out.

    Raises:
        PluginError: a metric fails, or two give the same name.
    """
    return compute_these(
        [entry for entry in get_plugins()["metrics"] if chosen or entry.every_evaluation],
        predictions,
    )


def want_probabilities() -> bool:
    """Return whether a metric of every evaluation may look at the probabilities of all classes.

    None of ltbench's own does; of others nobody knows.
    """
    return any(e.every_evaluation and e.distribution != OWN for e in get_plugins()["metrics"])


def compute_domain_metrics(predictions: Predictions, domains: Sequence[str]) -> dict[str, Metrics]:
    """Return every metric on each domain alone, by domain name.

    In one domain the average and the worst over domains are the domain's own value. Metrics that
    are for the chosen model alone do not repeat it.
    """
    every = compute_metrics(predictions, chosen=False)
    found = {domains[d]: compute_metrics(part) for d, part in predictions.by_domain().items()}
    return {domain: _without_repeats(values, every) for domain, values in found.items()}


def compute_these(entries: Sequence[Entry], predictions: Predictions) -> Metrics:
    """Return the values of some metrics, those of every evaluation first.

    A name that a plugin's metric gives and one of ltbench's own for the chosen model too is the
    plugin's: ltbench's came later, and no run shall fail for it after its training.

    Raises:
        PluginError: a metric fails, or two give the same name.
    """
    values: Metrics = {}
    for entry in sorted(entries, key=lambda e: (not e.every_evaluation, e.distribution == OWN)):
        with naming(f"metric '{entry.name}' of {entry.distribution}"):
            found = entry.load()(predictions)
        if twice := values.keys() & found.keys():
            if entry.every_evaluation or entry.distribution != OWN:
                raise PluginError(
                    f"metric '{entry.name}' of {entry.distribution} gives '{min(twice)}', which "
                    "another metric gives already"
                )
            found = {name: value for name, value in found.items() if name not in twice}
        values.update(found)
    return values


def _without_repeats(values: Metrics, kept: Container[str]) -> Metrics:
    """Return a domain's metrics without averages and worsts that say its value again."""

    def repeats(name: str) -> bool:
        return any(
            name.endswith(end) and values.get(name.removesuffix(end), ...) == values[name]
            for end in _OVER_DOMAINS
        )

    return {n: value for n, value in values.items() if n in kept or not repeats(n)}
