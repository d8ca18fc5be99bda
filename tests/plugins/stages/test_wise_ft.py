"""WiSE-FT: each entry of the state between that of the start and that of the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltbench.api import UsageError
from ltbench.testing import (
    SmallTraining,
    build_algorithm,
    build_stage,
    random_batch,
    take_steps,
    train_info,
)
from ltbench.testing.small_run import plan_small, run_small

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


def tuned():
    """Return a model that was trained, and its states before and after."""
    model = build_algorithm("erm", train_info(COUNTS))
    start = {name: value.clone() for name, value in model.state_dict().items()}
    take_steps(model, [random_batch(model.train_info, seed=seed) for seed in range(5)])
    return model.eval(), start, {name: v.clone() for name, v in model.state_dict().items()}


def mixed(options):
    base, start, end = tuned()
    stage = build_stage(f"wise-ft[{options}]" if options else "wise-ft", base)
    images = random_batch(base.train_info, seed=9)
    initial = {f"base.{name}": value for name, value in start.items()}
    training = SmallTraining(stage, images, initial)
    stage.before_step(0, training)
    return stage.eval(), start, end, training


def test_a_share_of_one_is_the_chosen_model_bit_for_bit():
    stage, _, end, _ = mixed("alpha=1,batch_norm=estimated")
    assert all(value.equal(end[name]) for name, value in stage.base.state_dict().items())
    base, _, _ = tuned()
    x = random_batch(base.train_info).x
    with torch.no_grad():
        assert stage.predict(x).equal(base.predict(x))


def test_a_run_with_a_share_of_one_answers_as_its_base(tmp_path):
    plain, mixed = (run_small(name, tmp_path / name) for name in ("erm", "erm+wise-ft[alpha=1]"))
    for name, value in plain.predictions.items():
        np.testing.assert_array_equal(mixed.predictions[name], value)


def test_a_share_of_none_is_the_start():
    stage, start, end, _ = mixed("alpha=0")
    for name, value in stage.base.state_dict().items():
        whole = not value.is_floating_point()
        torch.testing.assert_close(value, (end if whole else start)[name], rtol=0, atol=0)


@pytest.mark.parametrize("alpha", [0.25, 0.5])
def test_weights_and_statistics_lie_between(alpha):
    stage, start, end, _ = mixed(f"alpha={alpha}")
    moved = 0
    for name, value in stage.base.state_dict().items():
        if value.is_floating_point():
            expected = (1 - alpha) * start[name].numpy() + alpha * end[name].numpy()
            np.testing.assert_allclose(value.numpy(), expected, rtol=1e-6, atol=1e-7)
            moved += not value.equal(end[name])
        else:
            assert value.equal(end[name])
    assert moved >= 5  # running_var among them


def test_the_classifier_may_stay_as_it_was_chosen():
    stage, _, end, _ = mixed("alpha=0.5,head=chosen")
    for name, value in stage.base.state_dict().items():
        if name.startswith("classifier."):
            assert value.equal(end[name])
    assert not stage.base.state_dict()["backbone.layers.0.weight"].equal(
        end["backbone.layers.0.weight"]
    )


def test_statistics_may_be_estimated_from_images_with_the_mixed_weights():
    stage, _, _, training = mixed("alpha=0.5,batch_norm=estimated")
    convolution, norm = stage.base.backbone.layers[:2]
    with torch.no_grad():
        seen = convolution(training.images.x).double().numpy().transpose(1, 0, 2, 3).reshape(8, -1)
    np.testing.assert_allclose(norm.running_mean.numpy(), seen.mean(1), atol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), seen.var(1, ddof=1), rtol=1e-4)


def test_validation_chooses_the_share_and_the_largest_of_equals(monkeypatch):
    from ltbench_stages.wise_ft import WiSEFT

    scores = dict(zip([number / 10 for number in range(11)], [0.1] * 11, strict=True))
    scores |= {0.3: 0.6, 0.7: 0.6, 0.9: 0.5}
    monkeypatch.setattr(WiSEFT, "score", lambda self, training: scores[round(float(self.alpha), 1)])
    stage, start, end, training = mixed("")
    assert float(stage.alpha) == pytest.approx(0.7)
    assert training.said == ["wise-ft takes the share 0.7 of the chosen weights"]
    weight = stage.base.state_dict()["classifier.weight"]
    expected = 0.3 * start["classifier.weight"] + 0.7 * end["classifier.weight"]
    torch.testing.assert_close(weight, expected)


def test_a_run_mixes_with_the_weights_that_it_began_from(tmp_path):
    """They are built anew from the seed: those of a run that never trained."""
    found = {a: run_small(f"erm+wise-ft[alpha={a}]", tmp_path / a).model for a in ("0", "1")}
    names = [name for name, v in found["1"].items() if name != "alpha" and v.is_floating_point()]
    assert any(not found["0"][name].equal(found["1"][name]) for name in names)
    other = run_small("bsoftmax+wise-ft[alpha=0]", tmp_path / "other").model
    parameters = [n for n in names if "running" not in n]
    assert all(other[name].equal(found["0"][name]) for name in parameters)


def test_an_impossible_share_is_refused():
    with pytest.raises(UsageError, match=r"alpha=-0.5.* out of range"):
        plan_small("erm+wise-ft[alpha=-0.5]")
    with pytest.raises(UsageError, match="the most is 1"):
        plan_small("erm+wise-ft[alpha=1.5]")


@pytest.mark.parametrize("name", ["erm", "coral[loss=bsoftmax]", "coral[loss=ldam]"])
def test_the_chosen_classifier_is_kept_under_another_methods_loss_too(name):
    base = build_algorithm(name, train_info(COUNTS))
    start = {f"base.{n}": value.clone() for n, value in base.state_dict().items()}
    take_steps(base, [random_batch(base.train_info, seed=seed) for seed in range(5)])
    chosen = [value.clone() for value in base.classifier.state_dict().values()]
    before = [value.clone() for value in base.backbone.parameters()]
    stage = build_stage("wise-ft[alpha=0.5,head=chosen]", base.eval())
    stage.before_step(0, SmallTraining(stage, random_batch(base.train_info, seed=9), start))
    found = base.classifier.state_dict().values()
    assert all(a.equal(b) for a, b in zip(found, chosen, strict=True))
    assert not all(a.equal(b) for a, b in zip(base.backbone.parameters(), before, strict=True))


@pytest.mark.parametrize("stages", ["lws", "posthoc-la", "mislas", "tau-norm", "crt+lws"])
def test_the_network_alone_is_mixed_behind_other_stages(stages):
    """Whichever of them holds the classifier that answers, and scales that go with it."""
    model = build_algorithm("erm", train_info(COUNTS))
    for stage in stages.split("+"):
        model = build_stage(stage, model)
    start = {f"base.{name}": value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():  # as if all of it had been trained
        for value in model.state_dict().values():
            value.add_(1)
    end = {name: value.clone() for name, value in model.state_dict().items()}
    wise = build_stage("wise-ft[alpha=0.5,head=chosen]", model.eval())
    wise.before_step(0, SmallTraining(wise, random_batch(model.train_info), start))
    kept = {name for name, value in model.state_dict().items() if value.equal(end[name])}
    counters = {name for name, value in end.items() if not value.is_floating_point()}
    assert kept == {name for name in end if "backbone." not in name} | counters
