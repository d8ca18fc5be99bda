"""In which numbers, and in which order in memory, a network computes.

The order is a part of what a run is only where it is not the one that its device had before there
was a choice: then runs of before are the runs that they were.
"""

from __future__ import annotations

from dataclasses import dataclass

from ltbench.errors import UsageError
from ltbench.plugins.text import visible

AUTO = "auto"
PRECISIONS = ("fp32", "bf16", "fp16")
MEMORY_FORMATS = ("contiguous", "channels-last")


@dataclass(frozen=True)
class Arithmetic:
    """How a network computes.

    Attributes:
        precision: one of :data:`PRECISIONS`.
        memory_format: one of :data:`MEMORY_FORMATS`, of weights and maps of features.
    """

    precision: str = "fp32"
    memory_format: str = "contiguous"

    def __str__(self) -> str:
        return f"{self.precision} {self.memory_format}"


PLAIN = Arithmetic()
"""What everything else must be faster than."""
EVERY = tuple(Arithmetic(p, f) for p in ("fp32", "bf16") for f in MEMORY_FORMATS)
"""Every way that ``auto`` may choose, the plainest first; not every algorithm can do with fp16."""


def usual_format(device: str) -> str:
    """Return the memory format of a device's runs that name none.

    Tensor cores want the channels last; the group normalisation of processors was slow with it.
    """
    return "channels-last" if device.startswith("cuda") else "contiguous"


def recorded_format(memory_format: str, device: str) -> str:
    """Return what a run's identity holds of a memory format: nothing of the device's usual one."""
    return "" if memory_format == usual_format(device) else memory_format


def known_format(name: object) -> str:
    """Return the memory format that an identity holds.

    Raises:
        UsageError: there is none such.
    """
    if name in ("", *MEMORY_FORMATS):
        return str(name)
    choices = " or ".join(MEMORY_FORMATS)
    raise UsageError(f"there is no memory format '{visible(str(name))}': it is {choices}")


def check_asked(precision: object, memory_format: object) -> None:
    """Check what is asked for of a way to compute, which runs' identities would hold as it is.

    Args:
        precision: :data:`AUTO`, or one of :data:`PRECISIONS`.
        memory_format: ``None``, :data:`AUTO`, or one of :data:`MEMORY_FORMATS`.

    Raises:
        UsageError: there is none such.
    """
    for what, value, known in (
        ("precision", precision, (AUTO, *PRECISIONS)),
        (
            "memory format",
            AUTO if memory_format is None else memory_format,
            (AUTO, *MEMORY_FORMATS),
        ),
    ):
        if value not in known:
            choices = ", ".join(known)
            raise UsageError(f"there is no {what} '{visible(str(value))}': choose one of {choices}")


def used_format(recorded: str, device: str) -> str:
    """Return the memory format that a run computes in on a device."""
    return recorded or usual_format(device)
