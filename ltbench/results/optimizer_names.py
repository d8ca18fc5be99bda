"""Which optimisers there are: torch's, and timm's, which are read from its files.

To import timm takes seconds. It registers its optimisers as ``OptimInfo(name='lamb', …)`` since
1.0.12, some under other names too; before, its factory compared names (``opt_lower == 'lamb'``).
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

OF_TORCH = ("adam", "adamw", "sgd")
"""Those that are torch's own, with torch's defaults; timm's ``sgd`` is ``nesterov`` here."""

_NAME = re.compile(r"OptimInfo\(\s*(?:name=)?'(\w+)'|register_alias\('(\w+)'|opt_lower == '(\w+)'")


@cache
def optimizer_names() -> tuple[str, ...]:
    """Return the names of all optimisers, torch's first."""
    spec = importlib.util.find_spec("timm")
    folder = Path(spec.origin).parent / "optim" if spec and spec.origin else Path("nowhere")
    found: set[str] = set()
    for path in folder.glob("*optim_factory.py"):
        text = path.read_text(encoding="utf-8", errors="replace")
        found |= {next(filter(None, names)) for names in _NAME.findall(text)}
    return (*OF_TORCH, *sorted(found - set(OF_TORCH)))
