"""Which optimisers there are: torch's, and timm's, which are read from its files.

To import timm takes seconds. It registers its optimisers as ``OptimInfo(name='lamb', …)``, some
under other names too.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

OF_TORCH = ("adam", "adamw", "sgd")
"""Those that are torch's own, with torch's defaults; timm's ``sgd`` is ``nesterov`` here."""

_FILE = "_optim_factory.py"
_NAME = re.compile(r"OptimInfo\(\s*(?:name=)?'(\w+)'|register_alias\('(\w+)'")


@cache
def optimizer_names() -> tuple[str, ...]:
    """Return the names of all optimisers, torch's first."""
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.origin is None:
        return OF_TORCH
    path = Path(spec.origin).parent / "optim" / _FILE
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = {name or alias for name, alias in _NAME.findall(text)}
    return (*OF_TORCH, *sorted(found - set(OF_TORCH)))
