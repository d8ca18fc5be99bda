"""The correction for a shifted prior against a loop over Saerens' two equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltbench.api import Batch
from ltbench.testing import SmallTraining, build_algorithm, build_stage, random_batch, train_info
from ltbench.testing.small_run import run_small

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


class Test:
    """Stands for the test images."""

    __test__ = False

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def views(self, batch):
        for part in self.x.split(batch):
            yield (part,)


def em(p, prior, steps=20_000):
    """Return the prior of Saerens et al., eq. 2.9, image by image."""
    q = prior.copy()
    for _ in range(steps):
        r = p * (q / prior)
        r /= r.sum(1, keepdims=True)
        q = r.mean(0)
    return q


def stage_on(name, images):
    base = build_algorithm("erm", train_info(COUNTS)).eval()
    with torch.no_grad():
        base.classifier.weight.mul_(6)  # so that images tell of their classes
    stage = build_stage(name, base)
    training = SmallTraining(stage, images)
    stage.before_step(0, training)
    return stage.eval(), base, training


@pytest.mark.parametrize("source", ["training", "uniform"])
def test_the_prior_is_that_of_the_two_equations(source):
    images = random_batch(train_info(COUNTS, batch_per_domain=30), seed=4)
    stage, base, _ = stage_on(f"mlls[source={source}]", images)
    with torch.no_grad():
        base.classifier.weight.mul_(10)
        base.classifier.bias.sub_(base.predict(images.x).mean(0))  # so that no class has them all
        z = base.predict(images.x).double().numpy()
        before = stage.predict(images.x)
    np.testing.assert_allclose(before.numpy(), z, atol=1e-5)  # q = π
    pooled = np.array(COUNTS).sum(0) if source == "training" else np.ones(4)
    prior = pooled / pooled.sum()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    expected = em(p, prior)
    found = stage.before_test(Test(images.x))
    assert expected.min() > 0.1
    np.testing.assert_allclose(found["prior"], expected, atol=2e-5)
    plain = em(p, prior, found["steps"])
    assert np.abs(plain - expected).max() > 1e-4  # which one broken off there would not reach
    with torch.no_grad():
        after = stage.predict(images.x).numpy()
    shift = np.log(np.array(found["prior"]) / prior)
    np.testing.assert_allclose(after, z + shift, atol=1e-4)


def test_probabilities_are_calibrated_on_validation():
    """A sharp classifier is made softer, and biased answers even."""
    images = random_batch(train_info([[5, 5, 5, 5]] * 3, batch_per_domain=60), seed=4)
    stage, _, training = stage_on("mlls", images)
    assert not training.said
    assert float(stage.temperature) > 1
    torch.testing.assert_close(stage.log_prior_of_source.exp(), torch.full((4,), 0.25))
    with torch.no_grad():
        p = stage.predict(images.x).softmax(1).numpy()
    weights = np.zeros(len(images))
    y, d = images.y.numpy(), images.d.numpy()
    for one in range(len(y)):
        of = (y == y[one]) & (d == d[one])
        weights[one] = 1 / (4 * 3 * of.sum())
    np.testing.assert_allclose(weights @ p, 0.25, atol=0.01)  # the biases' condition


def test_a_class_without_validation_images_is_told():
    images = random_batch(train_info(COUNTS), classes=[0, 1], seed=4)
    stage, base, training = stage_on("mlls", images)
    assert len(training.said) == 1
    assert "2 classes have no validation image" in training.said[0]
    assert float(stage.temperature) == 1
    x = images.x
    with torch.no_grad():
        torch.testing.assert_close(stage.predict(x), base.predict(x))


def test_a_run_is_transductive_and_keeps_the_model_before(tmp_path):
    import json

    outcome = run_small("erm+mlls", tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    learnt = result["before_test"]["learnt"]
    assert sum(learnt["prior"]) == pytest.approx(1, abs=1e-6)
    assert "shift" not in outcome.model


def test_images_of_one_class_alone_move_all_probability_there():
    images = random_batch(train_info(COUNTS, batch_per_domain=30), seed=4)
    stage, base, _ = stage_on("mlls[source=uniform]", images)
    with torch.no_grad():
        answers = base.predict(images.x).argmax(1)
    mine = images.x[answers == answers.mode().values]
    found = stage.before_test(Test(mine))
    assert int(np.argmax(found["prior"])) == int(answers.mode().values)
    assert isinstance(images, Batch)
