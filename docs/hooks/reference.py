"""The reference, rendered from the program: nothing of it is written by hand or committed."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import click
import numpy as np
from docstrings import as_markdown, constants, first_line, inline, source_of
from signatures import described

import ltbench
from ltbench import api, testing
from ltbench.cli import main as program
from ltbench.lazy import homes_of
from ltbench.plugins import hookspecs
from ltbench.plugins.description import Description, describe_entry, describe_parameters
from ltbench.plugins.facts import Facts
from ltbench.plugins.manager import KINDS, get_plugins
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.registry import Entry
from ltbench.python.network import Network
from ltbench.python.shown import Shown
from ltbench.results.protocol import Protocol, protocol_settings
from ltbench.session.protocols import own_protocols

OWN = "ltbench"  # what other distributions register stays out, wherever the pages are built
TITLES = {
    "algorithms": "Algorithms",
    "modifiers": "Modifiers",
    "stages": "Stages",
    "datasets": "Data sets",
    "backbones": "Backbones",
    "protocols": "Protocols",
    "presets": "Presets",
    "augmentations": "Augmentations",
    "metrics": "Metrics",
    "executors": "Executors",
    "observers": "Observers",
    "figures": "Figures",
    "tables": "Tables",
}
TUTORIALS = {"algorithms": "algorithm", "modifiers": "modifier", "stages": "stage",
             "datasets": "dataset", "backbones": "backbone", "protocols": "protocol",
             "presets": "protocol", "augmentations": "augmentation", "metrics": "metric",
             "executors": "executor", "observers": "observer", "figures": "figure",
             "tables": "table"}  # fmt: skip
OPENINGS = {
    "algorithms": "Names for `--algo`. What each shares and where it deviates from its paper: "
    "[long-tail](../algorithms/longtail.md), [domain](../algorithms/domains.md) and "
    "[MDLT](../algorithms/mdlt.md) algorithms.",
    "modifiers": "Names after an at sign, `--algo erm@ema`; more on "
    "[modifiers](../algorithms/modifiers.md).",
    "stages": "Names after a plus, `--algo boda+crt`; more on [stages](../algorithms/stages.md).",
    "datasets": "Names for `--dataset`; more on [data](../data.md).",
    "backbones": "Names for `--backbone`. Any other model of timm is known by timm's own name.",
    "protocols": "Names for `--protocol`, with settings in brackets where others are meant; what a "
    "data set's own facts call so comes first. Their [settings](protocol.md).",
    "presets": "Names for `--preset`; more on [presets](../presets.md).",
    "augmentations": "Names for `--augmentation`, which `>` joins to a chain; more on "
    "[augmentation](../data.md#augmentation).",
    "metrics": "For `--metrics` a column is named by one of the names that a metric gives. "
    "[Metrics](../metrics.md) compares them.",
    "executors": "Names for `--executor`; more on [clusters](../clusters.md).",
    "observers": "Names for `--observer`; more on [trackers](../observers.md).",
    "figures": "Names for `ltbench figures`; more on [figures](../figures.md).",
    "tables": "Names for `ltbench tables`; more on [tables](../figures.md).",
}


def pages() -> dict[str, str]:
    """Return the Markdown of every page of the reference, by its path below ``reference/``."""
    kinds = {f"{kinds}.md": _kind_page(kinds) for kinds in KINDS}
    return {
        **kinds,
        "metrics.md": _metrics_page(),
        "protocol.md": _protocol_page(),
        "commands.md": _commands_page(),
        "hooks.md": _hooks_page(),
        "python.md": _python_page(),
        "api.md": _module_page(api),
        "testing.md": _module_page(testing),
    }


def commands() -> click.Group:
    """Return the whole command line, as ``ltbench`` itself builds it, without plugins' commands."""
    own = copy.copy(program.cli)
    own.commands = {}
    for name in program.COMMANDS:
        importlib.import_module(f"ltbench.cli.{name}").ltbench_commands(own)
    tables, context = own.commands["tables"], click.Context(own)
    assert isinstance(tables, click.Group)
    found = {entry.name: tables.get_command(context, entry.name) for entry in entries("tables")}
    own.add_command(click.Group("tables", found, help=tables.help))
    return own


def entries(kinds: str) -> list[Entry]:
    """Return what the project itself registers as one kind."""
    return [entry for entry in get_plugins()[kinds] if entry.distribution == OWN]


def _kind_page(kinds: str) -> str:
    listed = entries(kinds)
    parts = [f"# {TITLES.get(kinds, kinds.capitalize())}", OPENINGS.get(kinds, "")]
    if kinds in TUTORIALS:
        parts.append(f"To add one: [tutorial](../tutorials/{TUTORIALS[kinds]}.md).")
    rows = [[f"[`{e.name}`](#{_anchor(e.name)})", _plain(e.summary)] for e in listed]
    parts.append(_table(["name", "what"], rows))
    describe = _dataset if kinds == "datasets" else _description
    parts += [describe(entry) for entry in listed]
    return "\n\n".join(filter(None, parts)) + "\n"


def _description(entry: Entry) -> str:
    found = describe_entry(entry)
    parts = [_heading(found.name), f"*{_plain(found.summary)}*", as_markdown(found.text)]
    if found.needs:
        parts.append(f"Needs: {', '.join(found.needs)}.")
    parts.append(_parameters(found))
    return "\n\n".join(filter(None, parts))


def _dataset(entry: Entry) -> str:
    found = describe_entry(entry)
    parts = [_heading(found.name), f"*{_plain(found.summary)}*", as_markdown(found.text)]
    facts = _facts(entry)
    if facts is not None:
        names = ", ".join(facts.domains)
        if len(facts.domains) > 1:
            parts.append(f"{len(facts.domains)} domains ({names}), {len(facts.classes)} classes.")
        elif facts.classes:
            parts.append(f"{len(facts.classes)} classes, one domain.")
        parts.append(f"Shots, in training images of a pair: {facts.shots.words}.")
        rows = [
            [f"`{name}`", str(p.get("backbone", "")), _amount(p), f"{p.get('lr', ''):g}"]
            for name, p in own_protocols(facts).items()
        ]
        parts.append(_table(["protocol", "backbone", "training", "learning rate"], rows))
        if facts.licence:
            parts.append(f"Licence: {facts.licence}.")
    parts.append(_parameters(found))
    return "\n\n".join(filter(None, parts))


def _facts(entry: Entry) -> Facts | None:
    from ltbench.plugins.facts import registry_facts

    try:
        return registry_facts(entry.name)
    except Exception:  # a data set whose facts are not in the registry, but in the user's folder
        return None


def _amount(protocol: dict[str, Any]) -> str:
    for unit in ("steps", "epochs"):
        if unit in protocol:
            return f"{protocol[unit]} {unit}"
    return ""


def _parameters(found: Description) -> str:
    rows = [
        [f"`{p.name}`", f"`{p.default}`", p.allowed, p.search or "–", inline(p.help)]
        for p in found.parameters
    ]
    return _table(["parameter", "default", "allowed", "search", "what"], rows)


def _metrics_page() -> str:
    rows, parts = [], []
    for entry in entries("metrics"):
        function = entry.load()
        names = ", ".join(f"`{name}`" for name in function(_some_predictions()))
        rows.append([f"[`{entry.name}`](#{_anchor(entry.name)})", _plain(entry.summary), names])
        when = "at every evaluation" if entry.every_evaluation else "of the chosen model alone"
        given = f"Computed {when}. Gives {names}."
        parts += [_heading(entry.name), as_markdown(function.__doc__), given]
    opening = [
        "# Metrics",
        OPENINGS["metrics"],
        "To add one: [tutorial](../tutorials/metric.md). *Average* and *worst* are the mean and "
        "the minimum over domains; a value is missing, never 0, where there are no images for it.",
        _table(["name", "what", "gives"], rows),
    ]
    return "\n\n".join(opening + parts) + "\n"


def _protocol_page() -> str:
    rows = []
    for p in describe_parameters(Protocol):
        if setting := protocol_settings().get(p.name):
            option = f"{setting.option}` / `{setting.off}" if p.type == "bool" else setting.option
            rows.append([f"`{p.name}`", f"`{option}`", f"`{p.default}`", p.allowed, inline(p.help)])
    opening = [
        "# Protocol settings",
        "A protocol is everything of training that is not the algorithm's. Each setting is an "
        "option of `ltbench run` and `ltbench tune`, a key of a [sweep file](../sweeps.md) (the "
        "option without its dashes), a key of a data set's [protocols](../data.md#protocols), "
        "and part of a run's identity. What is not typed is the data set's protocol's; what "
        "that leaves open has the default below. `ltbench data info` prints both.",
        as_markdown(_after_first(Protocol.__doc__)),
        _table(["setting", "option", "default", "allowed", "what"], rows),
    ]
    return "\n\n".join(opening) + "\n"


def _some_predictions() -> Predictions:
    """Return answers on a few images, to ask a metric for the names that it gives."""
    y = np.arange(8) % 2
    return Predictions(
        y=y, d=np.arange(8) // 4, prediction=y, confidence=np.full(8, 0.9), nll=np.full(8, 0.1),
        counts=np.array([[3, 1], [0, 2]]), many=2, few=1,
    )  # fmt: skip


def _commands_page() -> str:
    group = commands()
    context = click.Context(group, info_name="ltbench", **group.context_settings)
    return "\n\n".join(
        [
            "# Commands",
            "The same text as `--help` prints. Exit codes: 0 done, 1 some run failed, 2 wrong "
            "usage, 130 stopped by Ctrl-C.",
            *_command(group, context, 2),
        ]
    )


def _command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * min(level, 4)} {context.command_path}"
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b\nExamples:\n")
    if not examples:
        text, _, examples = inspect.cleandoc(command.help or "").partition("Examples:\n")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```"
    yield from _help_paragraphs(text)
    if examples.strip():
        yield f"```bash\n{inspect.cleandoc(' ' * 2 + examples.strip())}\n```"
    rows = [
        [f"`{names}`", inline(what).replace("|", "\\|")]
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) is not None
        for names, what in [record]
        if what  # an argument is explained in the text
    ]
    yield _table(["option", "what"], rows)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            if sub is not None and not sub.hidden:
                inner = click.Context(sub, info_name=name, parent=context)
                yield from _command(
                    sub, inner, level + 1 if level > 2 else 2 + bool(context.parent)
                )


def _help_paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield f"```text\n{paragraph[2:]}\n```"
        elif paragraph:
            yield inline(paragraph)


def _hooks_page() -> str:
    registering, commanding, observing = [], [], []
    for name, hook in hooks().items():
        parameters = list(inspect.signature(hook).parameters)
        if "register" in parameters:
            registering.append(name)
        elif "cli" in parameters:
            commanding.append(name)
        else:
            observing.append(name)
    parts = [
        "# Hooks",
        "A plugin is a module (or any object) with functions of these names, marked with "
        "`ltbench.hookimpl`. A function may leave out arguments that it does not need.",
        as_markdown(_after_first(hookspecs.__doc__)),
        "## Registering",
        '`register(name, target, summary=…)` adds one thing; `target` is `"module:attribute"`, '
        "imported when it is first used, or the object itself.",
        *(_hook(name) for name in registering),
        "## Commands",
        *(_hook(name) for name in commanding),
        "## Observing",
        "How to watch a sweep: [tutorial](../tutorials/observer.md).",
        *(_hook(name) for name in observing),
    ]
    return "\n\n".join(parts) + "\n"


def hooks() -> dict[str, Callable[..., Any]]:
    """Return every hook specification by name, in the order of the source."""
    found = vars(hookspecs).items()
    return {name: value for name, value in found if name.startswith("ltbench_")}


def _hook(name: str) -> str:
    hook = hooks()[name]
    arguments = ", ".join(inspect.signature(hook).parameters)
    kinds = name.removeprefix("ltbench_")
    more = TUTORIALS.get(kinds, "command" if kinds == "commands" else "")
    link = f"[Tutorial](../tutorials/{more}.md)." if more else ""
    code = f"```python\n@hookimpl\ndef {name}({arguments}): ...\n```"
    return "\n\n".join(filter(None, [f"### {name}", code, as_markdown(hook.__doc__), link]))


def _python_page() -> str:
    """Return what ``import ltbench`` offers, and what its calls give."""
    offered = {
        "ltbench.run": ltbench.run,
        "ltbench.load": ltbench.load,
        "Runs": ltbench.Runs,
        "Run": ltbench.Run,
        "Shown": Shown,
        "Network": Network,
    }
    rows = [[f"[`{n}`](#{_anchor(n)})", first_line(v.__doc__)] for n, v in offered.items()]
    parts = [
        "# Python",
        "What `import ltbench` offers; [From Python](../python.md) shows it at work. `Shown` is "
        "what tables come as, and `Network` what `Run.model` gives.",
        _table(["name", "what"], rows),
    ]
    parts += [f"{_heading(n)}\n\n{described(n, v)}" for n, v in offered.items()]
    return "\n\n".join(parts) + "\n"


def _module_page(module: ModuleType) -> str:
    rows = [[f"[`{n}`](#{_anchor(n)})", _line(module, n)] for n in sorted(module.__all__)]
    parts = [f"# {module.__name__}", as_markdown(module.__doc__), _table(["name", "what"], rows)]
    parts += [_entry(module, name) for name in sorted(module.__all__)]
    return "\n\n".join(parts) + "\n"


def _line(module: ModuleType, name: str) -> str:
    home, value = _home(module, name), getattr(module, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return first_line(value.__doc__)
    return first_line(constants(home).get(name)) or f"`{source_of(home, name)}`".replace("|", "\\|")


_homes = functools.cache(homes_of)  # parses the module


def _home(module: ModuleType, name: str) -> ModuleType:
    return importlib.import_module(_homes(module.__name__)[name])


def _entry(module: ModuleType, name: str) -> str:
    value, home = getattr(module, name), _home(module, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"{_heading(name)}\n\n{described(name, value)}"
    parts = [_heading(name), f"```python\n{source_of(home, name) or name}\n```"]
    parts.append(as_markdown(constants(home).get(name)))
    return "\n\n".join(filter(None, parts))


def _after_first(text: str | None) -> str:
    return inspect.cleandoc(text or "").partition("\n\n")[2]


def _plain(text: str) -> str:
    """Return text in which Markdown finds nothing to mark."""
    return re.sub(r"([*_<|`\[])", r"\\\1", text).replace("\\<", "&lt;")


def _heading(name: str) -> str:
    return f"## {name} {{ #{_anchor(name)} }}"


def _anchor(name: str) -> str:
    return name.lower().replace("_", "-")


def _table(header: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(' '.join(c.split()) for c in row)} |" for row in lines)


if __name__ == "__main__":
    print(json.dumps(pages(), indent=1, ensure_ascii=False))
