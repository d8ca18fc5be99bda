from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltbench.data.sampling import make_sampler
from ltbench.plugins.names import Name
from ltbench.training.model import ModelBuilder
from ltbench.training.seeding import derive_seed, seed_torch


def test_a_derived_seed_never_changes():
    assert derive_seed(0, "stage 0", "batches") == 600084627498661201


@given(st.integers(0, 10**6), st.text(max_size=5), st.integers(0, 10**6))
def test_derived_seeds_fit_every_generator(seed, purpose, step):
    derived = derive_seed(seed, purpose, step)
    assert 0 <= derived < 2**63
    assert derived != derive_seed(seed + 1, purpose, step)
    assert derived != derive_seed(seed, purpose, step + 1)


def test_torch_draws_follow_the_purpose():
    seed_torch(1, "a")
    first = torch.rand(3)
    seed_torch(1, "b")
    assert not torch.equal(first, torch.rand(3))
    seed_torch(1, "a")
    assert torch.equal(first, torch.rand(3))


def initial(job):
    from ltbench.data.catalogue import open_dataset

    name = Name(job.spec.dataset.name, job.spec.dataset.hparams)
    dataset, split = open_dataset(name, job.data_dir)
    model = ModelBuilder(job.spec, dataset.facts, split, torch.device("cpu")).algorithm()
    sampler = make_sampler("uniform", split, 4, derive_seed(job.spec.seed, "stage 0", "batches"))
    return model.state_dict(), sampler(0), split.sha256


def test_seeds_differ_in_weights_and_first_batch_but_not_in_images(make_job):
    (w0, b0, images0), (w1, b1, images1) = initial(make_job(seed=0)), initial(make_job(seed=1))
    assert not torch.equal(w0["backbone.layers.0.weight"], w1["backbone.layers.0.weight"])
    assert not torch.equal(w0["classifier.weight"], w1["classifier.weight"])
    assert not np.array_equal(b0, b1)
    assert images0 == images1


def test_algorithms_start_from_the_same_weights_at_the_same_seed(make_job):
    (erm, _, _), (focal, _, _) = initial(make_job("erm")), initial(make_job("focal"))
    assert all(torch.equal(erm[key], focal[key]) for key in erm)
