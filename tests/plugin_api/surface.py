"""What of ltbench is public, one line each, and whether the changelog knows of every change.

``python tests/plugin_api/surface.py`` writes ``public_surface.txt`` anew and its digest into
CHANGELOG.md, once the section "Unreleased" names everything that was added or taken away.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

HERE = Path(__file__).parent
SNAPSHOT = HERE / "public_surface.txt"
CHANGELOG = HERE.parents[1] / "CHANGELOG.md"
DIGEST = re.compile(r"<!-- public surface ([0-9a-f]{12}) -->")


def surface() -> list[str]:
    """Return the public names of this ltbench with their parameters, sorted."""
    return sorted({*_modules(), *_hooks(), *_commands()})


def digest(lines: list[str]) -> str:
    """Return twelve hexadecimal digits for a surface."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def snapshot() -> list[str]:
    """Return the surface as it was last written down."""
    return SNAPSHOT.read_text(encoding="utf-8").splitlines() if SNAPSHOT.exists() else []


def unreleased() -> str:
    """Return the section of the changelog on what is not released yet."""
    text = CHANGELOG.read_text(encoding="utf-8").partition("## [Unreleased]")[2]
    return re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]


def unsaid(lines: list[str], before: list[str], text: str) -> list[str]:
    """Return the changed lines whose last name stands nowhere in ``text``.

    What a class has is said with the class, where all of it is new or gone.
    """
    kept = {_name(line) for line in lines} & {_name(line) for line in before}
    return [
        line
        for line in sorted(set(lines) ^ set(before))
        if not _said(line, text) and not (_is_whole(line, kept) and _said(_class(line), text))
    ]


def _name(line: str) -> str:
    return line.partition("(")[0]


def _class(line: str) -> str:
    return _name(line).rpartition(".")[0]


def _is_whole(line: str, kept: set[str]) -> bool:
    """Return whether a line is of a class that is not in both surfaces."""
    return _class(line).rpartition(".")[2][:1].isupper() and _class(line) not in kept


def _said(line: str, text: str) -> bool:
    """Look for an option, or for the last part of a name without its parameters."""
    name = _name(line).split(" ")[-1]
    name = name if name.startswith("-") else name.rpartition(".")[2]
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _modules() -> Iterator[str]:
    for name in ("ltbench", "ltbench.api", "ltbench.testing"):
        module = importlib.import_module(name)
        for public in module.__all__:
            yield from _members(f"{name}.{public}", getattr(module, public))


def _members(name: str, value: object) -> Iterator[str]:
    """Yield a name and, of a class, its own public attributes."""
    yield f"{name}{_parameters(value)}"
    if inspect.isclass(value):
        own = {**vars(value), **getattr(value, "__annotations__", {})}
        for attribute, what in own.items():
            if not attribute.startswith("_"):
                what = getattr(what, "__func__", what)  # noqa: PLW2901
                yield f"{name}.{attribute}{_parameters(what) if callable(what) else ''}"


def _parameters(value: object) -> str:
    """Return the parameters of a function, or of a class that has a constructor of ltbench's."""
    made_by = value.__init__ if inspect.isclass(value) else value
    own = inspect.isfunction(made_by) and made_by.__module__.startswith("ltbench")
    return f"({', '.join(inspect.signature(value).parameters)})" if own else ""


def _hooks() -> Iterator[str]:
    from ltbench.plugins import hookspecs

    yield f"version {hookspecs.VERSION} of the hooks"
    for name, value in vars(hookspecs).items():
        if name.startswith("ltbench_"):
            yield f"hook {name}{_parameters(value)}"


def _commands() -> Iterator[str]:
    from ltbench.cli.main import COMMANDS, cli

    for command in COMMANDS:
        importlib.import_module(f"ltbench.cli.{command}").ltbench_commands(cli)
    own = click.Group("ltbench", params=cli.params)
    for command in COMMANDS:  # without what plugins add
        own.add_command(cli.commands[command])
    yield from _options("ltbench", own)


def _options(path: str, command: click.Command) -> Iterator[str]:
    yield path
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for name in (*parameter.opts, *parameter.secondary_opts):
                yield f"{path} {name}"
        else:
            yield f"{path} <{parameter.name}>"
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _options(f"{path} {name}", inner)


def main() -> None:
    """Write the snapshot, or say what the changelog does not."""
    lines, before = surface(), snapshot()
    missing = unsaid(lines, before, unreleased()) if before else []
    for line in missing:
        change = "added" if line in lines else "taken away"
        print(f"CHANGELOG.md does not say, under Unreleased, that this was {change}: {line}")
    if missing:
        sys.exit(1)
    text = CHANGELOG.read_text(encoding="utf-8")
    mark = f"<!-- public surface {digest(lines)} -->"
    if not DIGEST.search(text):
        text = text.replace("## [Unreleased]\n", f"## [Unreleased]\n\n{mark}\n", 1)
    CHANGELOG.write_text(DIGEST.sub(mark, text, count=1), encoding="utf-8")
    SNAPSHOT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
