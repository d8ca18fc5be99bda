"""What the executors that reach a cluster have in common."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar

from ltbench.api import Executor, Slots, UsageError
from ltbench.api import HParams as Parameters


class ClusterExecutor(Executor):
    """Carries runs out on other machines; its setting ``gpus`` says how many GPUs a run gets.

    Attributes:
        name: under which it is registered, which is also the extra to install.
        package: what the extra brings.

    Raises:
        UsageError: (from the constructor) the package is not installed.
    """

    name: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, slots: Slots, hparams: Parameters) -> None:
        super().__init__(slots, hparams)
        if find_spec(self.package) is None:
            raise UsageError(
                f"--executor {self.name} needs the package {self.package}: pip install "
                f"'ltbench[{self.name}]'"
            )

    @classmethod
    def choose_device(cls, asked: str, hparams: Parameters) -> str:
        """Return the device of runs elsewhere: a GPU if they are to get one, else the CPU.

        Raises:
            UsageError: a GPU is wanted that the executor does not ask for, or one by its number.
        """
        gpus = getattr(hparams, "gpus", 0)
        device = ("cuda" if gpus else "cpu") if asked == "auto" else asked
        if device.startswith("cuda") and not gpus:
            raise UsageError(
                f"--device {asked}: write --executor '{cls.name}[gpus=1]' to get a GPU"
            )
        if device.startswith("cuda:"):
            raise UsageError(
                f"--device {asked}: GPUs are numbered on this machine; --executor {cls.name} gives "
                "each run one where it goes: type --device cuda, or leave it out"
            )
        return device
