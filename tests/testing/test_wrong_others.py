"""Metrics, backbones and observers that are wrong are found too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltbench.api import Backbone, Observer, Preprocessing, UsageError, hookimpl
from ltbench.models.timm_backbone import TimmBackbone


def infinite(predictions):
    """Infinite where there is one class."""
    return {"infinite": float(np.log(len(np.unique(predictions.y)) - 1))}


def arrays(predictions):
    """One number for each image."""
    return {"arrays": predictions.nll}


def first(predictions):
    """The first image's loss."""
    return {"first": float(predictions.nll[0])}


def sorts(predictions):
    """Sorts what it was given."""
    predictions.nll.sort()
    return {"sorts": float(predictions.nll[-1])}


def accuracy(predictions):
    """The same name as another's."""
    return {"accuracy": 1.0}


def draws(predictions):
    """A bootstrap without a seed."""
    return {"draws": float(np.random.default_rng().random())}


@pytest.mark.parametrize(
    ("metric", "point", "says"),
    [
        (infinite, "values", "on images of one class: 'infinite' is -inf"),
        (arrays, "values", "neither a finite number nor None"),
        (first, "order", "with the images in another order"),
        (sorts, "pure", "changes the nll that it is given"),
        (draws, "pure", "gives two answers"),
        (arrays, "declared", "does not say what 'arrays' means: register it with better="),
        (lambda predictions: {"own": 1.0}, "docstring", "has no docstring"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_the_kit_finds_wrong_metrics(ask, metric, point, says) -> None:
    result = ask("metrics", metric, point)[point]
    assert result.status == "failed"
    assert says in result.cause


def test_a_metric_whose_names_are_taken_is_found(ask) -> None:
    accuracy.__name__ = "also"
    assert "gives 'accuracy', and so does 'accuracy'" in ask("metrics", accuracy)["own-names"].cause


class Small(Backbone):
    """The mean of each channel, through a layer (2026)."""

    num_features = 5

    def __init__(self, image_shape, pretrained=False):
        super().__init__()
        self.layer = torch.nn.Linear(image_shape[0], 5)

    def forward(self, x):
        return self.layer(x.mean((2, 3)))


class OtherNumber(Small):
    """Says another number of features (2026)."""

    num_features = 7


class Centred(Small):
    """Looks at neighbours (2026)."""

    def forward(self, x):
        return super().forward(x - x.mean(0))


class Constant(Small):
    """Starts from the same weights always (2026)."""

    def __init__(self, image_shape, pretrained=False):
        super().__init__(image_shape)
        for parameter in self.parameters():
            torch.nn.init.constant_(parameter, 0.5)


class Unseeded(Small):
    """Starts from other weights always (2026)."""

    def __init__(self, image_shape, pretrained=False):
        super().__init__(image_shape)
        own = np.random.default_rng()
        self.layer.weight.data += float(own.random())


class Detached(Small):
    """Cannot be trained (2026)."""

    def forward(self, x):
        return super().forward(x).detach()


class Zero(Small):
    """Declares a deviation of nothing (2026)."""

    preprocessing = Preprocessing((0.5, 0.5, 0.5), (0.0, 0.5, 0.5))


class Tuple(Small):
    """Declares what is no preprocessing (2026)."""

    preprocessing = ((0.5,), (0.5,))


class OtherThanTimm(TimmBackbone):
    """Declares others than timm has for the model (2026)."""

    preprocessing = Preprocessing((0.1, 0.1, 0.1), (0.5, 0.5, 0.5))

    def __init__(self, image_shape, pretrained=False):
        super().__init__("test_resnet", image_shape, pretrained)


class Silent(OtherThanTimm):
    """Has weights of timm and declares nothing (2026)."""

    preprocessing = None


@pytest.mark.parametrize(
    ("backbone", "point", "says"),
    [
        (Zero, "preprocessing", "'std' is 0.0"),
        (Tuple, "preprocessing", "which is no ltbench.api.Preprocessing"),
        (OtherThanTimm, "preprocessing", "declares Preprocessing(mean=(0.1,"),
        (Silent, "preprocessing", "has weights of timm and declares nothing"),
        (OtherNumber, "features", "gives (3, 5), not (3, 7)"),
        (Centred, "neighbours", "the features of an image depend on the others"),
        (Constant, "weights", "another seed gives the same weights"),
        (Unseeded, "weights", "the same seed gives other weights"),
        (Detached, "module", "does not require grad"),
    ],
)
def test_the_kit_finds_wrong_backbones(ask, backbone, point, says) -> None:
    result = ask("backbones", backbone, point)[point]
    assert result.status == "failed"
    assert says in result.cause


class Blind(Observer):
    """Looks at nothing."""


class Unmarked(Observer):
    """Forgets a mark."""

    def ltbench_run_started(self, run):
        """Look."""


class Raises(Observer):
    """Expects every run to end well."""

    @hookimpl
    def ltbench_run_finished(self, result):
        """Look."""
        return result["test"]["accuracy"]


class WrongHook(Observer):
    """Asks for what is not given."""

    @hookimpl
    def ltbench_run_finished(self, model):
        """Look."""


@pytest.mark.parametrize(
    ("observer", "point", "says"),
    [
        (Blind, "watches", "implements no hook"),
        (Unmarked, "watches", "implements no hook"),
        (Raises, "sweep", "KeyError: 'test' (in ltbench_run_finished)"),
        (WrongHook, "sweep", "its hook does not fit: ltbench_run_finished(model)"),
    ],
)
def test_the_kit_finds_wrong_observers(ask, observer, point, says) -> None:
    result = ask("observers", observer, point)[point]
    assert result.status == "failed"
    assert says in result.cause


class CannotWorkHere(Observer):
    """Needs what is not there."""

    def __init__(self, hparams):
        super().__init__(hparams)
        raise UsageError("no key: type log-in")

    @hookimpl
    def ltbench_run_finished(self, result):
        """Look."""


def test_an_observer_that_says_why_it_cannot_work_here_is_not_at_fault(ask) -> None:
    result = ask("observers", CannotWorkHere)["sweep"]
    assert (result.status, result.cause) == ("skipped", "no key: type log-in")
