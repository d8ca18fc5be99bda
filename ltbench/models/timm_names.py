"""Which models timm has, read from its files: importing it takes seconds, for torch comes with it.

timm registers a model by a decorator, ``@register_model``, above a function of the model's name.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_REGISTERED = re.compile(r"^@register_model\s+def (\w+)\(", re.M)


def is_timm_model(name: str) -> bool:
    """Return whether timm builds a model of this name, which may end in a tag of its weights.

    timm is imported only where its files leave that open: the name is there, but not where the
    models of today are registered.
    """
    word = name.partition(".")[0]
    if "timm" not in sys.modules:
        if word in timm_models():
            return True
        pattern = re.compile(rf"\b{re.escape(word)}\b")
        if not word.isidentifier() or not any(map(pattern.search, _texts())):
            return False
    import timm

    return bool(timm.is_model(name))


@lru_cache(maxsize=1)
def timm_models() -> tuple[str, ...]:
    """Return the names of timm's models, sorted, without those that it keeps for old code."""
    return tuple(sorted({name for text in _texts() for name in _REGISTERED.findall(text)}))


def _texts() -> Iterator[str]:
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.origin is None:
        return
    for path in sorted((Path(spec.origin).parent / "models").glob("*.py")):
        yield path.read_text(encoding="utf-8", errors="replace")
