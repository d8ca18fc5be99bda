"""Whether what ltbench stands on is installed, fits together and can be imported."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    entry_points,
    version,
)

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from ltbench import __version__
from ltbench.plugins.manager import GROUP, OWN, get_plugins
from ltbench.plugins.origin import LIBRARIES, git_revision
from ltbench.session.checks import BAD, OK, WARN, Check
from ltbench.session.hardware import built_for


def installation_checks() -> Iterator[Check]:
    """Yield ltbench, Python, the libraries, the extras, the plugins and their requirements."""
    from ltbench.training.plugin_versions import core_code

    revision = git_revision()
    yield Check("ltbench", OK, f"{__version__}{f' at {revision}' if revision else ''}")
    yield Check("code", OK, core_code())
    yield Check("python", OK, f"{platform.python_version()}, {platform.platform()}")
    yield from map(_library, LIBRARIES)
    if (built := built_for()) is not None:
        yield Check("torch for", OK, built or "no CUDA, ROCm or XPU")
    yield from _extras()
    yield from _plugins()
    yield from _requirements()


def _library(name: str) -> Check:
    try:
        return Check(name, OK, version(name))
    except PackageNotFoundError:
        return Check(name, BAD, "is not installed", f"pip install {name}")


def _extras() -> Iterator[Check]:
    """Yield which extras of ltbench are here; an extra that is not is no fault."""
    own = _own()
    if own is None:
        return
    here = []
    for extra in own.metadata.get_all("Provides-Extra") or ():
        wanted = list(_required(own, extra))
        absent = [str(one) for one in wanted if _installed(one.name) is None]
        if not absent:
            here += [extra] if wanted else []
            continue
        there = len(wanted) - len(absent)
        yield Check(
            f"extra {extra}",
            WARN if there else OK,
            f"{'half here' if there else 'not here'}: {', '.join(absent)}",
            f"pip install 'ltbench[{extra}]' if you want it",
        )
    if here:
        yield Check("extras", OK, ", ".join(here))


def _plugins() -> Iterator[Check]:
    """Yield the plugins that failed, and names that two of them have."""
    plugins = get_plugins()
    for broken in plugins.broken:
        yield Check(
            f"plugin {broken.plugin}",
            BAD,
            f"of {broken.distribution} {broken.version} failed: {broken.cause}",
            f"upgrade {broken.distribution}, or remove it; ltbench -v doctor shows where it failed",
        )
    failed = {str(broken) for broken in plugins.broken}
    for collision in set(plugins.problems()) - failed:
        yield Check("plugin names", WARN, collision, "remove one of the two")
    others = sorted({f"{dist.name} {dist.version}" for dist in _plugin_distributions()})
    yield Check("plugins", OK, ", ".join(others) or "none but ltbench's own")


def _requirements() -> Iterator[Check]:
    """Yield what is asked for and not here, or in another version, as ``pip check`` does."""
    own = _own()
    if own is None:
        yield Check(
            "requirements",
            WARN,
            "nothing is known of them: ltbench was not installed",
            "pip install . (or -e .) where its pyproject.toml is",
        )
        return
    conflicts = list(_conflicts([own, *_plugin_distributions()]))
    for sentence, command in conflicts:
        yield Check("requirements", BAD, sentence, command)
    if not conflicts:
        yield Check("requirements", OK, "all there, in versions that fit together")


def _conflicts(start: Iterable[Distribution]) -> Iterator[tuple[str, str]]:
    """Yield a sentence on each conflict below some distributions, and what to type."""
    waiting, seen = list(start), set()
    while waiting:
        dist = waiting.pop()
        if dist.name in seen:
            continue
        seen.add(dist.name)
        for wanted in _required(dist):
            found = _installed(wanted.name)
            if found is None:
                yield f"{dist.name} needs {wanted}, which is not here", f"pip install '{wanted}'"
                continue
            if not _fits(wanted, found.version):
                yield (
                    f"{dist.name} {dist.version} needs {wanted.name}{wanted.specifier}, and "
                    f"{found.version} is here",
                    f"pip install '{wanted.name}{wanted.specifier}'",
                )
            waiting.append(found)


def _required(dist: Distribution, extra: str = "") -> Iterator[Requirement]:
    """Yield what a distribution asks for on this machine: always, or for one of its extras."""
    for text in dist.requires or ():
        try:
            wanted = Requirement(text)
        except InvalidRequirement:  # of a time before the standard
            continue
        always = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if extra:
            if not always and wanted.marker and wanted.marker.evaluate({"extra": extra}):
                wanted.marker = None
                yield wanted
        elif always:
            wanted.marker = None
            yield wanted


def _fits(wanted: Requirement, there: str) -> bool:
    try:
        return wanted.specifier.contains(there, prereleases=True)
    except InvalidVersion:  # of a time before the standard: nothing is known
        return True


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _own() -> Distribution | None:
    return _installed(OWN)


def _plugin_distributions() -> list[Distribution]:
    """Return the distributions that bring plugins, but ltbench's."""
    found = {e.dist.name: e.dist for e in entry_points(group=GROUP) if e.dist is not None}
    return [dist for name, dist in found.items() if name != OWN]
