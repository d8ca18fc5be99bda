"""``sam`` and ``imbsam`` against steps that are written out here, gradient by gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ltbench_domains.groupdro import GroupDRO
from ltbench_modifiers.ascent import Draws
from torch import nn
from torch.nn import functional as F

from ltbench.api import MixedLabels
from ltbench.models.adaptation.adapted import adapted
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.backbone_options import checked_options
from ltbench.results.protocol import Protocol
from ltbench.testing import SmallTraining, build_algorithm, build_modifier, random_batch, train_info
from ltbench.training.optimizers import optimizer_maker

COUNTS = [[30, 12, 3], [40, 2, 5]]  # of classes 70, 14 and 8
SGD = Protocol.from_options({"optimizer": "sgd", "momentum": 0.0, "lr": 0.1}, "protocol")


def small(name: str = "erm", counts=COUNTS):
    model = build_algorithm(name, train_info(counts))
    model.optimizers = model.configure_optimizers(optimizer_maker(SGD))
    return model


def step(model, modifier, batch, seed=0):
    torch.manual_seed(seed)
    model.generator.manual_seed(seed)
    model.before_step(seed, SmallTraining(model, batch))
    return modifier.step(batch, model.step)


def flat(tensors) -> torch.Tensor:
    return torch.cat([t.detach().flatten().double() for t in tensors])


def gradient(model, loss) -> torch.Tensor:
    return flat(torch.autograd.grad(loss, list(model.parameters())))


def at(model, vector: torch.Tensor) -> None:
    """Put a model's parameters to a flat vector."""
    with torch.no_grad():
        parts = vector.split([p.numel() for p in model.parameters()])
        for parameter, part in zip(model.parameters(), parts, strict=True):
            parameter.copy_(part.view_as(parameter))


@pytest.mark.parametrize("rho", [0.05, 0.5])
@pytest.mark.parametrize("name", ["erm", "bsoftmax", "ldam", "coral[loss=focal]"])
def test_sam_goes_down_the_gradient_at_the_weights_above(name, rho):
    model, reference = small(name), small(name)
    batch = random_batch(model.train_info)
    losses = step(model, build_modifier(f"sam[rho={rho}]", model), batch)

    torch.manual_seed(0)
    reference.generator.manual_seed(0)
    reference.before_step(0, SmallTraining(reference, batch))
    start = flat(reference.parameters())
    plain = reference.named_losses(batch)["total"]
    first = gradient(reference, plain)
    at(reference, start + rho * first / first.norm())
    second = gradient(reference, reference.named_losses(batch)["total"])
    assert torch.allclose(flat(model.parameters()), start - 0.1 * second, atol=1e-6)
    assert not torch.allclose(flat(model.parameters()), start - 0.1 * first, atol=1e-6)
    assert torch.isclose(losses["total"], plain.detach())


def test_statistics_are_those_of_the_first_pass():
    model, plain = small(), small()
    batch = random_batch(model.train_info)
    step(model, build_modifier("sam[rho=2]", model), batch)
    plain.step(batch)
    for name, value in plain.named_buffers():
        assert value.equal(dict(model.named_buffers())[name]), name


def test_frozen_weights_are_not_copied_for_the_second_look():
    options = checked_options({"adapt": "lora"}, "test_vit")
    network = adapted(build_backbone("test_vit", (3, 32, 32), False), options, "test_vit", 3)
    info = replace(train_info(COUNTS), image_shape=(3, 32, 32))
    model = GroupDRO(network, info, GroupDRO.HParams(eta=1.0))
    copied = Draws(model).buffers
    assert [buffer.shape for buffer in copied] == [model.log_q.shape]
    assert copied[0] is not model.log_q


def test_the_state_of_an_algorithm_takes_one_step():
    """Group DRO moves the weights of its groups whenever its loss is computed."""
    model, plain = small("groupdro[eta=1]"), small("groupdro[eta=1]")
    batch = random_batch(model.train_info)
    step(model, build_modifier("sam[rho=2]", model), batch)
    plain.named_losses(batch)
    assert model.log_q.equal(plain.log_q)


def test_both_passes_draw_the_same():
    """The mixture of a batch with itself is drawn anew in every pass, unless it is the same."""
    model = small("mixup")
    drawn = []
    loss = model.loss
    model.loss = lambda batch: (drawn.append(model.generator.get_state()), loss(batch))[1]
    step(model, build_modifier("sam", model), random_batch(model.train_info))
    assert drawn[0].equal(drawn[1])


@pytest.mark.parametrize("name", ["erm", "groupdro", "mixup", "boda"])
def test_without_rho_it_is_the_plain_step(name):
    model, plain = small(name), small(name)
    modifier = build_modifier("sam[rho=0]", model)
    for seed in range(4):
        batch = random_batch(model.train_info, seed=seed)
        step(model, modifier, batch, seed)
        torch.manual_seed(seed)
        plain.generator.manual_seed(seed)
        plain.before_step(seed, SmallTraining(plain, batch))
        plain.step(batch)
    for key, value in plain.state_dict().items():
        assert value.equal(model.state_dict()[key]), key


def test_of_several_batches_each_looks_up_its_own_gradient():
    model, reference = small(), small()
    modifier, rho = build_modifier("sam[rho=0.3]", model), 0.3
    batches = [random_batch(model.train_info, seed=seed) for seed in range(3)]
    model.micro_batches, start = 3, flat(reference.parameters())
    total = torch.zeros_like(start)
    for number, batch in enumerate(batches):
        model.micro_batch = number
        step(model, modifier, batch)
        at(reference, start)
        first = gradient(reference, reference.named_losses(batch)["total"])
        at(reference, start + rho * first / first.norm())
        total += gradient(reference, reference.named_losses(batch)["total"]) / 3
    assert torch.allclose(flat(model.parameters()), start - 0.1 * total, atol=1e-6)


def image_losses(model, batch) -> torch.Tensor:
    return F.cross_entropy(model.predict(batch.x), batch.y, reduction="none")


@pytest.mark.parametrize(
    ("options", "is_tail"),
    [
        ("eta=20,tail=class", lambda y, d: y >= 1),
        ("eta=10,tail=class", lambda y, d: y == 2),
        ("eta=6", lambda y, d: (y == 2) | ((y == 1) & (d == 1))),
    ],
)
def test_imbsam_looks_up_the_gradient_of_the_tail(options, is_tail):
    model, reference = small(), small()
    batch, rho = random_batch(model.train_info, seed=3), 0.3
    tail = is_tail(batch.y, batch.d)
    assert tail.any() and not tail.all()  # noqa: PT018
    losses = step(model, build_modifier(f"imbsam[rho={rho},{options}]", model), batch)

    start, images = flat(reference.parameters()), len(batch.y)
    each = image_losses(reference, batch)
    head = gradient(reference, each[~tail].sum() / images)
    up = gradient(reference, image_losses(reference, batch)[tail].sum() / images)
    at(reference, start + rho * up / up.norm())
    above = gradient(reference, image_losses(reference, batch)[tail].sum() / images)
    assert torch.allclose(flat(model.parameters()), start - 0.1 * (head + above), atol=1e-6)
    assert torch.isclose(losses["total"], each.mean().detach())


def test_imbsam_without_a_tail_is_the_plain_step_and_with_nothing_else_is_sam():
    batch = random_batch(small().train_info)
    for options, other in (("eta=2", None), ("eta=1000000", "sam[rho=0.3]")):
        model, reference = small(), small()
        step(model, build_modifier(f"imbsam[rho=0.3,{options}]", model), batch)
        if other is None:
            reference.step(batch)
        else:
            step(reference, build_modifier(other, reference), batch)
        assert torch.allclose(flat(model.parameters()), flat(reference.parameters()), atol=1e-6)


def test_of_a_mixed_image_the_first_class_counts():
    model, reference = small(), small()
    batch = random_batch(model.train_info, seed=3)
    other = batch.per_domain(batch.y).flip(1).flatten()
    batch = replace(batch, mixed=MixedLabels(other, torch.tensor(0.7)))
    step(model, build_modifier("imbsam[rho=0,eta=20]", model), batch)
    reference.step(batch)
    assert torch.allclose(flat(model.parameters()), flat(reference.parameters()), atol=1e-6)


def test_a_step_that_float16_cannot_hold_leaves_the_weights():
    from ltbench.plugins.loss_scale import LossScale

    model = small()
    model.loss_scale = LossScale(torch.device("cpu"))
    before = flat(model.parameters())
    with torch.no_grad():
        nn.init.constant_(model.classifier.bias, 0.0)
    batch = random_batch(model.train_info)
    large = replace(batch, x=batch.x * torch.inf)
    step(model, build_modifier("sam", model), large)
    found = flat(model.parameters())
    assert found.isfinite().all()
    kept = len(found) - model.classifier.bias.numel()
    assert found[:kept].equal(before[:kept])
