from __future__ import annotations

import math

import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.composition import WithLoss, losses, why_no_loss
from ltbench_domains.coral import CORAL
from ltbench_domains.dann import DANN
from ltbench_domains.fish import Fish
from ltbench_domains.irm import IRM
from ltbench_domains.mixup import Mixup
from ltbench_domains.mldg import MLDG
from ltbench_domains.mtl import MTL
from ltbench_domains.vrex import VREx
from ltbench_longtail.bsoftmax import BSoftmax
from torch import nn
from torch.nn import functional as F

from ltbench.api import Algorithm, HParams, UsageError, hparam
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_chains, parse_name
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_model import build_algorithm, random_batch, take_steps, train_info

FIRST_PARTY = ("ltbench_domains", "ltbench_mdlt", "ltbench_baselines")


def composable():
    entries = [e for e in get_plugins()["algorithms"] if str(e.target).startswith(FIRST_PARTY)]
    return [entry.name for entry in entries if issubclass(entry.load(), WithLoss)]


class ScheduledHParams(HParams):
    scale: float = hparam(1.0)


class Scheduled(Algorithm):
    """A loss with a classifier, a schedule, a state and randomness of its own."""

    HParams = ScheduledHParams

    def __init__(self, backbone, train_info, hparams):
        super().__init__(backbone, train_info, hparams)
        self.classifier = nn.Linear(self.num_features, train_info.num_classes, bias=False)
        self.register_buffer("seen", torch.zeros(()))
        self.late = False

    def before_step(self, step, training):
        self.late = step >= 3

    def risks(self, logits, batch):
        self.seen += 1
        noise = torch.rand((), generator=self.generator)
        factor = self.hparams.scale * (2 if self.late else 1)
        return factor * super().risks(logits, batch) + noise


@pytest.fixture
def scheduled(monkeypatch):
    from ltbench.plugins.registry import Entry

    registry = get_plugins()["algorithms"]
    entry = Entry("algorithm", "scheduled", Scheduled, "", "test", "1")
    monkeypatch.setitem(registry._entries, "scheduled", [entry])


def test_the_risk_is_the_losss_own(tiny):
    batch = tiny.batch()
    model = tiny.algorithm(CORAL, loss="bsoftmax", weight=0)
    logits = model.predict(batch.x)
    shifted = logits + torch.log(tiny.counts[batch.d].double())
    expected = F.cross_entropy(shifted, batch.y)
    torch.testing.assert_close(model.loss(batch)["total"], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cls", [IRM, VREx, MLDG, Fish, DANN, MTL, Mixup])
@pytest.mark.parametrize("loss", ["bsoftmax", "focal[gamma=2]"])
def test_methods_step_with_any_loss(tiny, cls, loss):
    model = tiny.ready(tiny.algorithm(cls, loss=loss))
    before = [p.detach().clone() for p in model.backbone.parameters()]
    for step in range(2):
        model.before_step(step, tiny.training)
        for value in model.step(tiny.batch(seed=step)).values():
            assert torch.isfinite(value)
    assert any(
        not torch.equal(p, q) for p, q in zip(model.backbone.parameters(), before, strict=True)
    )


def test_loss_brings_classifier_schedule_state_and_randomness(tiny, scheduled):
    batch = tiny.batch()
    model = tiny.ready(tiny.algorithm(CORAL, loss="scheduled[scale=3]"))
    assert model.classifier.bias is None
    parameters = {id(p) for group in model.optimizers["main"].param_groups for p in group["params"]}
    assert id(model.classifier.weight) in parameters
    plain = F.cross_entropy(model.predict(batch.x), batch.y)
    for step, factor in [(0, 3), (3, 6)]:
        model.before_step(step, tiny.training)
        model.generator.manual_seed(8)
        noise = torch.rand((), generator=torch.Generator().manual_seed(8))
        risk = model.loss(batch)["risk"]
        torch.testing.assert_close(risk, factor * plain + noise, rtol=1e-6, atol=1e-6)
    assert float(model.state_dict()["criterion.seen"]) == 2


def test_the_classifier_of_mtl_sees_the_embedding_too(tiny, scheduled):
    model = tiny.algorithm(MTL, loss="scheduled")
    assert model.classifier.weight.shape == (5, 8)
    assert torch.isfinite(model.loss(tiny.batch()))


def test_the_backbone_is_kept_once(tiny):
    keys = tiny.algorithm(CORAL, loss="bsoftmax").state_dict()
    assert sum("linear" in key for key in keys) == 2  # weight and bias


def test_erm_is_the_same_as_no_loss(tiny):
    assert CORAL.HParams.from_options({"loss": "erm"}, "coral") == CORAL.HParams()
    model = tiny.algorithm(CORAL, loss="erm")
    assert model.criterion is None


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        ("bsoftmax", "bsoftmax"),
        (" focal[ gamma = 1 ]", "focal"),
        ("focal[gamma=2]", "focal[gamma=2.0]"),
    ],
)
def test_one_combination_has_one_spelling(typed, spelled):
    assert CORAL.HParams.from_options({"loss": typed}, "coral").loss == spelled


@pytest.mark.parametrize("text", ["coral[loss=bsoftmax]", "dann[loss=focal[gamma=2.0],weight=0.5]"])
def test_labels_read_as_they_are_typed(text):
    name = parse_name(text)
    cls = {"coral": CORAL, "dann": DANN}[name.name]
    hparams = cls.HParams.from_options(name.options, name.name)
    label = str(Name(name.name, hparams.changed()))
    assert sorted(label) == sorted(text)
    assert cls.HParams.from_options(parse_name(label).options, name.name) == hparams


def test_stages_and_sweeps_go_on_working():
    chains = parse_chains("coral[loss=[bsoftmax,focal[gamma=2]]]+crt")
    assert [[str(n) for n in chain] for chain in chains] == [
        ["coral[loss=bsoftmax]", "crt"],
        ["coral[loss=focal[gamma=2]]", "crt"],
    ]


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ("dann", "takes its own optimisation steps"),
        ("coral", "is more than a loss on logits"),
        ("urm", "takes its own optimisation steps"),
        ("mtl", "more than a loss on logits"),
        ("bsoftmx", "did you mean 'bsoftmax'"),
        ("focal[gama=2]", "no hyper-parameter 'gama'"),
        ("focal[gamma=-1]", "out of range"),
        ("focal[", "lacks its closing"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(loss, reason):
    with pytest.raises(UsageError, match=reason.replace("[", r"\[")):
        CORAL.HParams.from_options({"loss": loss}, "coral")


def test_a_refusal_names_what_combines():
    with pytest.raises(UsageError, match=r"bsoftmax, .*erm, focal"):
        CORAL.HParams.from_options({"loss": "dann"}, "coral")


def test_a_way_of_sampling_is_no_loss():
    class Resampled(ERM):
        sampling = "class-balanced"

    assert "which images are drawn" in why_no_loss(Resampled)
    assert why_no_loss(BSoftmax) == ""


@pytest.mark.parametrize("method", composable())
def test_every_method_steps_with_every_loss(method):
    info = train_info()  # three domains with absent pairs
    for loss in [*losses(), "ldam[normalized=true,drw=true]"]:
        model = build_algorithm(f"{method}[loss={loss}]", info)
        before = [p.detach().clone() for p in model.backbone.parameters()]
        for parts in take_steps(model, [random_batch(info, seed=seed) for seed in range(3)]):
            assert all(math.isfinite(value) for value in parts.values()), loss
        pairs = zip(model.backbone.parameters(), before, strict=True)
        assert any(not torch.equal(p, q) for p, q in pairs), loss


def test_most_methods_take_a_loss():
    methods = set(composable())
    assert {"coral", "mmd", "dann", "cdann", "irm", "vrex", "groupdro", "mixup"} <= methods
    assert {"mldg", "mtl", "sagnet", "fish", "sd", "rsc", "eqrm", "urm"} <= methods


@pytest.mark.parametrize("algo", ["coral[loss=dann]", "groupdro[groups=pair,loss=bsoftmax]"])
def test_it_is_refused_when_runs_are_planned(tmp_path, algo):
    request = Request([algo], ["digits-mini-mlt"], [0], "fp32", tmp_path)
    with pytest.raises(UsageError, match="makes no sense"):
        plan_runs(request)
