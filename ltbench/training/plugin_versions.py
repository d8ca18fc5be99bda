"""Which versions of plugins a run is made with, as part of what makes it the run it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ltbench
from ltbench.errors import PluginError
from ltbench.plugins.augmentation_names import KINDS, augmentation_chain
from ltbench.plugins.hparams import HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import parse_name
from ltbench.plugins.registry import Entry
from ltbench.plugins.resolve import MODIFIERS, resolve_written
from ltbench.plugins.source_code import folder_sha256, source_sha256
from ltbench.plugins.views import own_part
from ltbench.results.component import Component
from ltbench.results.run import RunSpec, canonical_hash

OWN = "ltbench"
_CORE = ("data", "evaluation", "models", "plugins", "training")  # of ltbench's packages


def plugin_versions(components: Iterable[tuple[str, Component]], backbone: str) -> dict[str, str]:
    """Return the versions of the distributions whose plugins shape a run's result.

    Behind a version stand twelve digits of the SHA-256 of the plugin's source, as an installed
    plugin can be edited. A plugin that is a file counts as a distribution whose version is the hash
    of its content. ltbench's own distribution is left out: its plugins are its code, of which every
    result's ``environment`` has the version and :func:`own_code`, and a new release of it must not
    set aside every run there is. So are metrics, executors and observers, which do not change what
    is trained; who brought the metrics stands in ``environment`` too.

    Args:
        components: what the run is made of, each with its registry (``algorithms``, say).
        backbone: the network's name.

    Raises:
        UsageError: something does not exist.
        PluginError: a plugin cannot be imported.
    """
    versions: dict[str, set[str]] = defaultdict(set)
    sources: dict[str, set[str]] = defaultdict(set)
    for entry in _used(components, backbone):
        if entry.distribution != OWN:
            versions[entry.distribution].add(entry.version)  # two of two files of one name
            if not entry.distribution.endswith(".py"):
                sources[entry.distribution].add(source_sha256(_module(entry)))
    return {
        name: " ".join("+".join(sorted(part)) for part in (found, sources[name]) if part)
        for name, found in sorted(versions.items())
    }


def own_code(spec: RunSpec) -> str:
    """Return digits that change with the code of ltbench that a run is trained and tested by.

    Twelve are of the SHA-256 of all that reads images, trains, and judges, which runs of all
    methods share; behind a plus, twelve of the sources of those of its plugins that the run uses.

    Raises:
        UsageError: something does not exist.
        PluginError: a plugin cannot be imported.
    """
    entries = _used(_components(spec), spec.backbone.name)
    modules = {_module(entry) for entry in entries if entry.distribution == OWN}
    own = [source_sha256(module) for module in sorted(modules)]
    return f"{core_code()}+{canonical_hash(own)}"


def core_code() -> str:
    """Return twelve digits that change with the code that trains and judges runs of all methods."""
    here = Path(ltbench.__file__).parent
    return canonical_hash([folder_sha256(here / name) for name in _CORE])


def versions_here(spec: RunSpec) -> dict[str, str]:
    """Return the versions that are installed here of the plugins that a run names.

    Raises:
        UsageError: something does not exist.
        PluginError: a plugin cannot be imported.
    """
    return plugin_versions(_components(spec), spec.backbone.name)


def check_plugin_versions(spec: RunSpec) -> None:
    """Check that a run finds the plugins here that it was planned with.

    Raises:
        PluginError: another version is here, or the file was edited since.
    """
    here = versions_here(spec)
    for name in sorted(spec.plugins.keys() | here.keys()):
        planned, there = spec.plugins.get(name, "absent"), here.get(name, "absent")
        # Runs of before an edit could be told hold the version alone.
        if planned not in (there, there.partition(" ")[0]):
            raise PluginError(
                f"plugin {name} was {planned} when the run was planned and is {there} where it "
                "runs: type the command again, or install the same version there"
            )


def _components(spec: RunSpec) -> list[tuple[str, Component]]:
    stages = [("stages", stage) for stage in spec.stages]
    modifiers = [(MODIFIERS, modifier) for part in spec.parts for modifier in part.modifiers]
    own = [("algorithms", spec.algorithm), *stages]
    chains = [spec.protocol.augmentation, *(c for kinds, part in own for c in _views(kinds, part))]
    augmentations = [
        (KINDS, Component(name.name, name.options))
        for chain in chains
        for name in augmentation_chain(chain)
    ]
    return [*own, *modifiers, ("datasets", spec.dataset), *augmentations]


def _views(kinds: str, part: Component) -> Iterator[str]:
    """Yield what the views of an algorithm or stage have beside the protocol's augmentations."""
    cls, hparams = resolve_written(kinds, part.name, part.hparams)
    for chain in cls.view_augmentations(hparams):
        yield own_part(chain)


def _used(components: Iterable[tuple[str, Component]], backbone: str) -> list[Entry]:
    """Return the plugins that a run is made of."""
    found = [entry for kinds, c in components for entry in _entries(kinds, c.name, c.hparams)]
    if backbone in get_plugins()["backbones"]:
        found.append(get_plugins()["backbones"].get(backbone))
    return found


def _entries(kinds: str, name: str, options: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield a plugin, and those that its hyper-parameters name (``coral[loss=ldam]``)."""
    entry = get_plugins()[kinds].get(name)
    yield entry
    hparams: type[HParams] = entry.load().HParams
    for key, bounds in hparams.bounds().items():
        value = options.get(key)
        if bounds.names == KINDS and value:
            named = augmentation_chain(own_part(value))
        else:
            named = [parse_name(value)] if bounds.names is not None and value else []
        for inner in named:
            yield from _entries(str(bounds.names), inner.name, inner.options)


def _module(entry: Entry) -> str:
    """Return the name of the module that a plugin is in."""
    if isinstance(entry.target, str):
        return entry.target.partition(":")[0]
    return str(getattr(entry.target, "__module__", ""))
