"""Which classifier a network gets by its backbone's options, and what it starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ltbench.api import Algorithm, ClassTexts
from ltbench.errors import UsageError
from ltbench.plugins.head import CosineHead, Head
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.plugins.stage import Stage
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs
from ltbench.session.prepare import check_backbones
from ltbench.testing import build_algorithm, build_stage, random_batch, take_steps, train_info
from ltbench.testing.small_data import NAME as SMALL
from ltbench.testing.small_data import register_small_data
from ltbench.testing.small_model import SmallTraining
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training.classifier_start import (
    check_made,
    fresh_classifier,
    mean_directions,
    start_classifier,
    text_directions,
)
from ltbench.training.job import Job
from ltbench.training.run import execute

COSINE = Head("cosine", 25.0, "class-mean")


def start(model, training, say=lambda _: None):
    start_classifier(model, lambda: training.extract_features("train"), training.class_texts, say)


def info(head: Head, **settings: Any):
    return replace(train_info(**settings), head=head)


def test_cosines_are_those_of_numpy_and_have_their_scale() -> None:
    head = CosineHead(6, 4, 25.0)
    features = torch.randn(5, 6) * 7
    f, w = features.numpy(), head.weight.detach().numpy()
    expected = 25 * (f @ w.T) / np.outer(np.linalg.norm(f, axis=1), np.linalg.norm(w, axis=1))
    np.testing.assert_allclose(head(features).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert [name for name, _ in head.named_parameters()] == ["weight"]
    assert torch.isfinite(head(torch.zeros(1, 6))).all()


def test_directions_of_means_are_those_of_a_loop() -> None:
    torch.manual_seed(0)
    features, y = torch.randn(20_000, 5), torch.randint(0, 3, (20_000,))
    found, known = mean_directions(features, y, 5)
    for c in range(5):
        own = features[y == c].double().numpy()
        if not len(own):
            assert not known[c]
            assert not found[c].any()
            continue
        mean = own.mean(0)
        np.testing.assert_allclose(found[c], mean / np.linalg.norm(mean), rtol=1e-9)
    assert known.tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_class_means_of_all_domains_are_the_start(kind) -> None:
    model = build_algorithm("erm", info(Head(kind, 25.0, "class-mean")))
    batch = random_batch(model.train_info)
    drawn, said = model.classifier.weight.detach().clone(), []
    start(model, SmallTraining(model, batch), said.append)
    assert model.training
    model.eval()
    features = model.features(batch.x).detach()
    weight = model.classifier.weight.detach()
    for c in range(model.train_info.num_classes):
        own = features[batch.y == c]
        wanted = own.mean(0) if len(own) else drawn[c]
        torch.testing.assert_close(weight[c], wanted / wanted.norm(), rtol=1e-5, atol=1e-6)
    if kind == "linear":
        assert not model.classifier.bias.any()
    absent = sorted(set(range(5)) - set(batch.y.tolist()))
    names = ", ".join(f"'{c}'" for c in absent)
    wanted = f"init=class-mean has no training images of {names}: their weight vectors start from"
    assert said[0].startswith(wanted) if absent else not said, said


def test_many_classes_without_images_are_named_in_a_sentence() -> None:
    counts = [[3] + [0] * 11]
    model = build_algorithm("erm", info(COSINE, counts=counts))
    said: list[str] = []
    start(model, SmallTraining(model, random_batch(model.train_info)), said.append)
    assert "'5' and 6 more: their" in said[0]


def test_names_come_to_the_features_by_the_transposed_projection() -> None:
    texts = ClassTexts(torch.randn(4, 3), torch.randn(3, 6), 100.0)
    t, p = texts.features.numpy(), texts.projection.numpy()
    expected = np.stack([p.T @ one / np.linalg.norm(p.T @ one) for one in t])
    np.testing.assert_allclose(text_directions(texts).numpy(), expected, rtol=1e-5)
    model = build_algorithm("erm", info(Head("cosine", 25.0, "text")))
    training = SmallTraining(model, random_batch(model.train_info))
    start(model, training)
    wanted = text_directions(training.class_texts(model.train_info.head.prompt))
    torch.testing.assert_close(model.classifier.weight.detach(), wanted)


def test_a_loss_within_a_method_has_the_classifier_and_its_start() -> None:
    model = build_algorithm("coral[loss=bsoftmax]", info(COSINE))
    assert isinstance(model.classifier, CosineHead)
    before = model.classifier.weight.detach().clone()
    start(model, SmallTraining(model, random_batch(model.train_info)))
    assert not torch.equal(before, model.classifier.weight)
    assert len(take_steps(model, [random_batch(model.train_info)] * 2)) == 2


def test_stages_start_their_own_classifier_and_leave_one_of_before() -> None:
    base = build_algorithm("erm", info(COSINE))
    start(base, SmallTraining(base, random_batch(base.train_info)))
    crt = build_stage("crt", base)
    assert isinstance(fresh_classifier(crt), CosineHead)
    for name in ("lws", "mislas", "tau-norm", "posthoc-la"):
        stage = build_stage(name, base)
        assert fresh_classifier(stage) is None
        before = {key: value.clone() for key, value in stage.state_dict().items()}
        start(stage, SmallTraining(stage, random_batch(base.train_info)))
        assert all(torch.equal(value, before[key]) for key, value in stage.state_dict().items())

    class Goes(Stage):
        def __init__(self, base, train_info, hparams):
            super().__init__(base, train_info, hparams)
            self.classifier = base.classifier

    assert fresh_classifier(Goes(base, base.train_info, Stage.HParams())) is None


class Own(Algorithm):
    """Puts a classifier of its own in the place of the suite's, without a word."""

    def __init__(self, backbone, train_info, hparams):
        super().__init__(backbone, train_info, hparams)
        self.classifier = nn.Linear(self.num_features, train_info.num_classes)


def test_an_algorithm_that_says_nothing_of_its_classifier_is_found_out(monkeypatch) -> None:
    registry = get_plugins()["algorithms"]
    entry = Entry("algorithm", "own", Own, "", "test", "1")
    monkeypatch.setitem(registry._entries, "own", [entry])
    usual = build_algorithm("own", info(Head()))
    check_made(usual, Head(), "own")
    says = "'own' has a classifier of its own, which head=cosine"
    with pytest.raises(UsageError, match=says):
        check_made(build_algorithm("own", info(COSINE)), COSINE, "own")
    register_small_data()
    request = Request(["erm,own"], [SMALL], [0, 1], "fp32", Path(), backbone="small-cnn")
    check_backbones(plan_runs(request))
    with pytest.raises(UsageError, match=says):  # before the first run of the command starts
        check_backbones(plan_runs(replace(request, backbone="small-cnn[head=cosine]")))


def planned(method: str, backbone: str, domains: int = 3) -> RunSpec:
    register_small_data()
    request = Request(
        [method], [f"{SMALL}[domains={domains}]"], [0], "fp32", Path(), backbone=backbone
    )
    (spec,) = plan_runs(request).specs
    return spec


@pytest.mark.parametrize(
    ("method", "options", "domains", "stops"),
    [
        ("erm@ema+crt", "head=cosine,init=class-mean", 1, (1, 3, 7)),
        ("coral[loss=bsoftmax]", "init=class-mean", 3, (2,)),
    ],
)
def test_a_run_that_is_broken_off_ends_the_same(tmp_path, method, options, domains, stops) -> None:
    spec = planned(method, f"small-cnn[{options}]", domains)
    whole = carry_out(spec, tmp_path / "whole", Path())
    check_same(carry_out(spec, tmp_path / "broken", Path(), stops), whole, "a resumed run")
    plain = carry_out(planned(method, "small-cnn", domains), tmp_path / "plain", Path())
    assert plain.log[-1]["losses"] != whole.log[-1]["losses"]


def test_classes_without_images_are_told_in_the_run(tmp_path) -> None:
    spec = planned("erm", "small-cnn[init=class-mean]", domains=1)
    said: list[str] = []

    def report(event) -> None:
        if event["event"] == "notice":
            said.append(event["sentence"])

    execute(Job(spec, tmp_path / "run", Path()), report, lambda: False)
    (sentence,) = said
    assert sentence.startswith("init=class-mean has no training images of '4'")


def test_options_leave_no_trace_where_they_are_the_usual() -> None:
    plain = planned("erm", "small-cnn")
    assert plain.hash == planned("erm", "small-cnn[head=linear,init=random]").hash
    cosine = planned("erm", "small-cnn[head=cosine]")
    assert cosine.backbone.options == {"head": "cosine"}
    assert cosine.hash == planned("erm", "small-cnn[head=cosine[scale=25]]").hash != plain.hash
    assert planned("erm", "small-cnn[head=cosine[scale=10]]").hash != cosine.hash
