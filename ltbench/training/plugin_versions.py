"""Which versions of plugins a run is made with, as part of what makes it the run it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ltbench.errors import PluginError
from ltbench.plugins.hparams import HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import parse_name
from ltbench.plugins.registry import Entry
from ltbench.results.run import Component, RunSpec

OWN = "ltbench"


def plugin_versions(components: Iterable[tuple[str, Component]], backbone: str) -> dict[str, str]:
    """Return the versions of the distributions whose plugins shape a run's result.

    A plugin that is a file counts as a distribution whose version is the hash of its content.
    ltbench's own distribution is left out: its plugins are its code, whose version stands in every
    result's ``environment``, and a new release of it must not set aside every run there is. So are
    metrics, executors and observers, which do not change what is trained; who brought the metrics
    stands in ``environment`` too.

    Args:
        components: what the run is made of, each with its registry (``algorithms``, say).
        backbone: the network's name.

    Raises:
        UsageError: something does not exist.
        PluginError: a plugin cannot be imported.
    """
    found: dict[str, str] = {}
    for entry in [e for kinds, c in components for e in _entries(kinds, c.name, c.hparams)]:
        _note(found, entry)
    if backbone in get_plugins()["backbones"]:
        _note(found, get_plugins()["backbones"].get(backbone))
    return dict(sorted(found.items()))


def versions_here(spec: RunSpec) -> dict[str, str]:
    """Return the versions that are installed here of the plugins that a run names.

    Raises:
        UsageError: something does not exist.
        PluginError: a plugin cannot be imported.
    """
    stages = [("stages", stage) for stage in spec.stages]
    components = [("algorithms", spec.algorithm), *stages, ("datasets", spec.dataset)]
    return plugin_versions(components, spec.backbone.name)


def check_plugin_versions(spec: RunSpec) -> None:
    """Check that a run finds the plugins here that it was planned with.

    Raises:
        PluginError: another version is here, or the file was edited since.
    """
    here = versions_here(spec)
    for name in sorted(spec.plugins.keys() | here.keys()):
        planned, there = spec.plugins.get(name, "absent"), here.get(name, "absent")
        if planned != there:
            raise PluginError(
                f"plugin {name} was {planned} when the run was planned and is {there} where it "
                "runs: type the command again, or install the same version there"
            )


def _entries(kinds: str, name: str, options: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield a plugin, and those that its hyper-parameters name (``coral[loss=ldam]``)."""
    entry = get_plugins()[kinds].get(name)
    yield entry
    hparams: type[HParams] = entry.load().HParams
    for key, bounds in hparams.bounds().items():
        value = options.get(key)
        if bounds.names is not None and value:
            inner = parse_name(value)
            yield from _entries(bounds.names, inner.name, inner.options)


def _note(found: dict[str, str], entry: Entry) -> None:
    known = found.get(entry.distribution, entry.version)
    if entry.distribution != OWN:
        # Two files of one name, from two folders.
        both = sorted({known, entry.version})
        found[entry.distribution] = "+".join(both)
