"""Writes a plugin project from templates."""

from __future__ import annotations

import importlib.util
import keyword
import re
from dataclasses import dataclass
from pathlib import Path

import ltbench.api
from ltbench import __version__
from ltbench.errors import UsageError
from ltbench.plugins.hookspecs import VERSION
from ltbench.plugins.manager import KINDS, get_plugins
from ltbench.plugins.names import Name, parse_name
from ltbench.plugins.text import visible

HOOKS = {
    "algorithm": "ltbench_algorithms",
    "dataset": "ltbench_datasets",
    "stage": "ltbench_stages",
    "metric": "ltbench_metrics",
    "augmentation": "ltbench_augmentations",
    "modifier": "ltbench_modifiers",
}
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "{package}/__init__.py": "__init__.py",
    "{package}/plugin.py": "plugin.py",
    "{package}/{kind}.py": "{kind}/code.py",
    "tests/test_{package}.py": "{kind}/tests.py",
}
"""What a project holds, and the template of each file."""


@dataclass(frozen=True)
class Project:
    """The names in a project.

    Attributes:
        kind: ``algorithm``, ``dataset``, ``stage``, ``metric``, ``augmentation`` or
            ``modifier``.
        name: what a user types.
        package: what Python imports.
        cls: of the class in it.
    """

    kind: str
    name: str
    package: str
    cls: str


def write_project(kind: str, name: str, into: Path) -> Path:
    """Write the project ``into/name`` and return its folder.

    Raises:
        UsageError: the name cannot be used, the folder is there already or cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    project = name_project(kind, name)
    folder = into / name
    if folder.exists():
        raise UsageError(f"{folder} is there already: choose another NAME, or another --into")
    templates = Environment(
        loader=PackageLoader("ltbench.plugins"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    facts = {**vars(project), "hook": HOOKS[kind], "hooks_version": VERSION, "ltbench": __version__}
    contents = {
        target.format(**vars(project)): templates.get_template(
            f"{source.format(**vars(project))}.j2"
        ).render(facts)
        for target, source in FILES.items()
    }
    try:
        for target, text in contents.items():
            path = folder / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}; choose another --into"
        ) from error
    return folder


def name_project(kind: str, name: str) -> Project:
    """Return the names in a project.

    Raises:
        UsageError: the name breaks the grammar of names, is no name for Python, or is taken.
    """
    try:
        plain = parse_name(name) == Name(name)
    except UsageError:
        plain = False
    if not plain:
        raise UsageError(
            f"'{visible(name)}' is not a plain name: leave out the brackets"
            if "[" in name
            else f"'{visible(name)}' is not a name: begin with a letter and use letters, digits "
            "and hyphens"
        )
    package = re.sub(r"[-.]+", "_", name).lower()
    parts = re.split(r"[-._]+", name)
    cls = "".join(part[:1].upper() + part[1:] for part in parts)
    if not package.isidentifier() or name[-1] in "-._":
        raise UsageError(
            f"'{name}' cannot be a Python package: begin with a letter and use letters, digits and "
            "hyphens"
        )
    if keyword.iskeyword(package) or keyword.issoftkeyword(package) or keyword.iskeyword(cls):
        raise UsageError(f"'{name}' is a word of Python's own: choose another, my-{name} perhaps")
    if {cls, cls.removesuffix("HParams")} & set(dir(ltbench.api)):
        raise UsageError(f"'{name}' is a word of ltbench's own: choose another, my-{name} perhaps")
    plugins = get_plugins()
    for kinds, known in KINDS.items():
        if name in plugins[kinds]:
            taken = plugins[kinds].spelled(name)
            entry = next(entry for entry in plugins[kinds] if entry.name == taken)
            raise UsageError(
                f"the name '{taken}' is taken by the {known} of {entry.distribution} "
                f"{entry.version}: choose another"
            )
    if importlib.util.find_spec(package) is not None:
        raise UsageError(
            f"Python has a package '{package}' here already: choose another name, my-{name} perhaps"
        )
    return Project(kind, name, package, cls)
