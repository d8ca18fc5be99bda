"""Averages the weights of trained models, and judges what comes of it.

Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time", ICML 2022, arXiv:2203.05482: the uniform soup, and the greedy
one of algorithm 1. Batch normalisation's statistics belong to the weights that they were taken
with, so those of an average are estimated anew on training images (Izmailov et al., "Averaging
weights leads to wider optima and better generalization", UAI 2018, arXiv:1803.05407, section 3.2).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ltbench.data.sampling import make_sampler
from ltbench.errors import UsageError
from ltbench.evaluation.compute import compute_metrics
from ltbench.evaluation.metrics import Metrics
from ltbench.models.adaptation.adapted import FULL
from ltbench.results.protocol import epoch_steps
from ltbench.training.batch_norm import adapting_norms, begin_training, estimate_statistics
from ltbench.training.batches import view_augmentations
from ltbench.training.checkpoint import State
from ltbench.training.context import RunContext
from ltbench.training.model import ModelBuilder
from ltbench.training.seeding import derive_seed, seed_everything

MOST_BATCHES = 200
"""Training batches that statistics are estimated on, at most; an epoch where that is less."""


@dataclass(frozen=True)
class Trial:
    """A run that a greedy soup looked at.

    Attributes:
        member: which, by its place.
        value: the validation score of the soup with it.
        kept: whether it stayed in the soup.
    """

    member: int
    value: float
    kept: bool


def average(states: Iterable[State]) -> State:
    """Return the mean of models' weights, one of them held at a time.

    Means are taken in float64. What is no floating-point number, such as a counter, is that of the
    first model.

    Raises:
        ValueError: there is none, or they have not the same tensors.
    """
    first: State | None = None
    sums: State = {}
    number = 0
    for state in states:
        number += 1
        if first is None:
            first = state
            sums = {key: value.double() for key, value in state.items() if _averaged(value)}
            continue
        if difference := difference_of(first, state):
            raise ValueError(difference)
        for key, value in sums.items():
            sums[key] = value + state[key].double()
    if first is None:
        raise ValueError("the mean of no models")
    return {
        key: (sums[key] / number).to(value.dtype) if key in sums else value.clone()
        for key, value in first.items()
    }


def difference_of(one: State, other: State) -> str:
    """Return in what two models' tensors differ in name or shape, or nothing."""
    if odd := sorted(one.keys() ^ other.keys()):
        return f"'{odd[0]}' is in one of them only"
    for key, value in one.items():
        if value.shape != other[key].shape or value.dtype != other[key].dtype:
            return f"'{key}' is {_shape(value)} in one and {_shape(other[key])} in the other"
    return ""


def same_weights(one: State, other: State) -> bool:
    """Return whether two models are the same, bit for bit."""
    return not difference_of(one, other) and all(v.equal(other[k]) for k, v in one.items())


def state_sha256(state: State) -> str:
    """Return the SHA-256 of a model's tensors, with their names, types and shapes."""
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode(errors="surrogatepass"))
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def greedy(members: int, score: Callable[[Sequence[int]], float]) -> list[Trial]:
    """Choose runs for a soup: each in turn stays in it if the validation score does not fall.

    Args:
        members: how many there are, the best first.
        score: returns the validation score of a soup of some of them; more is better.
    """
    trials: list[Trial] = []
    kept: list[int] = []
    best = -math.inf
    for member in range(members):
        value = score([*kept, member])
        takes = not kept or value >= best
        if takes:
            kept.append(member)
            best = value
        trials.append(Trial(member, value, takes))
    return trials


class SoupModel:
    """A network that takes the weights of soups, with the images to judge it by.

    Args:
        context: of the first run; its specification is that of the network.

    Raises:
        PluginError: a plugin is here in another version than the runs were made with.
    """

    def __init__(self, context: RunContext) -> None:
        self.context = context
        spec, weights = context.spec, context.weights
        if spec.backbone.chosen.adapt == FULL:
            # The weights come from the runs, so those that they started from are not fetched.
            spec, weights = replace(spec, backbone=replace(spec.backbone, pretrained=False)), None
        self.protocol = spec.protocol
        builder = ModelBuilder(spec, context.facts, context.split, context.images.device, weights)
        self.model = builder.up_to(len(builder.names) - 1)

    def load(self, states: Sequence[State], *, reestimate: bool) -> None:
        """Give the network the mean of some models' weights.

        Args:
            states: of the models. Where all are the same the mean is that model as it is.
            reestimate: estimate the statistics of batch normalisation anew.

        Raises:
            UsageError: they do not fit the network.
        """
        first, *others = states
        same = all(same_weights(first, other) for other in others)
        try:
            self.model.load_state_dict(first if same else average(states))
        except (RuntimeError, ValueError) as error:
            cause = str(error).strip().splitlines()[-1].strip()
            raise UsageError(f"the weights do not fit the network of the runs: {cause}") from error
        if reestimate and not same and self.estimates:
            self._begin_training()
            estimate_statistics(self.model, self._batches())

    def validate(self) -> Metrics:
        """Return the metrics on validation images; empty where there are none."""
        rows = self.context.split.rows("val")
        if not len(rows):
            return {}
        found = self.context.evaluator.predictions(self.model, rows)
        return dict(compute_metrics(found, chosen=False))

    def state(self) -> State:
        """Return the network's weights on the CPU."""
        return {key: value.detach().cpu().clone() for key, value in self.model.state_dict().items()}

    @property
    def estimates(self) -> bool:
        """Whether the network has statistics that training estimated, and did not freeze."""
        self._begin_training()
        found = bool(adapting_norms(self.model))
        self.model.eval()
        return found

    def _begin_training(self) -> None:
        begin_training(self.model, freeze_bn=self.protocol.freeze_bn)

    def _batches(self) -> Iterator[Tensor]:
        """Yield an epoch of training batches, or what is enough of it, augmented as in training."""
        context, protocol, seed = self.context, self.protocol, self.context.spec.seed
        seed_everything(seed, "soup")
        rows = context.split.rows("train")
        domains = len(np.unique(context.split.d[rows]))
        number = min(epoch_steps(len(rows), domains, protocol.batch_per_domain), MOST_BATCHES)
        augment, *_ = view_augmentations(self.model, context, protocol)
        sampler = make_sampler(
            self.model.sampling,
            context.split,
            protocol.batch_per_domain,
            derive_seed(seed, "soup", "batches"),
        )
        source = context.images
        generator = torch.Generator(source.device).manual_seed(derive_seed(seed, "soup", "pixels"))
        for images, index in source.stream(sampler, 0, number):
            y = source.y[index]
            x, _ = augment(images, source.sizes[index], y, domains, generator)
            x = self.model.augment_by_class(x, y, source.d[index], generator)
            yield context.normalise(x)


def _averaged(value: Tensor) -> bool:
    return value.is_floating_point()


def _shape(value: Tensor) -> str:
    return f"{value.dtype} {tuple(value.shape)}".removeprefix("torch.")
