"""Sharpness-aware minimisation of the tail."""

from __future__ import annotations

from torch import Tensor

from ltbench.api import Algorithm, Batch, Modifier, TakeStep, hparam
from ltbench_modifiers.ascent import Draws, ascended, gather, gradients
from ltbench_modifiers.sam import SAMHParams


class ImbSAMHParams(SAMHParams):
    """Hyper-parameters of ImbSAM."""

    eta: int = hparam(20, low=0, help="η: what has fewer training images is the tail")
    tail: str = hparam(
        "pair", choices=("pair", "class"), help="what is counted: domain-class pairs, or classes"
    )


class ImbSAM(Modifier):
    """ImbSAM (Zhou et al., ICCV 2023, "A closer look at sharpness-aware minimization").

    arXiv:2308.07815, cool-xuan/Imbalanced_SAM. The step goes down ∇L_head(θ) + ∇L_tail(θ + ε): the
    parts that images of the head and of the tail have in the batch's loss, the one at the weights,
    the other at ε = ρ·∇L_tail/‖∇L_tail‖ from them. Pairs of a domain and a class that have fewer
    than η training images are the tail; with one domain these are the classes of the authors' code
    (η = 20 on CIFAR-100-LT). With ``tail=class`` a class is counted over all domains. Of a mixed
    image the first class counts. Where nothing is so rare the step is the plain one.

    An image's part is what of the loss's gradient passes through its logits, which is the paper's
    sum over images for every loss that is one. Algorithms that have more than a loss on logits are
    refused. Batch normalisation and draws are as with SAM.
    """

    HParams = ImbSAMHParams
    hparams: ImbSAMHParams
    needs = frozenset({"image_losses"})

    def __init__(self, model: Algorithm, hparams: ImbSAMHParams) -> None:
        super().__init__(model, hparams)
        counts = model.counts
        if self.hparams.tail == "class":
            counts = counts.sum(0, keepdim=True).expand_as(counts)
        self.is_tail = counts < self.hparams.eta
        self.has_tail = bool((self.is_tail & (model.counts > 0)).any())

    def step(self, batch: Batch, take: TakeStep) -> dict[str, Tensor]:
        """Take a step down the gradient of the head at θ and of the tail at θ + ε."""
        if not self.has_tail:
            return take(batch)
        model, draws = self.model, Draws(self.model)
        tail = self.is_tail[batch.d, batch.y]
        logits = model.predict(batch.x)
        up = gradients(model, self._part(logits, batch, tail), again=True)
        gather(model, self._part(logits, batch, ~tail), first=True)
        total = model.mixed_risks(logits.detach(), batch).mean()
        with draws.again(), ascended(model, up, self.hparams.rho):
            gather(model, self._part(model.predict(batch.x), batch, tail), first=False)
        model.descend()
        return {"total": total}

    def _part(self, logits: Tensor, batch: Batch, mask: Tensor) -> Tensor:
        """Return the batch's loss, whose gradient passes through the logits of some images only.

        Args:
            logits: (N, C).
            batch: its classes and domains.
            mask: which images, (N,).
        """
        some = logits.where(mask[:, None], logits.detach())
        return self.model.mixed_risks(some, batch).mean()
