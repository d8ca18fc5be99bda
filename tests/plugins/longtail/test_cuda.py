"""The curriculum of augmentation, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_augmentations.strength import MOST

from ltbench.api import Training, UsageError
from ltbench.plugins.resolve import resolve
from ltbench.testing import build_algorithm, random_batch, train_info
from ltbench.testing.small_run import check_same, run_small

COUNTS = [[12, 6, 3, 0, 2], [1, 3, 0, 0, 5]]


class Exam(Training):
    """Answers right on a share of each class's images of each strength; notes what is asked."""

    def __init__(self, share) -> None:
        self.y = torch.arange(5).repeat_interleave(torch.tensor([13, 9, 3, 0, 7]))
        self.share, self.asked = share, np.zeros((5, MOST + 1), int)

    def train_labels(self):
        return self.y, torch.zeros_like(self.y)

    def predict_augmented(self, places, change, generator):
        self.places = places
        y = self.y[places]
        # Which strength an image has shows in how it is augmented; order within a class is theirs.
        strengths = torch.cat([
            torch.arange(level + 1).repeat_interleave(self.samples * (torch.arange(level + 1) + 1))
            for level in self.levels
        ])  # fmt: skip
        assert len(strengths) == len(places)
        logits = torch.zeros(len(y), 5)
        for c in range(5):
            for s in range(MOST + 1):
                those = ((y == c) & (strengths == s)).nonzero().squeeze(1)
                self.asked[c, s] = len(those)
                right = round(self.share(c, s) * len(those))
                logits[those[:right], c] = 1
                logits[those[right:], (c + 1) % 5] = 1
        x = torch.rand(len(places), 3, 12, 12)
        assert change(x, torch.arange(len(places))).shape == x.shape
        return logits

    def look(self, model, samples=10):
        self.samples = samples
        self.levels = [int(s) for c, s in enumerate(model.strength) if c != 3]
        model.before_step(0, self)
        return model.strength.tolist()


def cuda(name="cuda"):
    model = build_algorithm(name, train_info(COUNTS))
    assert model.strength.tolist() == [0] * 5
    return model


def test_a_class_rises_where_every_strength_is_learnt_and_falls_where_one_is_not():
    model = cuda()
    model.strength.copy_(torch.tensor([0, 2, 10, 0, 3]))
    exam = Exam(lambda c, s: [1.0, 0.65, 1.0, 1.0, 1.0 if s != 1 else 0.5][c])
    assert exam.look(model) == [1, 3, 10, 0, 2]
    # T·(s + 1) images of every strength up to the present one, and none of an absent class.
    for c, level in enumerate([0, 2, 10, -1, 3]):
        expected = [10 * (s + 1) if s <= level else 0 for s in range(MOST + 1)]
        assert exam.asked[c].tolist() == expected
    assert exam.y[exam.places].bincount(minlength=5).tolist() == exam.asked.sum(1).tolist()


def test_a_strength_is_never_below_none():
    model = cuda()
    assert Exam(lambda c, s: 0.0).look(model) == [0] * 5


@pytest.mark.parametrize(("name", "rises"), [("cuda", True), ("cuda[strict=true]", False)])
def test_the_share_itself_is_enough_in_the_paper_and_not_in_the_code(name, rises):
    found = Exam(lambda c, s: 0.6).look(cuda(name))
    assert found == ([1, 1, 1, 0, 1] if rises else [0] * 5)


def test_the_threshold_and_the_number_of_images_can_be_chosen():
    model = cuda("cuda[threshold=0.3,samples=20]")
    exam = Exam(lambda c, s: [0.25, 0.3, 0.35, 1, 1][c])
    assert exam.look(model, samples=20) == [0, 1, 1, 0, 1]
    assert exam.asked[:, 0].tolist() == [20, 20, 20, 0, 20]


def test_it_looks_at_the_beginning_of_epochs():
    model = cuda("cuda[every=2]")
    epoch = model.train_info.steps_per_epoch
    asked = []
    model._look = lambda training: asked.append(step)
    for step in range(5 * epoch):
        model.before_step(step, None)
    assert asked == [0, 2 * epoch, 4 * epoch]


def test_images_are_augmented_by_the_strength_of_their_class():
    model = cuda("cuda[p=1]")
    model.strength.copy_(torch.tensor([0, 10, 0, 0, 10]))
    batch = random_batch(model.train_info)
    x = batch.x.sigmoid()
    found = model.augment_by_class(x, batch.y, batch.d, torch.Generator().manual_seed(0))
    still = (found == x).flatten(1).all(1)
    assert still.equal(model.strength[batch.y] == 0)
    model.hparams = model.HParams(p=0.0)
    assert model.augment_by_class(x, batch.y, batch.d, torch.Generator()).equal(x)


def test_a_share_of_the_images_is_augmented():
    model = cuda("cuda[p=0.3]")
    model.strength.fill_(10)
    x, y = torch.rand(2000, 1, 8, 8), torch.zeros(2000, dtype=torch.int64)
    found = model.augment_by_class(x, y, y, torch.Generator().manual_seed(0))
    changed = (found != x).flatten(1).any(1).float().mean()
    assert float(changed) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("loss", ["erm", "bsoftmax"])
def test_the_loss_is_that_of_any_algorithm_on_logits(loss):
    info = train_info(COUNTS)
    model, plain = build_algorithm(f"cuda[loss={loss}]", info), build_algorithm(loss, info)
    batch = random_batch(info)
    logits = torch.randn(len(batch), 5)
    assert model.risks(logits, batch).equal(plain.risks(logits, batch))


def test_it_is_no_loss_itself():
    with pytest.raises(UsageError, match="'cuda' augments images by their classes"):
        resolve("algorithms", "coral", {"loss": "cuda"})


def test_a_run_that_goes_on_in_the_middle_of_an_epoch_has_its_strengths(tmp_path):
    name = "cuda[loss=bsoftmax,threshold=0.2,samples=2]@ema+crt"
    whole = run_small(name, tmp_path / "whole")
    broken = run_small(name, tmp_path / "broken", stops=(2, 4))
    check_same(whole, broken, f"{name}, broken off and resumed,")
    assert whole.model["base.strength"].any()
