"""What the reference says of a class or a function: its signature, its docstring, its members."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from docstrings import as_markdown


def described(name: str, value: Callable[..., Any]) -> str:
    """Return what stands below the heading of a function, or of a class and what it has."""
    word = "class" if inspect.isclass(value) else "def"
    code = f"```python\n{word} {name.rpartition('.')[2]}{signature(value)}\n```"
    parts = [code, as_markdown(value.__doc__)]
    if inspect.isclass(value):
        parts += list(_members(value))
    return "\n\n".join(filter(None, parts))


def _members(cls: type) -> Iterator[str]:
    for name, value in vars(cls).items():
        plain = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if name.startswith("_") or not inspect.isfunction(plain) or not plain.__doc__:
            continue
        if isinstance(value, property):
            yield f"### {cls.__name__}.{name}\n\n{as_markdown(plain.__doc__)}"
            continue
        code = f"```python\ndef {name}{signature(plain)}\n```"
        yield f"### {cls.__name__}.{name}()\n\n{code}\n\n{as_markdown(plain.__doc__)}"


def signature(function: Callable[..., Any]) -> str:
    """Return a signature with the annotations as they are written, one argument a line if long."""
    try:
        found = inspect.signature(function)
    except (ValueError, TypeError):
        return ""
    arguments, stars = list[str](), False
    for p in found.parameters.values():
        stars |= p.kind == p.VAR_POSITIONAL
        if p.kind == p.KEYWORD_ONLY and not stars:
            arguments, stars = [*arguments, "*"], True
        arguments.append(_argument(p))
    returned = found.return_annotation
    end = "" if returned is inspect.Signature.empty else f" -> {returned}"
    if inspect.isclass(function):
        end = ""
    line = f"({', '.join(arguments)}){end}"
    return line if len(line) < 80 else "(\n    " + ",\n    ".join(arguments) + f",\n){end}"


def _argument(p: inspect.Parameter) -> str:
    plain = str(p.replace(default=p.empty)).replace("'", "")
    if p.default is p.empty:
        return plain
    default = p.default.__name__ if callable(p.default) else repr(p.default)
    if " at 0x" in default:  # an object that does not say how it is made
        default = "…"
    return f"{plain} = {default}" if p.annotation is not p.empty else f"{plain}={default}"
