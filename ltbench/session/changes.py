"""What was run before under the same names, and with what it differs from what is asked for now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.untrusted import UnreadableRun, clean, read_json
from ltbench.session.plan import Plan
from ltbench.training.plugin_versions import own_code

_NAMED = 4  # methods that a sentence names


def changes(plan: Plan) -> list[str]:
    """Return one sentence on each thing that changed since runs of a plan's methods were made.

    Images and plugins are part of what a run is: those runs stay, as other runs. ltbench's own code
    is not: they count as done.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for spec in {(spec.dataset.name, spec.hash): spec for spec in plan.specs}.values():
        name = f"{spec.label} on {spec.dataset_name}"
        for cause in _others(spec, plan.out):
            found[f"{cause}: they stay, and count as other runs"].add(name)
        if _by_other_code(spec, plan.out):
            found[
                "ltbench's own code was another: they count as done; another --out trains all of "
                "them by the code that is here"
            ].add(name)
    return [
        f"There are runs of {_listed(sorted(names))} for which {c}" for c, names in found.items()
    ]


def _others(spec: RunSpec, out: Path) -> Iterator[str]:
    """Yield why runs of the same names are others, each cause once."""
    here, causes = spec.identity(), dict[str, None]()
    for folder in sorted(spec.folder(out).parent.parent.glob("*/seed-*")):
        if folder.parent.name == spec.hash or not RunFolder(folder).done:
            continue
        try:
            there = (read_json(folder / "spec.json") or {})["identity"]
            if _names(there, spec) == _names(here, spec):
                causes |= dict.fromkeys(_causes(there, here))
        except (UnreadableRun, KeyError, TypeError, AttributeError, ValueError):
            continue  # whatever it is, it is no run of this
    yield from causes


def _names(identity: Mapping[str, Any], spec: RunSpec) -> str:
    """Return what stands for an identity without the content of its images and plugins."""
    dataset = dict(identity["dataset"])
    dataset.pop("images", None)
    options = dataset["options"].items()
    dataset["options"] = {key: value for key, value in options if key not in spec.places}
    named = {key: value for key, value in identity.items() if key != "plugins"}
    return canonical_hash(named | {"dataset": dataset})


def _causes(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    before, now = there["dataset"].get("images"), here["dataset"].get("images")
    if before != now:
        yield (
            "the images were others, under the same names"
            if before
            else ("nobody noted what the images held")
        )
    plugins, current = there.get("plugins", {}), here.get("plugins", {})
    for name in sorted(plugins.keys() | current.keys()):
        if (old := plugins.get(name, "absent")) != (new := current.get(name, "absent")):
            yield f"the plugin {clean(name)} was {clean(str(old))}, and is {new} here"


def _by_other_code(spec: RunSpec, out: Path) -> bool:
    """Return whether the first run of a setting that is done was made by other code of ltbench."""
    for folder in sorted(spec.folder(out).parent.glob("seed-*")):
        if RunFolder(folder).done:
            try:
                environment = (read_json(RunFolder(folder).result) or {}).get("environment")
            except UnreadableRun:
                return False
            code = environment.get("code") if isinstance(environment, dict) else None
            return code is not None and code != own_code(spec)
    return False


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    *first, last = names[:_NAMED] + more
    return f"{', '.join(first)} and {last}" if first else last
