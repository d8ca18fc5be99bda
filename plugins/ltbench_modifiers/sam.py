"""Sharpness-aware minimisation."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Batch, HParams, Modifier, TakeStep, hparam
from ltbench_modifiers.ascent import Draws, ascended, gather, gradients


class SAMHParams(HParams):
    """Hyper-parameters of SAM."""

    rho: float = hparam(
        0.05, low=0.0, search=(0.01, 0.5), log=True, help="ρ, how far up the gradient"
    )


class SAM(Modifier):
    """SAM (Foret et al., ICLR 2021, eq. 2 and 3, algorithm 1, arXiv:2010.01412).

    The step goes down the gradient of the loss at θ + ε, ε = ρ·∇L/‖∇L‖, of the same batch with the
    same draws; batch normalisation keeps the statistics of the first pass. Of a step that several
    batches make each has an ε of its own, which is the paper's m-sharpness (section 4.1). Losses
    are logged as they are at θ.
    """

    HParams = SAMHParams
    hparams: SAMHParams
    needs = frozenset({"gradients"})

    def step(self, batch: Batch, take: TakeStep) -> dict[str, Tensor]:
        """Take a step down the gradient at θ + ε."""
        model, draws = self.model, Draws(self.model)
        losses = model.named_losses(batch)
        up = gradients(model, losses["total"])
        with draws.again(), ascended(model, up, self.hparams.rho):
            gather(model, model.named_losses(batch)["total"], first=True)
        model.descend()
        return {name: value.detach() for name, value in losses.items()}
