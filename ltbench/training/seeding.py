"""Seeds derived from a run's seed, one for every purpose."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed in 0…2^63-1 that depends on the run's seed and the purpose alone.

    Args:
        seed: the run's seed.
        purpose: what it is for, for example ``("crt", "step", 17)``.
    """
    text = "\0".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_torch(seed: int, *purpose: str | int) -> None:
    """Seed torch's global generators on every device for one purpose.

    Weights, dropout and plugins draw from them; seeding anew for every step makes what they draw
    a function of the seed and the step, with nothing to save in a checkpoint.
    """
    value = derive_seed(seed, *purpose)
    # What torch.manual_seed does, which takes longer than a small step where there is no
    # accelerator: it then formats a stack trace for each kind that there might be.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(value)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(value)


def seed_everything(seed: int, *purpose: str | int) -> None:
    """Seed the global generators of torch, numpy and Python for one purpose.

    Nothing of the suite draws from the last two. A plugin that does draws in every process what it
    draws in a new one, whatever was run there before.
    """
    seed_torch(seed, *purpose)
    value = derive_seed(seed, *purpose)
    random.seed(value)
    np.random.seed(value % 2**32)
