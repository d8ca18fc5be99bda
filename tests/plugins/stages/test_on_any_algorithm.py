"""Every stage stands on every algorithm, or refuses it in one sentence."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace

import pytest
import torch

from ltbench.api import UsageError
from ltbench.plugins.head import Head
from ltbench.plugins.manager import get_plugins
from ltbench.testing import (
    SmallTraining,
    build_algorithm,
    build_stage,
    random_batch_for,
    take_steps,
    train_info,
)

ALGORITHMS = [e.name for e in get_plugins()["algorithms"] if e.distribution == "ltbench"]
ON_ANY_MODEL = {"crt", "lws", "posthoc-la", "dfr", "wise-ft", "mlls"}
ON_CLASS_WEIGHTS = {"tau-norm", "mislas", "weight-balancing", "h2t"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("stage", sorted(ON_ANY_MODEL | ON_CLASS_WEIGHTS))
def test_stands_on(stage: str, algorithm: str) -> None:
    base = build_algorithm(algorithm, train_info())
    batch = random_batch_for(base)
    may_refuse = stage in ON_CLASS_WEIGHTS and not has_class_weights(base)
    with pytest.raises(UsageError, match="linear") if may_refuse else contextlib.nullcontext():
        model = build_stage(stage, base)
        batch = random_batch_for(model)
        for losses in take_steps(model, [batch] * 2):
            assert all(map(math.isfinite, losses.values()))
        model.eval()
        with torch.no_grad():
            assert bool(model.predict(batch.x).isfinite().all())


def has_class_weights(base: object) -> bool:
    try:
        base.class_weights()  # type: ignore[attr-defined]
    except UsageError:
        return False
    return True


@pytest.mark.parametrize("stage", ["h2t", "mislas", "weight-balancing"])
@pytest.mark.parametrize(
    "algorithm",
    ["erm", "bcl", "proco[scale=30]", "ldam[normalized=true]", "balpoe[shared=true]"],
)
def test_stages_begin_with_the_answers_of_a_classifier_by_cosines(stage, algorithm) -> None:
    """Lengths to which class vectors were trained change no cosine, and no answer here."""
    info = train_info()
    if algorithm == "erm":
        info = replace(info, head=Head(kind="cosine"))
    base = build_algorithm(algorithm, info).eval()
    lengths = torch.linspace(0.2, 3, info.num_classes)[:, None]
    for name, parameter in base.classifier.named_parameters():
        if name.endswith("weight"):
            parameter.data *= lengths
    x = random_batch_for(base).x
    model = build_stage(stage, base).eval()
    with torch.no_grad():
        assert model.predict(x).argmax(1).equal(base.predict(x).argmax(1))


@pytest.mark.parametrize("algorithm", ["erm", "ldam", "sade[scale=0]", "balpoe[scale=0]"])
def test_a_stage_that_trains_on_begins_with_the_logits_of_a_linear_one(algorithm) -> None:
    base = build_algorithm(algorithm, train_info()).eval()
    for parameter in base.classifier.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(3))
    x = random_batch_for(base).x
    stage = build_stage("h2t", base).eval()
    with torch.no_grad():
        torch.testing.assert_close(stage.predict(x), base.predict(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("after", ["h2t", "mislas", "weight-balancing"])
@pytest.mark.parametrize("stages", ["crt", "h2t", "mislas", "mislas+mislas", "mislas+finetune"])
def test_a_stage_that_trains_on_begins_with_the_logits_of_the_stage_before(stages, after) -> None:
    model = build_algorithm("erm", train_info())
    for stage in stages.split("+"):
        model = build_stage(stage, model)
    drawn = torch.Generator().manual_seed(3)
    for name, parameter in model.eval().named_parameters():  # scales among them
        if "backbone" not in name:
            torch.nn.init.normal_(parameter, generator=drawn)
    x = random_batch_for(model).x
    stage = build_stage(after, model).eval()
    with torch.no_grad():
        torch.testing.assert_close(stage.predict(x), model.predict(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("stages", ["mislas", "mislas+finetune"])
def test_tau_norm_normalises_the_weights_by_which_a_stage_answers(stages) -> None:
    model = build_algorithm("erm", train_info())
    for stage in stages.split("+"):
        model = build_stage(stage, model)
    for name, parameter in model.eval().named_parameters():
        if name.endswith("scales"):
            parameter.data = torch.linspace(0.2, 3, len(parameter))
        elif name.endswith("classifier.bias"):  # which is left out
            parameter.data.zero_()
    x = random_batch_for(model).x
    stage = build_stage("tau-norm[lowest=0,highest=0]", model)
    stage.before_step(0, SmallTraining(stage, random_batch_for(model)))
    with torch.no_grad():
        torch.testing.assert_close(stage.eval().predict(x), model.predict(x))


@pytest.mark.parametrize("stage", ["lws", "posthoc-la", "wise-ft", "mlls"])
def test_a_stage_without_a_classifier_of_its_own_has_no_class_weights(stage) -> None:
    base = build_algorithm("erm", train_info())
    with pytest.raises(UsageError, match="linear in its features"):
        build_stage(stage, base).class_weights()


def test_a_classifier_that_is_neither_is_refused() -> None:
    base = build_algorithm("erm", train_info())
    base.classifier.forward = lambda features: features[:, : len(base.classifier.weight)] ** 2
    with pytest.raises(UsageError, match="linear in its features"):
        base.class_weights()
