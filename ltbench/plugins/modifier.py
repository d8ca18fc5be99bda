"""The contract of a modifier plugin: what wraps the training of any algorithm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.batch import Batch
from ltbench.plugins.hparams import HParams

TakeStep = Callable[[Batch], dict[str, Tensor]]
"""Takes an algorithm's step on a batch and returns its losses."""


class Modifier:
    """What is done beside the training of an algorithm or stage: ``erm@ema``, ``boda+crt@sam``.

    A modifier may take the steps itself (:meth:`step`), look at the weights after each of them
    (:meth:`after_step`) and give others to be evaluated (:meth:`weights`); most do one of these.
    Where a modifier gives weights, the model with them is the one that is evaluated, chosen and
    kept, its batch normalisation adjusted to them, while the training goes on from its own.

    What must survive a break is returned by :meth:`state_dict`; a resumed run goes on bit for bit.
    What reads values back from the device in :meth:`step` or :meth:`after_step` waits for it.

    Args:
        model: the algorithm or stage, on its device, with its optimisers.
        hparams: an instance of :attr:`HParams`.

    Attributes:
        HParams: the hyper-parameters' class.
        needs: what it asks of an algorithm (:data:`ltbench.plugins.honours.DONE_IN`); one that
            does not honour it is refused before any training.
        needs_validation: whether it looks at validation losses.
    """

    HParams: ClassVar[type[HParams]] = HParams
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_validation: ClassVar[bool] = False

    def __init__(self, model: Algorithm, hparams: Any) -> None:
        self.model = model
        self.hparams: Any = hparams
        moved = {
            id(p) for o in model.optimizers.values() for g in o.param_groups for p in g["params"]
        }
        self._trained = {
            name: p for name, p in model.named_parameters() if p.requires_grad or id(p) in moved
        }

    def step(self, batch: Batch, take: TakeStep) -> dict[str, Tensor]:
        """Take the step on a batch; as the algorithm takes it unless overridden.

        Of a step that several batches make it is called for each; see
        :meth:`ltbench.api.Algorithm.minimize`. One modifier of a training at most overrides it.

        Args:
            batch: the images.
            take: takes the algorithm's own step.

        Returns:
            The detached losses, the sum under ``total``.
        """
        return take(batch)

    def after_step(self, step: int) -> None:
        """Look at the weights after step ``step`` (from 1), or change them."""

    def after_evaluation(self, step: int, loss: float) -> None:
        """Take note of the validation loss of the weights in training, where it is needed.

        Args:
            step: after which (from 1).
            loss: mean over domains of the mean cross-entropy.
        """

    def weights(self) -> Mapping[str, Tensor] | None:
        """Return the weights to be evaluated by the names of :meth:`trained`, on its device.

        ``None``, which is what is returned unless overridden, are those in training. Once a
        modifier gives weights, those that were in training are not chosen any more. One modifier of
        a training at most overrides it. Where it is declared to return a mapping alone, runs whose
        answers are those of the training without it are not believed.
        """
        return None

    def rate(self, step: int, factor: float) -> float:
        """Return the factor on the learning rate at step ``step`` (from 0).

        Args:
            step: which.
            factor: what the protocol's schedule says.
        """
        return factor

    @property
    def finished(self) -> bool:
        """Whether further steps would change nothing of :meth:`weights`, so the training ends."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: tensors, numbers and texts, in lists and mappings."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what :meth:`state_dict` returned; its tensors may lie on another device."""

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the parameters that are trained, by name; the same ones at every step.

        They are those that have a gradient, or an optimiser, when the training begins.
        """
        return self._trained


def steps_itself(cls: type[Modifier]) -> bool:
    """Return whether a modifier takes the steps."""
    return cls.step is not Modifier.step


def gives_weights(cls: type[Modifier]) -> bool:
    """Return whether a modifier gives weights to be evaluated."""
    return cls.weights is not Modifier.weights
