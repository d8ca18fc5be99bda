from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_domains.mtl import MTL


def test_the_classifier_sees_features_and_the_domains_embedding(tiny, cross_entropies):
    model = tiny.algorithm(MTL, ema=0.75)
    weight = model.classifier.weight.detach().numpy()
    bias = model.classifier.bias.detach().numpy()
    embeddings = np.zeros((3, 4))
    for seed in range(3):
        batch = tiny.batch(seed=seed)
        f = model.features(batch.x).detach().numpy()
        d = batch.d.numpy()
        means = np.stack([f[d == k].mean(0) for k in range(3)])
        embeddings = 0.75 * means + 0.25 * embeddings
        logits = np.concatenate([f, embeddings[d]], 1) @ weight.T + bias
        expected = cross_entropies(logits, batch.y).mean()
        assert float(model.loss(batch).detach()) == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(model.embeddings, embeddings, atol=1e-6)


def test_the_embedding_lets_gradients_through_to_the_features(tiny):
    batch = tiny.batch()
    with_mean = tiny.algorithm(MTL, ema=1)
    with torch.no_grad():
        with_mean.classifier.weight[:, :4] = 0  # only the embedding is looked at
    with_mean.loss(batch).backward()
    assert with_mean.backbone.linear.weight.grad.abs().max() > 0


def test_a_prediction_takes_the_nearest_embedding_whatever_the_company(tiny):
    model = tiny.algorithm(MTL)
    model.loss(tiny.batch())
    x = tiny.batch(seed=9).x
    logits = model.predict(x)
    torch.testing.assert_close(torch.cat([model.predict(part) for part in x.split(1)]), logits)
    f = model.features(x).detach()
    nearest = ((f[:, None] - model.embeddings) ** 2).sum(2).argmin(1)
    expected = model.classifier(torch.cat([f, model.embeddings[nearest]], 1))
    torch.testing.assert_close(logits, expected)


def test_domains_without_training_images_are_never_taken(tiny):
    model = tiny.algorithm(MTL)
    model.counts[1] = 0
    model.embeddings[:] = 100
    model.embeddings[1] = 0
    f = model.features(tiny.batch().x)
    expected = model.classifier(torch.cat([f, torch.full_like(f, 100)], 1))
    torch.testing.assert_close(model.predict(tiny.batch().x), expected)


def test_the_references_noise_stands_in_for_the_embedding(tiny, cross_entropies):
    batch, model = tiny.batch(), tiny.algorithm(MTL, reference_noise=True)
    model.generator.manual_seed(4)
    ours = float(model.loss(batch).detach())
    noise = torch.randn(18, 4, generator=torch.Generator().manual_seed(4))
    logits = model.classifier(torch.cat([model.features(batch.x), noise.double()], 1)).detach()
    assert ours == pytest.approx(cross_entropies(logits, batch.y).mean(), abs=1e-9)
    torch.testing.assert_close(model.predict(batch.x), model.predict(batch.x))
