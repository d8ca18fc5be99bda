"""Where a valley of the validation loss begins and ends, and what is averaged in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltbench.testing import build_algorithm, build_modifier, train_info

EVERY = 4  # steps from one evaluation to the next


def paper(losses: list[float], converge: int, patience: int, ratio: float):
    """Return the evaluations (from 1) of the valley's first and last, as algorithm 1 finds them.

    With the authors' ending where the training is over first: the last one below the bound.
    """
    first = bound = None
    for i in range(1, len(losses) + 1):
        if first is None:
            window = losses[max(0, i - converge) : i]
            if len(window) == converge and window[0] == min(window):
                first, bound = i - converge + 1, ratio * sum(window) / converge
        elif i - first >= patience and bound < min(losses[i - patience : i]):
            return first, i - patience, i
    if first is None:
        return None, None, len(losses)
    below = [i for i in range(first, len(losses) + 1) if losses[i - 1] <= bound]
    return first, below[-1], len(losses)


def walk(losses: list[float], options: str = ""):
    """Return a modifier after some evaluations, and the weights after each step."""
    model = build_algorithm("erm", train_info(steps=1000))
    modifier = build_modifier(f"swad{options}", model)
    generator, path, seen = torch.Generator().manual_seed(0), [], 0
    for number, loss in enumerate(losses, 1):
        if modifier.finished:
            break
        for _ in range(EVERY):
            with torch.no_grad():
                bias = model.classifier.bias
                bias += torch.randn(bias.shape, generator=generator)
            path.append(bias.detach().double().numpy().copy())
            modifier.after_step(len(path))
        modifier.after_evaluation(number * EVERY, loss)
        seen = number
    return modifier, path, seen


V = [5.0, 4.0, 3.0, 2.0, 1.0, 1.1, 1.2, 1.1, 1.3, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("losses", "options", "valley"),
    [
        (V, {}, (5, 9)),  # ends when 6 evaluations lie above 1.3 · 1.1
        (V[:12], {}, (5, 9)),  # the training is over before
        (V, {"tolerance": 2.0}, (5, 10)),
        (V, {"converge": 2}, (5, 9)),
        (V, {"patience": 2}, (5, 9)),
        ([1.0, 2.0, 3.0, 0.5, 0.6, 0.7], {}, (1, 6)),  # the first valley counts
        ([3.0, 2.0, 1.0], {}, None),
        ([1.0, 1.0], {}, None),
        ([1.0, 1.0, 1.0], {}, (1, 3)),
        ([1.0, 5.0, 5.0, 5.0, 5.0, 1.1], {"patience": 3, "tolerance": 1.0}, (1, 1)),
    ],
)
def test_the_valley_of_a_curve(losses, options, valley):
    text = ",".join(f"{key}={value}" for key, value in options.items())
    modifier, path, seen = walk(losses, f"[{text}]" if text else "")
    own = {"converge": 3, "patience": 6, "tolerance": 1.3} | options
    first, last, over = paper(losses, own["converge"], own["patience"], own["tolerance"])
    found = modifier.weights()
    if valley is None:
        assert found is None
        assert first is None
        return
    assert (first, last) == valley
    assert seen == over
    inside = path[(first - 1) * EVERY : last * EVERY]
    assert np.allclose(found["classifier.bias"].double().numpy(), np.mean(inside, 0), atol=1e-5)


def test_curves_at_random_against_the_paper():
    generator = np.random.default_rng(0)
    ended = 0
    for _ in range(60):
        losses = (np.abs(np.linspace(-1, 1, 25)) + 0.5 + 0.2 * generator.random(25)).tolist()
        modifier, path, seen = walk(losses, "[patience=4,tolerance=1.1]")
        first, last, over = paper(losses, 3, 4, 1.1)
        assert seen == over
        ended += modifier.finished
        if first is None:
            assert modifier.weights() is None
            continue
        inside = path[(first - 1) * EVERY : last * EVERY]
        found = modifier.weights()["classifier.bias"].double().numpy()
        assert np.allclose(found, np.mean(inside, 0), atol=1e-5)
    assert ended > 10
