"""Several batches make one step, whose gradient is their mean."""

from __future__ import annotations

import pytest
import torch

from ltbench.plugins.batch import TrainInfo
from ltbench.results.folder import RunFolder
from ltbench.session.estimate import Estimator
from ltbench.testing.small_model import train_info
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training.run import execute

SMALL = {"optimizer": "sgd", "momentum": 0.0, "lr": 0.1, "augmentation": "none", "select": "last"}


def weights(job) -> dict[str, torch.Tensor]:
    assert "test" in execute(job, lambda _: None, lambda: False)
    return torch.load(RunFolder(job.folder).best, weights_only=True)["model"]


def test_halves_of_a_batch_make_the_step_of_the_whole(make_job):
    """Batches walk through a permutation, so two of half the size hold what one holds."""
    whole = weights(make_job(folder="whole", batch_per_domain=4, **SMALL))
    halves = weights(make_job(folder="halves", batch_per_domain=2, accumulate=2, **SMALL))
    assert whole.keys() == halves.keys()
    assert all(torch.allclose(whole[key], halves[key], atol=1e-5) for key in whole)
    other = weights(make_job(folder="other", batch_per_domain=2, **SMALL))
    assert not all(torch.allclose(whole[key], other[key], atol=1e-3) for key in whole)


@pytest.mark.parametrize(
    "algo", ["erm+crt", "balpoe", "groupdro", "erm+weight-balancing", "resamp"]
)
def test_a_run_that_is_broken_off_ends_as_one_that_was_not(make_job, tmp_path, algo):
    spec = make_job(algo, accumulate=3, batch_per_domain=2, dropout=0.2).spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=[2, 7, 15])
    check_same(whole, broken, f"{algo} with accumulation, broken off and resumed,")


def test_every_batch_of_a_step_has_draws_of_its_own(make_job, monkeypatch):
    from ltbench.plugins.algorithm import Algorithm

    seen, asked = [], []
    step = Algorithm.step

    def note(self, batch):
        seen.append((self.micro_batch, self.generator.initial_seed(), float(torch.rand(()))))
        return step(self, batch)

    monkeypatch.setattr(Algorithm, "step", note)
    monkeypatch.setattr(Algorithm, "before_step", lambda self, step, _: asked.append(step))
    execute(make_job(accumulate=3, steps=4), lambda _: None, lambda: False)
    assert [number for number, *_ in seen] == [0, 1, 2] * 4
    assert len({seed for _, seed, _ in seen}) == len({draw for *_, draw in seen}) == 12
    assert asked == [0, 1, 2, 3]


def test_the_log_has_the_mean_over_the_batches(make_job, tmp_path):
    still = {"lr": 1e-12, "augmentation": "none", "batch_per_domain": 2}
    several = carry_out(make_job(accumulate=2, steps=6, eval_every=6, **still).spec,
                        tmp_path / "several", tmp_path)  # fmt: skip
    each = carry_out(make_job(steps=12, eval_every=12, **still).spec, tmp_path / "each", tmp_path)
    assert several.log[0]["losses"] == pytest.approx(each.log[0]["losses"], rel=1e-4)


def test_an_epoch_is_of_the_domains_that_have_training_images():
    one = train_info([[8, 4]], batch_per_domain=4)
    among_empty = train_info([[0, 0], [8, 4], [0, 0]], batch_per_domain=4)
    assert (one.steps_per_epoch, among_empty.steps_per_epoch) == (3, 3)


def test_an_epoch_has_fewer_steps_for_algorithms_and_in_a_protocol_too(make_job):
    info = train_info()
    several = TrainInfo(**{**vars(info), "accumulate": 2})
    assert several.steps_per_epoch == -(-int(info.counts.sum()) // (2 * 4 * info.num_domains))
    from ltbench.results.protocol import epochs_to_steps

    assert epochs_to_steps({"epochs": 2, "batch_per_domain": 4}, 80, 2)["steps"] == 20
    several = {"epochs": 2, "batch_per_domain": 4, "accumulate": 5}
    assert epochs_to_steps(several, 80, 2)["steps"] == 4


def test_estimates_count_the_batches_of_a_step(make_job):
    one, three = (Estimator([], "cpu").costs([make_job(accumulate=k).spec])[0] for k in (1, 3))
    assert three == 3 * one
