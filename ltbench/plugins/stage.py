"""The contract of a stage plugin: training that goes on from a chosen model."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.backbone import Backbone
from ltbench.plugins.batch import TrainInfo
from ltbench.plugins.hparams import HParams, hparam


class StageHParams(HParams):
    """What every stage that is trained can have of its own, beside what the protocol says.

    A protocol may set them (``methods``), for the papers give second stages lengths and rates of
    their own.
    """

    steps: int = hparam(
        0, low=0, later=True, steps="proportion", help="optimisation steps; 0 is as many as before"
    )
    lr: float = hparam(1.0, low=1e-9, later=True, help="factor on the protocol's learning rate")
    schedule: str = hparam(
        "protocol",
        choices=("protocol", "constant", "cosine"),
        later=True,
        help="course of the learning rate; those of its own have no warm-up",
    )

    def rates(self) -> dict[str, float]:
        """Return the factors on settings of the protocol that are learning rates, by name."""
        return {"lr": self.lr}


class Stage(Algorithm):
    """An algorithm on top of the model that the stage before it chose, with the same seed.

    The stage gets a fresh classifier on the features of ``base``. By default ``base`` is frozen:
    its parameters get no gradient and it stays in evaluation mode.

    Attributes:
        base: the model of the stage before, holding the weights that were chosen.
        frozen: whether ``base`` is kept as it is. Where a later stage trains everything, it is
            ``False`` of that stage and of those that it stands on, which then let gradients pass.
        default_base: the algorithm that the stage's name alone stands on.
    """

    frozen: bool = True
    default_base: ClassVar[str | None] = None

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: Any) -> None:
        super().__init__(base.backbone, train_info, hparams)
        # The backbone is the base's; as a module of both it would stand twice in every checkpoint.
        del self._modules["backbone"]
        self.base = base
        self.register_load_state_dict_pre_hook(  # type: ignore[no-untyped-call]
            _drop_second_backbone
        )
        self.precision = base.precision
        self.base.requires_grad_(not self.frozen)
        if not self.frozen:
            for module in self.base.modules():
                if isinstance(module, Stage):
                    module.frozen = False

    @property
    def backbone(self) -> Backbone:  # type: ignore[override]
        """The backbone of ``base``."""
        return self.base.backbone

    @classmethod
    def steps(cls, steps: int, hparams: Any) -> int:
        """Return how many steps this stage trains when the stage before trained ``steps``."""
        return int(getattr(hparams, "steps", 0)) or steps

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, F) of ``base``."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.base.features(x)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, in which a frozen ``base`` stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.base.eval()
        return self


def _drop_second_backbone(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Take checkpoints in which a stage named the backbone a second time."""
    for key in [key for key in state if key.startswith(f"{prefix}backbone.")]:
        del state[key]
