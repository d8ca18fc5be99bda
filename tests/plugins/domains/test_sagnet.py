from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_domains.sagnet import EPSILON, SagNet, split_style


def style(f):
    return f.mean(1, keepdims=True), f.var(1, ddof=1, keepdims=True)


def replay(images, seed):
    generator = torch.Generator().manual_seed(seed)
    other = torch.randperm(images, generator=generator).numpy()
    return other, torch.rand(images, 1, generator=generator).double().numpy()


def test_randomised_style_keeps_content_and_mixes_the_moments(tiny):
    model = tiny.algorithm(SagNet)
    f = model.features(tiny.batch().x).detach()
    model.generator.manual_seed(2)
    ours = model.randomise_style(f).numpy()
    other, share = replay(18, 2)
    f = f.numpy()
    mean, variance = style(f)
    content = (f - mean) / np.sqrt(variance + EPSILON)
    mean = share * mean + (1 - share) * mean[other]
    variance = share * variance + (1 - share) * variance[other]
    np.testing.assert_allclose(ours, content * np.sqrt(variance + EPSILON) + mean, atol=1e-6)


def test_randomised_content_keeps_style_and_stops_the_contents_gradient(tiny):
    model = tiny.algorithm(SagNet)
    f = model.features(tiny.batch().x).detach().requires_grad_()
    model.generator.manual_seed(2)
    ours = model.randomise_content(f)
    other, _ = replay(18, 2)
    values = f.detach().numpy()
    mean, variance = style(values)
    content = ((values - mean) / np.sqrt(variance + EPSILON))[other]
    expected = content * np.sqrt(variance + EPSILON) + mean
    np.testing.assert_allclose(ours.detach(), expected, atol=1e-6)
    # An image's own style is all that its output depends on.
    (gradient,) = torch.autograd.grad(ours[0].sum(), f)
    assert gradient[0].abs().max() > 0
    assert gradient[1:].abs().max() == 0


def test_style_of_identical_images_is_kept(tiny):
    model = tiny.algorithm(SagNet)
    f = torch.randn(1, 4, dtype=torch.float64).repeat(5, 1)
    torch.testing.assert_close(model.randomise_style(f), f)
    torch.testing.assert_close(model.randomise_content(f), f)


def test_the_adversary_wants_a_uniform_answer(tiny):
    model = tiny.algorithm(SagNet)
    with torch.no_grad():
        model.style.weight.zero_()
        model.style.bias.zero_()
    f = model.features(tiny.batch().x)
    assert float(model.adversarial_loss(f).detach()) == pytest.approx(np.log(5))
    with torch.no_grad():
        model.style.bias[0] = 3
    assert float(model.adversarial_loss(f).detach()) > np.log(5)


def test_each_part_of_a_step_moves_its_own_parameters(tiny):
    """With the other optimisers at rest, each moves what the algorithm says and nothing else."""
    parts = {"features": "backbone", "content": "classifier", "style": "style"}
    for active, module in parts.items():
        model = tiny.ready(tiny.algorithm(SagNet))
        for name, optimizer in model.optimizers.items():
            optimizer.param_groups[0]["lr"] = 0.1 if name == active else 0.0
        before = {k: v.clone() for k, v in model.state_dict().items()}
        model.step(tiny.batch())
        changed = {k.split(".")[0] for k, v in model.state_dict().items() if (v != before[k]).any()}
        assert changed == {module}


def test_a_step_is_the_three_unrolled_ones(tiny):
    batch = tiny.batch()
    model = tiny.ready(tiny.algorithm(SagNet, weight=0.5))
    other = tiny.algorithm(SagNet, weight=0.5)
    model.generator.manual_seed(7)
    other.generator.manual_seed(7)
    model.step(batch)

    def descend(loss, parameters):
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(0.1 * gradient)

    backbone = list(other.backbone.parameters())
    descend(other.content_risk(batch), backbone + list(other.classifier.parameters()))
    logits = other.style(other.randomise_content(other.features(batch.x)))
    loss = torch.nn.functional.cross_entropy(logits, batch.y)
    descend(loss, list(other.style.parameters()))
    descend(0.5 * other.adversarial_loss(other.features(batch.x)), backbone)
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_split_style_normalises(tiny):
    f = torch.randn(6, 50, dtype=torch.float64) * 3 + 1
    content, mean, variance = split_style(f)
    torch.testing.assert_close(content.mean(1), torch.zeros(6).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(content * (variance + EPSILON).sqrt() + mean, f)
