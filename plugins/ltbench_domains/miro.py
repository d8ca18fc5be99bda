"""Mutual information regularization with the network that training starts from."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ltbench.api import Backbone, Batch, MakeOptimizer, TrainInfo, hparam
from ltbench_domains.composition import WithLoss, WithLossHParams
from ltbench_domains.layers import Layer, outputs_of, regular_layers

START = 0.1
LEAST = 1e-5
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class MIROHParams(WithLossHParams):
    """Hyper-parameters of MIRO."""

    weight: float = hparam(
        0.1, low=0.0, search=(1e-3, 1.0), log=True, help="λ of the distance to the start"
    )
    encoder_lr: float = hparam(
        10.0, low=0.0, search=(1.0, 100.0), log=True, help="factor on the variances' learning rate"
    )


class MIRO(WithLoss):
    """MIRO (Cha et al., "Domain generalization by mutual-information regularization …", ECCV 2022).

    arXiv:2203.10789, eq. 3 and algorithm 1. The *oracle* is the network as it was before the first
    step, frozen and in evaluation mode. Total: mean of the domains' risks + λ·Σ_l ½·mean[(f_l -
    f⁰_l)²/σ_l² + log σ_l²] over layers l of the network f and the oracle f⁰, which bounds the
    mutual information of the two from below. The mean encoder is the identity; the variances,
    one a channel, are learned: σ² = softplus(b) + 1e-5, 0.1 at the start, at ten times the
    learning rate.

    Layers are the blocks that timm names of a model (``feature_info``), at most four evenly spaced
    beside a stem, and of other networks their named children. The oracle is in no checkpoint: a
    resumed run builds its start again. The authors' λ is 0.01 on PACS and VLCS and 0.1 on
    OfficeHome, TerraIncognita and DomainNet.
    """

    HParams = MIROHParams
    hparams: MIROHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: MIROHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        oracle = copy.deepcopy(backbone).eval().requires_grad_(False)
        self._unsaved = [oracle]  # in a list, so that it is no part of the model's state
        self.layers: Sequence[Layer] = regular_layers(oracle, train_info.image_shape)
        self.spread = nn.ParameterList(
            torch.full(layer.shape, math.log(math.expm1(START - LEAST))) for layer in self.layers
        )

    @property
    def oracle(self) -> Backbone:
        """The network as it was before the first step."""
        return self._unsaved[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Move the oracle wherever the model is moved."""
        self.oracle._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def configure_optimizers(self, make: MakeOptimizer) -> dict[str, Optimizer]:
        """Return the protocol's optimiser, in which the variances have a rate of their own."""
        optimizer = make(p for p in self.parameters() if p.requires_grad)
        ours = {id(parameter) for parameter in self.spread}
        for group in list(optimizer.param_groups):
            moved = [p for p in group["params"] if id(p) in ours]
            if not moved:
                continue
            group["params"] = [p for p in group["params"] if id(p) not in ours]
            rate = group["lr"] * self.hparams.encoder_lr
            like = {k: v for k, v in group.items() if k not in ("params", "initial_lr")}
            optimizer.add_param_group({**like, "params": moved, "lr": rate})
        optimizer.param_groups[:] = [g for g in optimizer.param_groups if g["params"]]
        return {"main": optimizer}

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean risk, the distance to the oracle and their sum."""
        with outputs_of(self.backbone, self.layers) as found:
            logits = self.predict(batch.x)
        risk = self.mixed_risks(logits, batch).mean()
        distance = self.distance(found, self._of_oracle(batch.x))
        return {
            "total": risk + self.hparams.weight * distance,
            "risk": risk,
            "distance": distance,
        }

    def distance(self, found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
        """Return Σ_l ½·mean[(f_l - f⁰_l)²/σ_l² + log σ_l²], a scalar.

        Args:
            found: what comes out of each layer of the network, (N, …).
            wanted: the same of the oracle.
        """
        terms = []
        for raw, f, f0 in zip(self.spread, found, wanted, strict=True):
            variance = F.softplus(raw) + LEAST
            difference = f.to(raw.dtype) - f0.to(raw.dtype)
            terms.append((difference.square() / variance + variance.log()).mean() / 2)
        return torch.stack(terms).sum()

    @torch.no_grad()
    def _of_oracle(self, x: Tensor) -> list[Tensor]:
        """Return what comes out of the oracle's layers, in the precision of the run."""
        half = HALF.get(self.precision)
        with (
            outputs_of(self.oracle, self.layers) as wanted,
            torch.autocast(x.device.type, dtype=half, enabled=half is not None),
        ):
            self.oracle(x)
        return wanted
