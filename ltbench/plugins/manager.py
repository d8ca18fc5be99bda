"""Finds plugins through entry points and collects what they register, one at a time.

Environment variables:
    ``LTBENCH_PLUGINS``: comma list of entry-point or distribution names; only those load.
    ``LTBENCH_PLUGINS_STRICT``: ``1`` makes a broken plugin or a collision fatal.
    ``LTBENCH_PLUGIN_PATH``: single files that are plugins; see :mod:`ltbench.plugins.files`.
    ``LTBENCH_NO_PLUGIN_CODE``: ``1`` leaves out all of them but those that come with ltbench, so
        that no code of others is imported.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from ltbench import __version__
from ltbench.errors import LtbenchError, PluginError, described
from ltbench.plugins import hookspecs
from ltbench.plugins.ctrl_c import telling_ctrl_c
from ltbench.plugins.files import content_hash, load_plugin_file, plugin_files
from ltbench.plugins.measure import Measure
from ltbench.plugins.registry import Entry, Registry
from ltbench.plugins.versions import check_statement, register_checked

logger = logging.getLogger(__name__)

GROUP = "ltbench"
OWN = "ltbench"  # the distribution that the first-party plugins come with
NO_CODE = "LTBENCH_NO_PLUGIN_CODE"
CORE = "core"  # the entry point without which nothing runs; LTBENCH_PLUGINS never excludes it
KINDS = {
    "algorithms": "algorithm",
    "modifiers": "modifier",
    "stages": "stage",
    "datasets": "data set",
    "backbones": "backbone",
    "protocols": "protocol",
    "presets": "preset",
    "augmentations": "augmentation",
    "metrics": "metric",
    "executors": "executor",
    "observers": "observer",
    "figures": "figure",
    "tables": "table",
}


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that could not be used, and why."""

    plugin: str
    distribution: str
    version: str
    cause: str

    def __str__(self) -> str:
        return f"plugin '{self.plugin}' of {self.distribution} {self.version} failed: {self.cause}"


class Plugins:
    """Every plugin that is installed and allowed, with the registries that they filled."""

    def __init__(self) -> None:
        self.hooks = pluggy.PluginManager("ltbench")
        self.hooks.add_hookspecs(hookspecs)
        self.registries = {kinds: Registry(kind) for kinds, kind in KINDS.items()}
        self.broken: list[BrokenPlugin] = []
        self._sources: dict[str, tuple[str, str]] = {}
        self._said: set[str] = set()

    def __getitem__(self, kinds: str) -> Registry:
        return self.registries[kinds]

    def add(self, name: str, module: object, distribution: str, version: str) -> None:
        """Take in one plugin module (or object) and all that it registers.

        Nothing of a plugin that raises is kept; it is listed in ``broken`` instead.
        """
        self._sources[name] = (distribution, version)
        entries: list[tuple[str, Entry]] = []
        with self._reporting(name) as sound:
            check_statement(module, distribution)
            register_checked(self.hooks, module, name)
            for kinds, kind in KINDS.items():
                register = _collector(entries, kinds, kind, distribution, version)
                for implementation in self._implementations(f"ltbench_{kinds}", name):
                    implementation(register=register)
        if not sound():
            if self.hooks.has_plugin(name):
                self.hooks.unregister(name=name)
            return
        for kinds, entry in entries:
            self.registries[kinds].add(entry)
        brought = ", ".join(entry.name for _, entry in entries)
        logger.debug("plugin '%s' of %s %s: %s", name, distribution, version, brought or "hooks")

    def fail(self, name: str, distribution: str, version: str, error: BaseException) -> None:
        """Record a plugin that could not even be imported."""
        self._sources[name] = (distribution, version)
        self.report(name, error)

    def report(self, plugin: str, error: BaseException, hook: str = "") -> None:
        """Record that ``plugin`` raised ``error``; only the first time for each plugin.

        An observer that cannot do its work fails at every step of every run.
        """
        if any(broken.plugin == plugin for broken in self.broken):
            return
        cause = described(error)
        if isinstance(error, LtbenchError):
            cause = cause.partition(": ")[2] or cause
        distribution, version = self._sources.get(plugin, ("unknown", "?"))
        cause = f"{cause} (in {hook})" if hook else cause
        logger.info("plugin '%s' of %s %s failed", plugin, distribution, version, exc_info=error)
        self.broken.append(BrokenPlugin(plugin, distribution, version, cause))

    def call(self, hook: str, **arguments: Any) -> None:
        """Call a hook of every plugin; one that raises is recorded and the others still run."""
        for implementation in getattr(self.hooks.hook, hook).get_hookimpls():
            accepted = {k: v for k, v in arguments.items() if k in implementation.argnames}
            with self._reporting(implementation.plugin_name, hook):
                implementation.function(**accepted)

    @contextlib.contextmanager
    def observing(
        self, name: str, observer: object, distribution: str = "ltbench", version: str = __version__
    ) -> Iterator[None]:
        """Have ``observer``'s hooks called too, for as long as the context lasts.

        One whose hooks do not fit is reported and does not watch.

        Args:
            name: to report it under; no other plugin's.
            observer: an object with hook implementations.
            distribution: that it comes from.
            version: of that distribution.
        """
        self._sources[name] = (distribution, version)
        with self._reporting(name):
            register_checked(self.hooks, observer, name)
        try:
            yield
        finally:
            if self.hooks.has_plugin(name):
                self.hooks.unregister(name=name)

    def problems(self) -> list[str]:
        """Return one sentence per broken plugin and per ambiguous name."""
        collisions = [c for registry in self.registries.values() for c in registry.collisions()]
        return [str(broken) for broken in self.broken] + collisions

    def new_problems(self) -> list[str]:
        """Return those of :meth:`problems` that this method has not returned before."""
        new = [problem for problem in self.problems() if problem not in self._said]
        self._said.update(new)
        return new

    @contextlib.contextmanager
    def _reporting(self, plugin: str, hook: str = "") -> Iterator[Callable[[], bool]]:
        """Report what a plugin raises in this block, which it does not leave.

        A plugin that wants to end the program is broken like any other; Ctrl-C is not its doing.
        """
        failures: list[BaseException] = []
        with telling_ctrl_c() as is_users:
            try:
                yield lambda: not failures
            except BaseException as error:
                if is_users(error):
                    raise
                failures.append(error)
                self.report(plugin, error, hook)

    def _implementations(self, hook: str, plugin: str) -> Iterator[Callable[..., None]]:
        for implementation in getattr(self.hooks.hook, hook).get_hookimpls():
            if implementation.plugin_name == plugin:
                yield implementation.function


def discover() -> Plugins:
    """Load the plugins of every installed distribution.

    Raises:
        PluginError: a plugin is broken or collides, and ``LTBENCH_PLUGINS_STRICT=1``.
    """
    plugins = Plugins()
    allowed = [name.strip() for name in os.environ.get("LTBENCH_PLUGINS", "").split(",")]
    wanted = {name for name in allowed if name}
    own_only = os.environ.get(NO_CODE, "0") not in ("", "0")
    for distribution, entry_point in _entry_points():
        owner, version = distribution.name, distribution.version
        if own_only and owner != OWN:
            logger.info(
                "plugin '%s' of %s: left out, as it is not ltbench's", entry_point.name, owner
            )
            continue
        if wanted and not ({entry_point.name, owner} & (wanted | {CORE})):
            logger.info("plugin '%s' of %s: not in LTBENCH_PLUGINS", entry_point.name, owner)
            continue
        module, failure = _imported(entry_point.load)
        name = _free_name(plugins, entry_point.name, owner)
        if failure is not None:
            plugins.fail(name, owner, version, failure)
        else:
            plugins.add(name, module, owner, version)
    for path in () if own_only else plugin_files():
        _add_file(plugins, path)
    logger.info("plugins: %s", ", ".join(plugins._sources))
    if os.environ.get("LTBENCH_PLUGINS_STRICT") == "1" and (problems := plugins.problems()):
        raise PluginError(problems[0])
    return plugins


@lru_cache(maxsize=1)
def get_plugins() -> Plugins:
    """Return the plugins of this process, discovered once."""
    return discover()


def _entry_points() -> Iterator[tuple[Distribution, EntryPoint]]:
    """Yield the entry points of the group with their distributions, in a fixed order."""
    found = [(e.dist, e) for e in entry_points(group=GROUP) if e.dist is not None]
    return iter(sorted(found, key=lambda pair: (pair[0].name, pair[1].name)))


def _add_file(plugins: Plugins, path: Path) -> None:
    """Take in a plugin that is a file; its distribution is its name and its version its content."""
    name, version = path.stem, "?"
    if name in plugins._sources:
        name = str(path)
    with contextlib.suppress(Exception):  # then it cannot be loaded either
        version = content_hash(path)
    module, failure = _imported(lambda: load_plugin_file(path))
    if failure is not None:
        plugins.fail(name, path.name, version, failure)
    else:
        plugins.add(name, module, path.name, version)


def _free_name(plugins: Plugins, name: str, owner: str) -> str:
    return f"{owner}:{name}" if name in plugins._sources else name


def _imported(load: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """Return a plugin's module, or what it raised: whatever that is, unless Ctrl-C."""
    with telling_ctrl_c() as is_users:
        try:
            return load(), None
        except BaseException as error:
            if is_users(error):
                raise
            return None, error


def _collector(
    entries: list[tuple[str, Entry]], kinds: str, kind: str, distribution: str, version: str
) -> Callable[..., None]:
    def register(
        name: str,
        target: str | object,
        *,
        summary: str = "",
        bases: Mapping[str, Mapping[str, str]] | None = None,
        every_evaluation: bool = True,
        **declared: str,
    ) -> None:
        if isinstance(target, str) and ":" not in target:
            raise PluginError(f"{kind} '{name}': target '{target}' is not 'module:attribute'")
        if not summary and not isinstance(target, str):
            summary = (inspect.getdoc(target) or "").partition("\n")[0]
        own = {name.replace("-", "_"): declared} if declared else {}
        measures = _measures(kind, name, {**(bases or {}), **own})
        if not isinstance(every_evaluation, bool) or not (every_evaluation or kind == "metric"):
            raise PluginError(
                f"{kind} '{name}': only a metric says every_evaluation=True or =False"
            )
        entry = Entry(
            kind, name, target, summary, distribution, version, measures, every_evaluation
        )
        entries.append((kinds, entry))

    return register


def _measures(kind: str, name: str, bases: Mapping[str, Mapping[str, str]]) -> dict[str, Measure]:
    if bases and kind != "metric":
        raise PluginError(f"{kind} '{name}': only a metric says what its values mean")
    try:
        return {base: Measure(**words) for base, words in bases.items()}
    except (TypeError, ValueError) as error:
        raise PluginError(f"metric '{name}': {error}") from error
