"""A network sees an image once, by batches that fit, and what comes out is what always did."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from ltbench.evaluation import batch_size
from ltbench.evaluation.batch_size import evaluation_batch, largest_output
from ltbench.evaluation.evaluator import Evaluator
from ltbench.plugins.shots import ShotRule
from ltbench.testing import build_algorithm, build_stage, train_info

N = 23
SHORT = "[enforce fail] DefaultCPUAllocator: can't allocate memory"


class Images:
    """Images as the evaluator asks for them."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        channels, side, _ = train_info().image_shape
        self.x = torch.randn(N, channels, side, side, generator=generator)
        self.y, self.d = torch.arange(N) % 5, torch.arange(N) % 3
        self.sizes = torch.zeros(N, 2)

    def batches(self, parts):
        for rows in parts:
            index = torch.from_numpy(np.ascontiguousarray(rows))
            yield self.x[index], index


@pytest.fixture
def make():
    def make(batch=0, say=lambda sentence: None):
        info = train_info()
        facts = SimpleNamespace(name="images", size=info.image_shape[1], shots=ShotRule(1, 1))
        return Evaluator(
            Images(), lambda x: x, facts, info.counts.numpy(), batch,
            transform=lambda images, sizes: images, say=say,
        )  # fmt: skip

    return make


def build(chain: str):
    name, *stages = chain.split("+")
    model = build_algorithm(name, train_info())
    for stage in stages:
        model = build_stage(stage, model)
    return model


def counted(model) -> list[int]:
    """Return a list that grows by the images of each pass of a model's network."""
    seen: list[int] = []
    model.backbone.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    return seen


ROWS = np.arange(N)


def plain(model, what):
    """What a loop over single images gives."""
    model.eval()
    with torch.no_grad():
        return torch.cat([what(x[None]) for x in Images().x])


@pytest.mark.parametrize("name", ["erm", "mtl", "urm", "balpoe", "erm+posthoc-la", "erm+lws"])
def test_logits_and_features_come_of_one_pass_and_are_those_of_two(make, name):
    model = build(name)
    seen = counted(model)
    found, features = make(4).predictions_and_features(model, ROWS)
    assert sum(seen) == N, "each image once"
    logits = plain(model, model.predict)
    assert np.array_equal(found.prediction, logits.argmax(1).numpy())
    assert torch.allclose(
        torch.from_numpy(found.confidence).float(), logits.softmax(1).amax(1), atol=1e-6
    )
    assert torch.allclose(features.features, plain(model, model.features), atol=1e-5)
    assert "backbone.network" not in " ".join(model.state_dict()), "the model is as it was"


def test_predictions_have_the_probabilities_of_all_classes(make):
    model = build("erm")
    expected = plain(model, model.predict).softmax(1).numpy()
    evaluator = make(4)
    for found in (evaluator.predictions(model, ROWS),
                  evaluator.predictions_and_features(model, ROWS)[0]):  # fmt: skip
        assert found.probabilities.dtype == np.float32
        assert np.allclose(found.probabilities, expected, atol=1e-6)
        assert np.array_equal(found.probabilities.max(1).astype(float), found.confidence)
        assert np.array_equal(found.probabilities.argmax(1), found.prediction)
    bare = evaluator.predictions(model, ROWS, probabilities=False)
    assert bare.probabilities is None
    assert np.array_equal(bare.nll, evaluator.predictions(model, ROWS).nll)


@pytest.mark.parametrize("batch", [1, 5, 8, 64])
def test_the_batch_changes_nothing_but_rounding(make, batch):
    model = build("erm")
    one, other = (make(b).predictions(model, ROWS) for b in (batch, N))
    assert np.array_equal(one.prediction, other.prediction)
    assert np.allclose(one.nll, other.nll, atol=1e-6)


def test_a_frozen_network_looks_at_validation_images_once(make):
    model = build("erm+crt")
    evaluator, seen = make(4), counted(model)
    first = evaluator.predictions(model, ROWS)
    again = evaluator.predictions(model, ROWS)
    features = evaluator.features(model, ROWS)
    assert sum(seen) == N
    assert np.array_equal(first.nll, again.nll)
    assert torch.allclose(features.features, plain(model, model.features), atol=1e-5)
    with torch.no_grad():
        model.classifier.weight.mul_(2)
    assert not np.array_equal(evaluator.predictions(model, ROWS).nll, first.nll)


@pytest.mark.parametrize("change", ["weight", "data", "buffer", "rows"])
def test_any_change_has_it_look_again(make, change):
    model = build("erm+crt")
    model.backbone.register_buffer("shift", torch.zeros(1))
    evaluator, rows = make(4), ROWS
    evaluator.predictions(model, rows)
    parameter = next(model.backbone.parameters())
    with torch.no_grad():
        if change == "weight":
            parameter.add_(0.5)
        elif change == "data":  # which torch's counter of versions does not see
            parameter.data.view(-1)[0] += 1
        elif change == "buffer":
            model.backbone.shift += 1
        else:
            rows = ROWS[::-1].copy()
    seen = counted(model)
    found = evaluator.predictions(model, rows)
    assert sum(seen) == N
    logits = plain(model, model.predict)[torch.from_numpy(rows)]
    assert np.array_equal(found.prediction, logits.argmax(1).numpy())


def test_a_network_that_trains_is_not_remembered_unless_it_is_asked_for(make):
    model = build("erm")
    evaluator, seen = make(4), counted(model)
    evaluator.predictions(model, ROWS)
    evaluator.predictions(model, ROWS)
    assert sum(seen) == 2 * N
    evaluator.features(model, ROWS)  # an algorithm looks at these images itself
    evaluator.predictions(model, ROWS)
    assert sum(seen) == 3 * N


def test_a_model_that_writes_into_its_features_spoils_nothing(make):
    model = build("erm")
    expected = plain(model, model.features)
    predict = model.predict
    model.predict = lambda x: predict(x) + 0 * model.backbone(x).zero_().sum()
    _, features = make(4).predictions_and_features(model, ROWS)
    assert torch.allclose(features.features, expected, atol=1e-5)


def test_large_answers_are_not_kept(make, monkeypatch):
    monkeypatch.setattr("ltbench.evaluation.network_once.KEPT_BYTES", 100)
    model = build("erm+crt")
    evaluator, seen = make(4), counted(model)
    for _ in range(2):
        evaluator.predictions(model, ROWS)
    assert sum(seen) == 2 * N
    assert not evaluator._once.knows(ROWS)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:88] not enough memory: you tried to allocate"),
        MemoryError(),
    ],
    ids=["mps", "cublas", "windows", "host"],
)
def test_whatever_the_words_for_too_little_memory_the_batch_halves(make, error):
    model = build("erm")
    expected = make(N).predictions(model, ROWS)
    evaluator = make(16)

    def short(module, args):
        if len(args[0]) > 8:
            raise error

    model.backbone.register_forward_pre_hook(short)
    found = evaluator.predictions(model, ROWS)
    assert evaluator.batch == 8
    assert np.array_equal(found.prediction, expected.prediction)


def test_where_memory_does_not_suffice_the_batch_halves_and_the_pass_goes_on(make):
    model, said = build("erm"), []
    expected = make(N).predictions(model, ROWS)
    evaluator, tried = make(16, said.append), []

    def short(module, args):
        tried.append(len(args[0]))
        if len(args[0]) > 4:
            raise RuntimeError(SHORT)

    model.backbone.register_forward_pre_hook(short)
    found = evaluator.predictions(model, ROWS)
    assert tried == [16, 8, 4, 4, 4, 4, 4, 3]
    assert evaluator.batch == 4
    assert said == [
        "out of memory: evaluation goes on by 8 images at a time",
        "out of memory: evaluation goes on by 4 images at a time",
    ]
    assert np.array_equal(found.prediction, expected.prediction)
    assert np.array_equal(found.y, expected.y)


def test_one_image_that_does_not_fit_is_an_error_and_so_is_any_other(make):
    model = build("erm")
    sentence = SHORT

    def fail(module, args):
        raise RuntimeError(sentence)

    model.backbone.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="allocate"):
        make(2).predictions(model, ROWS)
    sentence, said = "shapes do not fit", []
    with pytest.raises(RuntimeError, match="shapes"):
        make(2, said.append).predictions(model, ROWS)
    assert not said


def test_the_batch_is_what_memory_takes_of_the_largest_layer(monkeypatch):
    model = build("erm").eval()
    outputs = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ReLU | nn.Linear):
            module.register_forward_hook(lambda m, args, out: outputs.append(out.nbytes))
    model.predict(torch.zeros(1, *train_info().image_shape))
    assert largest_output(model) == max(outputs)
    monkeypatch.setattr(batch_size, "CPU_BYTES", 100 * max(outputs))
    assert evaluation_batch(model) == 64
    monkeypatch.setattr(batch_size, "CPU_BYTES", 1)
    assert evaluation_batch(model) == 1
    monkeypatch.setattr(batch_size, "CPU_BYTES", 1 << 50)
    assert evaluation_batch(model) == batch_size.MOST
