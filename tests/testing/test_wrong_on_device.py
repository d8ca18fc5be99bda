"""What would wait for an accelerator in a step, or mix devices, is found without one."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor, nn

from ltbench.api import Algorithm, Augmentation, Backbone, Batch, Stage, Training


class ReadsItsLoss(Algorithm):
    """Reads its loss in every step (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        return loss * min(1.0, 10 / loss.item())


class MakesConstants(Algorithm):
    """Makes a constant on the host in every step (2026)."""

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        scale = torch.tensor([1.0] * self.train_info.num_classes)
        return super().risks(logits * scale.to(logits.device), batch)


class LeavesThemThere(Algorithm):
    """Leaves its constant on the host (2026)."""

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        scale = torch.full((self.train_info.num_classes,), 2.0)
        return super().risks(logits * scale, batch)


class ForgetsToRegister(Algorithm):
    """Keeps a table in an attribute that does not move with the model (2026)."""

    def __init__(self, *args):
        super().__init__(*args)
        self.table = torch.ones(self.train_info.counts.shape)

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        return super().risks(logits + self.table[batch.d.cpu()].to(logits.device), batch)


class DrawsOnTheHost(Algorithm):
    """Draws from a generator on the host (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        noise = torch.rand(
            len(batch), generator=torch.Generator().manual_seed(1), device=batch.x.device
        )
        return super().loss(batch) + 0 * noise.sum()


class PicksByMask(Algorithm):
    """Picks images by a boolean mask (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        logits = self.predict(batch.x)
        return nn.functional.cross_entropy(logits[batch.y >= 0], batch.y[batch.y >= 0])


class CountsDomains(Algorithm):
    """Makes batches that count their domains, on the device (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(Batch(batch.x, batch.y, batch.d))


class WaitsLate(Algorithm):
    """Waits in the second half of a long training alone (2026)."""

    late = False

    def before_step(self, step: int, training: Training) -> None:
        self.late = step > 1000

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        return loss / float(loss) if self.late else loss


class Right(Algorithm):
    """Draws, keeps a table, looks at the features before steps, and never waits (2026)."""

    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("table", torch.zeros(*self.train_info.counts.shape, 1, 2, 1))
        self.mean = 0.0

    def before_step(self, step: int, training: Training) -> None:
        found = training.extract_features("train")
        self.mean = float(found.features[found.y >= 0].cpu().numpy().mean())

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        noise = torch.rand(len(batch), generator=self.generator, device=self.generator.device)
        mask = noise < 0.5
        logits = self.predict(batch.x) + self.table[batch.d, :, 0, 0, 0]
        rows = torch.arange(len(batch), device=batch.x.device)
        risks = self.risks(torch.where(mask[:, None], logits, logits[rows]), batch)
        return {"total": risks.mean(), "mean": risks.new_full((), self.mean)}


class WaitingStage(Stage):
    """Looks whether every class is there (2026)."""

    def loss(self, batch: Batch) -> Tensor:
        share = len(batch.y.unique()) / self.train_info.num_classes
        return super().loss(batch) * share


ALGORITHMS = [
    (ReadsItsLoss, "the value of a tensor is read", "loss.item()"),
    (MakesConstants, "a tensor is copied between host and device", "scale.to(logits.device)"),
    (LeavesThemThere, "aten.mul gets tensors of cuda and of cpu", "logits * scale"),
    (ForgetsToRegister, "a tensor is copied between host and device", "batch.d.cpu()"),
    (DrawsOnTheHost, "rand on cuda draws from a generator on cpu", "torch.rand("),
    (PicksByMask, "a mask is used as an index", "batch.y >= 0"),
    (CountsDomains, "the size of the result is known on the device alone", "Batch(batch.x"),
    (WaitsLate, "the value of a tensor is read", "float(loss)"),
]


def line_of(cls: type, text: str) -> str:
    """Return the place of the first line of a class that holds a text."""
    lines, first = inspect.getsourcelines(cls)
    number = next(i for i, line in enumerate(lines) if text in line)
    return f"{__file__}:{first + number}"


@pytest.mark.parametrize(("wrong", "says", "where"), ALGORITHMS)
def test_algorithms_that_wait_are_found(ask, wrong: type, says: str, where: str) -> None:
    result = ask("algorithms", wrong, "device")["device"]
    assert result.status == "failed"
    assert says in result.cause
    assert line_of(wrong, where) in result.cause


def test_a_stage_that_waits_is_found(ask) -> None:
    result = ask("stages", WaitingStage, "device")["device"]
    assert result.status == "failed"
    assert "the size of the result is known on the device alone" in result.cause
    assert line_of(WaitingStage, ".unique()") in result.cause


def test_what_waits_before_steps_alone_passes(ask) -> None:
    result = ask("algorithms", Right, "device")["device"]
    assert (result.status, result.cause) == ("passed", "")


class ListsItsDraws(Augmentation):
    """Brightens the images that it drew, one by one (2026)."""

    def augment(self, x, generator):
        drawn = torch.rand(len(x), generator=generator, device=generator.device) < 0.5
        pairs = zip(x, drawn.tolist(), strict=True)
        return torch.stack([image / 2 if half else image for image, half in pairs])


class DrawsThere(Augmentation):
    """Draws on the host whatever the generator's device (2026)."""

    def augment(self, x, generator):
        return x * torch.rand(1, generator=generator)


class MovesOnce(Augmentation):
    """Has a table that it moves to the device when it is first used (2026)."""

    def __init__(self, *args):
        super().__init__(*args)
        self.table = torch.tensor([0.5, 1.0])

    def augment(self, x, generator):
        self.table = self.table.to(x.device)
        drawn = torch.randint(2, (len(x),), generator=generator, device=generator.device)
        return x * self.table[drawn].view(-1, 1, 1, 1)


class MovesAgain(MovesOnce):
    """Moves it for every batch (2026)."""

    def augment(self, x, generator):
        self.table = torch.tensor([0.5, 1.0])
        return super().augment(x, generator)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (ListsItsDraws, "a tensor is copied between host and device"),
        (DrawsThere, "rand on cpu draws from a generator on cuda"),
        (MovesAgain, "a tensor is copied between host and device"),
    ],
)
def test_augmentations_that_wait_are_found(ask, wrong: type, says: str) -> None:
    result = ask("augmentations", wrong, "device")["device"]
    assert result.status == "failed"
    assert says in result.cause
    assert f"{__file__}:" in result.cause


def test_an_augmentation_may_move_its_tables_once(ask) -> None:
    assert ask("augmentations", MovesOnce, "device")["device"].status == "passed"


class Peeks(Backbone):
    """Scales its features by the largest of them, on the host (2026)."""

    num_features = 3

    def __init__(self, image_shape, pretrained=False):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        features = self.layer(x).mean((2, 3))
        return features * min(1.0, features.max().item())


def test_a_backbone_that_waits_is_found(ask) -> None:
    result = ask("backbones", Peeks, "device")["device"]
    assert result.status == "failed"
    assert line_of(Peeks, ".item()") in result.cause
