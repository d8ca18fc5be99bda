from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ltbench.session.plan import Request, plan_runs
from ltbench.testing import build_algorithm, build_stage, random_batch, take_steps, train_info
from ltbench.testing.small_data import NAME, register_small_data
from ltbench.testing.small_run import carry_out


def probed():
    base = build_algorithm("linear-probe", train_info())
    with torch.no_grad():
        base.classifier.weight.normal_()
    return base


def test_it_begins_where_the_stage_before_ended():
    base = probed()
    x = random_batch(base.train_info).x
    base.eval()
    with torch.no_grad():
        wanted = base.predict(x)
        stage = build_stage("finetune", base).eval()
        torch.testing.assert_close(stage.predict(x), wanted, rtol=0, atol=0)


def test_network_and_classifier_are_trained_with_cross_entropy():
    stage = build_stage("finetune", probed())
    batch = random_batch(stage.train_info)
    torch.testing.assert_close(stage.loss(batch), F.cross_entropy(stage.predict(batch.x), batch.y))
    before = {key: value.clone() for key, value in stage.named_parameters()}
    take_steps(stage, [batch])
    still = [key for key, value in stage.named_parameters() if value.equal(before[key])]
    assert still == []


def test_the_classifier_by_the_names_of_the_classes_is_trained_too():
    base = build_algorithm("clip-zeroshot", train_info())
    batch = random_batch(base.train_info)
    take_steps(base, [batch])
    assert not any(parameter.requires_grad for parameter in base.parameters())
    stage = build_stage("finetune", base)
    before = {key: value.clone() for key, value in stage.named_parameters()}
    assert {"base.classifier.weight", "base.classifier.root"} <= before.keys()
    take_steps(stage, [batch])
    assert [key for key, value in stage.named_parameters() if value.equal(before[key])] == []
    # The shared space has 16 dimensions and features 32: rows that P has not come to none.
    assert not stage.classifier.root[16:].any()


@pytest.mark.parametrize("stages", ["crt", "lws", "mislas", "tau-norm", "posthoc-la", "crt+lws"])
def test_the_network_is_trained_behind_stages_that_froze_it(stages):
    model = build_algorithm("erm", train_info())
    for name in stages.split("+"):
        model = build_stage(name, model)
        take_steps(model, [random_batch(model.train_info)])
    network = model.backbone
    kept = [value.clone() for value in network.parameters()]
    stage = build_stage("finetune", model)
    assert all(module.training for module in network.modules())  # batch normalisation too
    take_steps(stage, [random_batch(model.train_info)])
    assert not any(a.equal(b) for a, b in zip(network.parameters(), kept, strict=True))
    assert build_stage("crt", build_algorithm("erm", train_info())).frozen


def test_its_state_holds_everything_once():
    stage = build_stage("finetune", probed())
    pointers = [value.data_ptr() for value in stage.state_dict().values() if value.numel()]
    assert len(pointers) == len(set(pointers))
    assert "classifier.weight" not in stage.state_dict()


@pytest.mark.parametrize("seed", [0, 1])
def test_runs_of_all_settings_begin_at_one_classifier(tmp_path, seed, monkeypatch):
    from ltbench_stages.finetune import FineTune

    register_small_data()
    starts = []
    before_step = FineTune.before_step

    def watch(self, step, training):
        if step == 0:
            starts.append(self.classifier.weight.detach().clone())
        before_step(self, step, training)

    monkeypatch.setattr(FineTune, "before_step", watch)
    for number, (lr, dropout) in enumerate([(1e-3, 0.0), (1e-2, 0.5)]):
        settings = {"lr": lr, "dropout": dropout, "steps": 2, "eval_every": 2}
        request = Request(["finetune"], [NAME], [seed], "fp32", tmp_path, overrides=settings)
        carry_out(plan_runs(request).specs[0], tmp_path / str(number), tmp_path)
    assert starts[0].equal(starts[1])
    assert bool(starts[0].any())
