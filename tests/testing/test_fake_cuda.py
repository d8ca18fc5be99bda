"""The emulated CUDA device computes what the CPU does, and knows where a host would wait."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ltbench.plugins.batch import Batch
from ltbench.results.protocol import Protocol
from ltbench.testing.fake_cuda import FakeCuda
from ltbench.testing.points.algorithm import build_small
from ltbench.testing.small_model import SmallTraining, random_batch
from ltbench.testing.waits import WrongDevice
from ltbench.training.optimizers import optimizer_maker


@pytest.fixture
def cuda():
    with FakeCuda() as device:
        yield device


def test_python_sees_cuda(cuda) -> None:
    for made in (
        torch.ones(3, device="cuda"),
        torch.ones(3).to("cuda:0"),
        torch.ones(3).cuda(),
        torch.tensor([1.0, 1, 1], device="cuda"),
        torch.ones(3, device=torch.device("cuda")).new_tensor([1.0, 1, 1]),
        torch.zeros(3).to(torch.device("cuda", 0), non_blocking=True) + 1,
        nn.Linear(3, 1).cuda().weight.detach().fill_(1)[0],
        copy.deepcopy(torch.ones(3, device="cuda")),
    ):
        assert made.device == torch.device("cuda", 0)
        assert made.is_cuda
        assert not made.is_meta
        assert made.tolist() == [1, 1, 1]
    assert torch.ones(3).device.type == "cpu"


def test_everything_is_as_before_afterwards() -> None:
    before = torch.Generator, torch.cuda.synchronize
    with pytest.raises(ZeroDivisionError), FakeCuda():
        raise ZeroDivisionError
    assert (torch.Generator, torch.cuda.synchronize) == before
    assert torch.ones(1).device.type == "cpu"
    assert torch.empty(1, device="meta").is_meta


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_training_gives_what_it_gives_on_the_cpu(optimizer: str) -> None:
    protocol = Protocol.from_options({"optimizer": optimizer}, "protocol")

    def trained(device: str) -> list[torch.Tensor]:
        model = build_small("coral").to(device)
        model.optimizers = model.configure_optimizers(optimizer_maker(protocol))
        model.generator = torch.Generator(device)
        for seed in range(3):
            one = random_batch(model.train_info, seed=seed)
            batch = Batch(one.x.to(device), one.y.to(device), one.d.to(device), one.num_domains)
            model.before_step(seed, SmallTraining(model, batch))
            model.step(batch)
        return [value.cpu() for value in model.state_dict().values()]

    expected = trained("cpu")
    with FakeCuda():
        found = trained("cuda")
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other)


def test_values_follow_views_changes_in_place_and_other_types(cuda) -> None:
    x = torch.arange(12.0, device="cuda").view(3, 4)
    x[1].mul_(10)
    x.T[0].add_(1)
    x[:, 2:].copy_(torch.zeros(3, 2, device="cuda"))
    x[torch.tensor([2], device="cuda"), torch.tensor([1], device="cuda")] = x.new_full((1,), 7)
    assert x.tolist() == [[1, 1, 0, 0], [41, 50, 0, 0], [9, 7, 0, 0]]
    assert x.double().long()[0, 0].item() == 1
    assert x.masked_select(x > 8).tolist() == [41, 50, 9]
    assert torch.nonzero(x > 8).tolist() == [[1, 0], [1, 1], [2, 0]]
    torch.add(x, 1, out=x)
    assert x[0].tolist() == [2, 2, 1, 1]


def test_a_generator_draws_the_same_whatever_its_device(cuda) -> None:
    found = torch.rand(4, generator=torch.Generator("cuda").manual_seed(3), device="cuda")
    assert found.tolist() == torch.rand(4, generator=torch.Generator().manual_seed(3)).tolist()


WAITS = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "truth": lambda x: bool((x > 0).any()),
    "if": lambda x: 1 if x.sum() > 0 else 0,
    "tolist": lambda x: x.tolist(),
    "to the host": lambda x: x.cpu(),
    "to the device": lambda x: torch.ones(3).to("cuda"),
    "in place": lambda x: x.copy_(torch.ones(3)),
    "constant": lambda x: torch.tensor([1.0], device="cuda"),
    "new constant": lambda x: x.new_tensor(1.0),
    "mask": lambda x: x[x > 0],
    "mask in place": lambda x: x.__setitem__(x > 0, x.new_zeros(1).expand(3)),
    "places": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "unique": lambda x: x.unique(),
    "runs": lambda x: x.unique_consecutive(),
    "chosen": lambda x: x.masked_select(x > 0),
    "counts": lambda x: x.long().bincount(),
    "equal": lambda x: torch.equal(x, x),
    "close": lambda x: torch.allclose(x, x),
    "repeated": lambda x: x.repeat_interleave(x.long()),
    "one draw": lambda x: x.multinomial(1),
    "without replacement": lambda x: x.multinomial(2),
    "index on the host": lambda x: x[torch.tensor([0, 1])],
    "number at places": lambda x: x.__setitem__(x.long() - 1, 5.0),
    "number on the host": lambda x: torch.where(x > 0, x, torch.tensor(1.0)),
    "filled in": lambda x: x.masked_fill(x > 0, x.sum()),
    "inverse": lambda x: torch.linalg.inv(x.diag()),
    "classes": lambda x: F.one_hot(x.long()),
    "text": lambda x: f"{x.sum():.2f}",
    "synchronised": lambda x: torch.cuda.synchronize(),
}


@pytest.mark.parametrize("what", WAITS)
def test_a_wait_is_noted_with_its_line(what: str, cuda) -> None:
    x = torch.ones(3, device="cuda")
    assert cuda.waits == []
    WAITS[what](x)
    assert cuda.waits
    line = WAITS[what].__code__.co_firstlineno
    assert all(wait.endswith(f" at {__file__}:{line}") for wait in cuda.waits)


FREE = {
    "pinned": lambda x: torch.ones(3).pin_memory().to("cuda", non_blocking=True),
    "draws with replacement": lambda x: x.multinomial(2, True),
    "index": lambda x: x[x.long()],
    "number at a mask": lambda x: x.__setitem__(x > 0, 5.0),
    "number at a slice": lambda x: x.__setitem__(slice(1), 5.0),
    "number": lambda x: torch.where(x > 0, x, 1.0) * 2 + torch.tensor(1.0),
    "classes": lambda x: F.one_hot(x.long(), 4),
    "repeated": lambda x: x.repeat_interleave(x.long(), output_size=3).repeat_interleave(2),
    "order": lambda x: torch.randperm(5, device=x.device),
    "quantile": lambda x: x.quantile(0.3),
    "filled": lambda x: x.index_fill(0, x.long(), 1.0) + torch.full((3,), 2.0, device="cuda"),
    "parts": lambda x: [part.sum() for part in x.split(1)],
}


@pytest.mark.parametrize("what", FREE)
def test_what_does_not_wait_is_not_noted(what: str, cuda) -> None:
    x = torch.ones(3, device="cuda")
    FREE[what](x)
    assert cuda.waits == []


WRONG = {
    "sum": lambda x: x + torch.ones(3),
    "in place": lambda x: torch.zeros(()).add_(x.sum()),
    "product": lambda x: x.diag() @ torch.ones(3),
    "joined": lambda x: torch.cat([x, torch.ones(1)]),
    "number in no sum": lambda x: torch.stack([x.sum(), torch.tensor(1.0)]),
    "layer": nn.Linear(3, 1),
    "classes": lambda x: F.cross_entropy(x[None], torch.tensor([1])),
    "gathered": lambda x: x.gather(0, torch.tensor([1])),
    "generator": lambda x: torch.rand(3, generator=torch.Generator(), device=x.device),
    "generator of the device": lambda x: torch.rand(3, generator=torch.Generator("cuda")),
    "generator in place": lambda x: x.uniform_(generator=torch.Generator()),
    "array": lambda x: x.numpy(),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_mixture_of_devices_is_refused(what: str, cuda) -> None:
    with pytest.raises(WrongDevice, match=rf" at {__file__}:\d+$"):
        WRONG[what](torch.ones(3, device="cuda"))


def test_launches_are_counted_and_views_are_not(cuda) -> None:
    x = torch.ones(4, 3, device="cuda", requires_grad=True)
    cuda.clear()
    (x.T.reshape(4, 3)[1:].detach().unsqueeze(0) * 2).sum()
    assert dict(cuda.launches) == {"aten.clone": 1, "aten.mul": 1, "aten.sum": 1}
    cuda.clear()
    (x * x).sum().backward()
    assert cuda.launches.total() == 2 + 1 + 3  # forward; the seed; two products and their sum
