"""The linear probe is scikit-learn's logistic regression on the network as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_foundation.linear_probe import LinearProbeHParams, fitted
from scipy.optimize import minimize
from scipy.special import log_softmax

from ltbench.testing import build_algorithm, random_batch, train_info
from ltbench.testing.small_model import SmallTraining


def data(classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y = generator.choice(classes, 60, p=np.arange(classes, 0, -1) / sum(range(classes + 1)))
    centres = generator.normal(size=(classes, 4))
    return (centres[y] + generator.normal(size=(60, 4))).astype(np.float32), y


@pytest.mark.parametrize(("classes", "balanced"), [(3, False), (3, True), (2, False)])
def test_it_minimises_the_penalised_cross_entropy(classes, balanced) -> None:
    x, y = data(classes)
    c = 0.5
    weights = np.ones(len(y))
    if balanced:
        weights = (len(y) / (classes * np.bincount(y)))[y]

    def objective(parameters: np.ndarray) -> float:
        w, b = parameters[:-classes].reshape(classes, -1), parameters[-classes:]
        nll = -log_softmax(x @ w.T + b, axis=1)[np.arange(len(y)), y]
        # Of two classes scikit-learn penalises the difference of the weights, which is twice each.
        penalty = (w**2).sum() * (2 if classes == 2 else 1)
        return c * (weights * nll).sum() + penalty / 2

    weight, bias = fitted(x, y, classes, LinearProbeHParams(c=c, balanced=balanced))
    found = objective(np.concatenate([weight.ravel(), bias]))
    best = minimize(objective, np.zeros(classes * 5), method="BFGS").fun
    assert found == pytest.approx(best, rel=1e-3)


def test_classes_without_images_come_last_and_stay_finite() -> None:
    x, y = data(3)
    weight, bias = fitted(x, np.array([0, 2, 5])[y], 7, LinearProbeHParams())
    absent = [1, 3, 4, 6]
    assert not weight[absent].any()
    present = np.delete(bias, absent)
    np.testing.assert_allclose(bias[absent], present.min() - np.log(60))
    alone, biases = fitted(x, np.full(60, 2), 4, LinearProbeHParams())
    assert not alone.any()
    assert biases.argmax() == 2


def test_the_network_stays_as_it_is() -> None:
    info = train_info()
    model = build_algorithm("linear-probe", info)
    batch = random_batch(info)
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    model.before_step(0, SmallTraining(model, batch))
    assert all(torch.equal(v, before[k]) for k, v in model.backbone.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model.optimizers
    assert type(model).steps(5000, model.hparams) == 0
    model.eval()
    features = model.features(batch.x).numpy()
    weight, bias = fitted(features, batch.y.numpy(), info.num_classes, model.hparams)
    torch.testing.assert_close(
        model.predict(batch.x), torch.from_numpy(features @ weight.T + bias).float()
    )
