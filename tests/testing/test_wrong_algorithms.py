"""Each point about algorithms and stages finds an algorithm that is wrong in that way."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.api import Algorithm, Batch, HParams, Stage, hparam


class Right(Algorithm):
    """Nothing is wrong (Source: these tests)."""


class ForgetsItsSteps(Algorithm):
    """Counts steps in an attribute that no checkpoint holds (2026)."""

    done = 0

    def loss(self, batch: Batch) -> Tensor:
        self.done += 1
        return super().loss(batch) * self.done


class DrawsUnseeded(Algorithm):
    """Takes randomness from a generator of its own (2026)."""

    own = np.random.default_rng()

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * float(self.own.uniform(0.5, 2))


class DrawsFromNumPy(Algorithm):
    """Takes randomness from NumPy's global generator (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * np.random.uniform(0.5, 2)


class DrawsFromPython(Algorithm):
    """Takes randomness from Python's global generator when it is built (2026)."""

    def __init__(self, *args):
        super().__init__(*args)
        self.factor = random.uniform(0.5, 2)


class SeedsTorch(Algorithm):
    """Makes every run the same (2026)."""

    def __init__(self, *args):
        super().__init__(*args)
        torch.manual_seed(0)
        self.head = torch.nn.Linear(self.num_features, 3)


class SeedsTorchInAStep(Algorithm):
    """Makes every step the same (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        torch.manual_seed(0)
        return super().loss(batch)


class AlwaysTheSameWeights(Algorithm):
    """Starts from nothing, whatever the seed (2026)."""

    def __init__(self, *args):
        super().__init__(*args)
        for parameter in self.parameters():
            torch.nn.init.constant_(parameter, 0.01)


class ChangesTorch(Algorithm):
    """Has everybody compute in double precision (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        torch.set_default_dtype(torch.float64)
        return super().loss(batch)


class Infinite(Algorithm):
    """Divides by what may be nothing (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) / (batch.y.float().mean() * 0)


class InfiniteGradient(Algorithm):
    """Takes a root whose slope at zero is infinite (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        logits = self.predict(batch.x)
        return super().loss(batch) + (logits - logits).sum().sqrt()


class NoGradient(Algorithm):
    """Counts mistakes (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        return (self.predict(batch.x).argmax(1) != batch.y).float().mean()


class OneLossAnImage(Algorithm):
    """Forgets to take the mean (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        return torch.nn.functional.cross_entropy(self.predict(batch.x), batch.y, reduction="none")


class NeedsEveryClass(Algorithm):
    """Takes the logarithm of how often each class is in the batch (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        inside = torch.bincount(batch.y, minlength=self.train_info.num_classes)
        return super().loss(batch) * inside.log().sum()


class LooksAtNeighbours(Algorithm):
    """Centres the logits over the images asked about together (2026)."""

    def predict(self, x: Tensor) -> Tensor:
        logits = super().predict(x)
        return logits - logits.mean(0)


class OneLogitTooMany(Algorithm):
    """Has a class for none of the others (2026)."""

    def __init__(self, *args):
        super().__init__(*args)
        self.classifier = torch.nn.Linear(self.num_features, self.train_info.num_classes + 1)


class OtherFeatures(Algorithm):
    """Has fewer features than it says (2026)."""

    def features(self, x: Tensor) -> Tensor:
        return super().features(x)[:, :3]

    def predict(self, x: Tensor) -> Tensor:
        return self.classifier(super().features(x))


class StandsStill(Algorithm):
    """Computes losses and changes nothing (2026)."""

    def minimize(self, loss: Tensor, optimizer: str = "main") -> None:
        pass


class Diverges(Algorithm):
    """Comes to the end of the numbers in its third step (2026)."""

    def before_step(self, step, training):
        self.now = step

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * (float("nan") if self.now == 3 else 1)


class Unbounded(Algorithm):
    """Has a hyper-parameter without bounds (2026)."""

    class HParams(HParams):
        """One may be anything."""

        fine: float = hparam(1.0, low=0.0)
        gamma: float = hparam(1.0)


class SearchesOutside(Algorithm):
    """Has tuning try what it refuses (2026)."""

    class HParams(HParams):
        """Wrong ends."""

        gamma: float = hparam(1.0, low=0.5, search=(0.1, 2.0))


class NoSource(Algorithm):
    """Says nothing of where it is from."""


class NoDocstring(Algorithm):
    pass


class MovesItsBase(Stage):
    """Trains what it holds fixed (2026)."""

    default_base = "erm"

    def step(self, batch):
        with torch.no_grad():
            next(self.base.parameters()).add_(1)
        return super().step(batch)


class NoAlgorithm:
    """Is something else (2026)."""


class ClaimsToSmooth(Algorithm):
    """Says that it honours smooth labels and has a loss that does not know of them (2026)."""

    honours = frozenset({"label_smoothing"})

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        return batch.per_domain(F.cross_entropy(logits, batch.y, reduction="none")).mean(1)


class ClaimsToScale(Algorithm):
    """Says that it scales its loss, and takes steps without its scale (2026)."""

    honours = frozenset({"fp16"})

    def step(self, batch: Batch) -> dict[str, Tensor]:
        loss = self.loss(batch)
        self.optimizers["main"].zero_grad()
        (loss if self.loss_scale is None else self.loss_scale.scaled(loss)).backward()
        self.optimizers["main"].step()
        return {"total": loss.detach()}


class ClaimsToDescend(Algorithm):
    """Says that its steps are those of its loss, and takes two of them (2026)."""

    honours = frozenset({"gradients"})

    def step(self, batch):
        super().step(batch)
        return super().step(batch)


class ClaimsImageLosses(Algorithm):
    """Says that its loss is one of its logits, and shortens the features too (2026)."""

    honours = frozenset({"image_losses"})

    def loss(self, batch):
        features = self.features(batch.x)
        risk = self.mixed_risks(self.classifier(features), batch).mean()
        return risk + features.square().mean()


class ClaimsToMix(Algorithm):
    """Says that it honours mixed labels and forgets the second ones (2026)."""

    honours = frozenset({"mixed_labels"})

    def loss(self, batch: Batch) -> Tensor:
        return self.risks(self.predict(batch.x), batch).mean()


class MixesTheWrongWay(Algorithm):
    """Takes the share for that of the second classes (2026)."""

    honours = frozenset({"mixed_labels"})

    def loss(self, batch: Batch) -> Tensor:
        logits, mixed = self.predict(batch.x), batch.mixed
        if mixed is None:
            return self.risks(logits, batch).mean()
        second = replace(batch, y=mixed.y, mixed=None)
        share = 1 - mixed.share
        return (share * self.risks(logits, batch) + (1 - share) * self.risks(logits, second)).mean()


class StepsAtEveryBatch(Algorithm):
    """Says that it gathers gradients and takes a step at once (2026)."""

    honours = frozenset({"accumulate"})

    def minimize(self, loss: Tensor, optimizer: str = "main") -> None:
        self.optimizers[optimizer].zero_grad()
        loss.backward()
        self.optimizers[optimizer].step()


class SumsInsteadOfMeans(Algorithm):
    """Gathers gradients without dividing by their number, which SGD would see (2026)."""

    honours = frozenset({"accumulate"})

    def configure_optimizers(self, make):
        return {"main": torch.optim.SGD(self.parameters(), 0.1)}

    def minimize(self, loss: Tensor, optimizer: str = "main") -> None:
        super().minimize(loss * self.micro_batches, optimizer)


class OverlooksAView(Algorithm):
    """Asks for three views and looks at two (2026)."""

    views = 3

    def loss(self, batch: Batch) -> Tensor:
        one, other, _ = (self.predict(view) for view in batch.views)
        return self.risks(one, batch).mean() + (one - other).square().mean()


class OverlooksItsSecondBatch(Algorithm):
    """Has a second batch drawn for nothing (2026)."""

    second_sampling = "reversed"


class SamplesSomehow(Algorithm):
    """Asks for a sampling that there is not (2026)."""

    second_sampling = "balanced"


class ViewsAsText(Algorithm):
    """Forgets that views are several (2026)."""

    @classmethod
    def view_augmentations(cls, hparams):
        return "protocol"


class ChangesWhatItIsGiven(Algorithm):
    """Augments in place (2026)."""

    def augment_by_class(self, x, y, d, generator):
        return x.mul_(0.5)


class LeavesTheRange(Algorithm):
    """Augments images to what none is (2026)."""

    def augment_by_class(self, x, y, d, generator):
        return x + 1


@pytest.mark.parametrize(
    ("broken", "point", "says"),
    [
        (ForgetsItsSteps, "resume", "broken off twice and resumed, differs"),
        (DrawsUnseeded, "repeat", "a second time with the same seed, differs"),
        (DrawsFromNumPy, "randomness", "NumPy's global generator"),
        (DrawsFromPython, "randomness", "Python's global generator"),
        (SeedsTorch, "randomness", "seeds torch's global generator when it is built"),
        (SeedsTorchInAStep, "randomness", "seeds torch's global generator in a step"),
        (AlwaysTheSameWeights, "initial-weights", "start from the same weights"),
        (ChangesTorch, "settings", "torch's default dtype from torch.float32 to torch.float64"),
        (Infinite, "loss", "the loss 'total' is inf"),
        (InfiniteGradient, "loss", "is not finite"),
        (NoGradient, "loss", "not differentiable"),
        (OneLossAnImage, "loss", "the loss 'total' has the shape"),
        (NeedsEveryClass, "single-class", "on a batch of a single class: the loss 'total' is"),
        (LooksAtNeighbours, "neighbours", "depends on the others in its batch"),
        (OneLogitTooMany, "shapes", "predict returns (12, 6) instead of (12, 5)"),
        (OtherFeatures, "shapes", "features returns (12, 3) instead of (12, 32)"),
        (StandsStill, "moves", "no parameter moves"),
        (ClaimsToSmooth, "smoothing", "honours label_smoothing, which leaves its loss at"),
        (ClaimsToScale, "fp16", "where the loss is scaled it learns something else"),
        (ClaimsToMix, "mixed-labels", "honours mixed_labels, which leave its loss at"),
        (ClaimsToDescend, "gradients", "its step is not down that of its loss"),
        (ClaimsImageLosses, "image-losses", "the risks of its logits have the mean"),
        (MixesTheWrongWay, "mixed-labels", "mixed with none of another"),
        (StepsAtEveryBatch, "accumulate", "the first of two batches of a step moves it already"),
        (SumsInsteadOfMeans, "accumulate", "does not go down their mean gradient"),
        (OverlooksAView, "views", "asks for 3 views, and its loss does not depend on view 3"),
        (OverlooksItsSecondBatch, "views", "a second batch, and its loss does not depend on it"),
        (SamplesSomehow, "views", "second_sampling is 'balanced' instead of uniform or"),
        (ViewsAsText, "views", "view_augmentations returns 'protocol' instead of a tuple"),
        (ChangesWhatItIsGiven, "by-class", "changes the images that it is given"),
        (LeavesTheRange, "by-class", "returns values from 1"),
        (Diverges, "run", "diverged"),
        (Unbounded, "bounds", "'gamma' has no bound"),
        (SearchesOutside, "search", "the search range of 'gamma' leaves its bounds"),
        (NoSource, "source", "names no source"),
        (NoDocstring, "docstring", "has no docstring"),
        (NoAlgorithm, "base", "is no subclass of Algorithm"),
    ],
)
def test_the_kit_finds_it(ask, broken: type, point: str, says: str) -> None:
    result = ask("algorithms", broken, point)[point]
    assert result.status == "failed"
    assert says in result.cause


def test_a_stage_that_moves_what_it_holds_fixed_is_found(ask) -> None:
    result = ask("stages", MovesItsBase)["moves"]
    assert result.status == "failed"
    assert "of the frozen model moves" in result.cause


def test_nothing_is_found_where_nothing_is_wrong(ask) -> None:
    failed = [r.cause for r in ask("algorithms", Right).values() if r.status == "failed"]
    assert not failed


def test_one_that_cannot_be_imported_is_asked_no_more(ask) -> None:
    results = ask("algorithms", "nowhere.to.be.found:Mine")
    assert list(results) == ["import"]
    assert "cannot be loaded" in results["import"].cause
