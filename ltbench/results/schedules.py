"""Courses of the learning rate, as pure functions of how much of the training is done.

``constant``, ``step`` and ``cosine`` are those of the protocols of the literature; ``tanh``,
``poly`` and ``wsd`` are timm's schedulers of these names, with timm's defaults. ``plateau`` drops
the rate where the validation score stops rising.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ltbench.results.protocol import Protocol

SCHEDULES = ("constant", "step", "cosine", "plateau", "tanh", "wsd", "poly")
TANH_FROM, TANH_TO = -7.0, 3.0
WSD_DECAY = 0.2
"""Share of the training in which ``wsd``, warm-up, stable, decay, decays."""


def schedule_factor(protocol: Protocol, done: float, drops: int = 0) -> float:
    """Return the factor on the learning rate after the warm-up.

    What falls smoothly falls to the least factor at the end; what drops does not drop below it.

    Args:
        protocol: names the schedule and has its settings.
        done: share of the whole training that is done, from the warm-up's to below 1.
        drops: of ``plateau``.
    """
    least = protocol.min_lr
    if protocol.schedule == "step":
        drops = sum(done >= share for share in protocol.decay_at)
    if protocol.schedule in ("step", "plateau"):
        return max(least, float(protocol.decay**drops))
    if protocol.schedule not in _FALLING:
        return 1.0
    share = (done - protocol.warmup) / (1 - protocol.warmup)
    factor = _FALLING[protocol.schedule](share, protocol.power)
    return least + (1 - least) * factor if least else factor


def _cosine(share: float, _: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _tanh(share: float, _: float) -> float:
    return 0.5 * (1 - math.tanh(TANH_FROM * (1 - share) + TANH_TO * share))


def _poly(share: float, power: float) -> float:
    return float((1 - share) ** power)


def _wsd(share: float, _: float) -> float:
    return 1 - math.sqrt(max(0.0, share - (1 - WSD_DECAY)) / WSD_DECAY)


_FALLING: Mapping[str, Callable[[float, float], float]] = {
    "cosine": _cosine,
    "tanh": _tanh,
    "poly": _poly,
    "wsd": _wsd,
}
