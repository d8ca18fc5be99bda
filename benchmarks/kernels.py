"""Kernels that a step launches, and waits of the host for them: ``python benchmarks/kernels.py``.

    python benchmarks/kernels.py             # a table of all algorithms
    python benchmarks/kernels.py erm 'coral[loss=ldam]' --detail

Counted on an emulated CUDA device (``ltbench/testing/fake_cuda.py``): the operations of torch that
launch something in one step, forward and backward passes and the optimiser, late in a training of
5001 steps, on the network of the digits benchmarks with images of three domains, in float32.

What gives another view of a tensor, or memory that nothing is written to, launches nothing and is
not counted. Everything else counts once: an operation on a list of tensors (the fused optimiser,
``torch._foreach_*``), and also the few that are two to four kernels on a GPU, such as the backward
passes of convolutions and norms, sorting, and ``logsumexp``. A profiler on a GPU therefore counts
about 40 more for each forward and backward pass of this network.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from ltbench.models.digits_cnn import DigitsCNN
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.batch import TrainInfo
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import parse_name
from ltbench.plugins.resolve import resolve
from ltbench.results.protocol import Protocol
from ltbench.testing import SmallTraining, random_batch_for
from ltbench.testing.fake_cuda import FakeCuda
from ltbench.training.optimizers import optimizer_maker

DOMAINS, CLASSES, IMAGES, SHAPE = 3, 10, 8, (1, 28, 28)
STEPS = (2500, 4900)  # of 5001; the last is counted, when all methods have begun
OF_LAYERS = (
    "aten.convolution", "aten.relu_", "aten.native_group_norm", "aten.native_group_norm_backward",
    "aten.threshold_backward", "aten.convolution_backward",
)  # fmt: skip


def launches(name: str, optimizer: str = "adam") -> tuple[Counter[str], list[str]]:
    """Return the operations of one step that launch kernels, and what the host waits for in it.

    Args:
        name: of an algorithm, ``coral[loss=ldam]``.
        optimizer: of the protocol.
    """
    with FakeCuda() as device:
        model = _model(name, optimizer)
        batch = random_batch_for(model).to("cuda")
        for step in STEPS:
            model.before_step(step, SmallTraining(model, batch))
            device.clear()
            model.step(batch)
        return Counter(device.launches), list(device.waits)


def counted(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return a row for each algorithm: kernels, those of the network's layers, and waits.

    Args:
        names: of algorithms; all that are registered unless given.
    """
    rows = []
    for name in names or [entry.name for entry in get_plugins()["algorithms"]]:
        found, waits = launches(name)
        layers = sum(found[one] for one in OF_LAYERS)
        rows.append(
            {"algorithm": name, "kernels": found.total(), "layers": layers, "waits": len(waits)}
        )
    return rows


def _model(name: str, optimizer: str) -> Algorithm:
    counts = torch.arange(1, DOMAINS * CLASSES + 1).view(DOMAINS, CLASSES)
    info = TrainInfo(
        counts=counts,
        domains=tuple(f"domain {d}" for d in range(DOMAINS)),
        classes=tuple(map(str, range(CLASSES))),
        many=20,
        few=5,
        steps=5001,
        batch_per_domain=IMAGES,
        image_shape=SHAPE,
    )
    parsed = parse_name(name)
    cls, hparams = resolve("algorithms", parsed.name, parsed.options)
    torch.manual_seed(0)
    model: Algorithm = cls(DigitsCNN(SHAPE), info, hparams).to("cuda").train()
    model.generator = torch.Generator("cuda").manual_seed(0)
    protocol = Protocol.from_options({"optimizer": optimizer}, "protocol")
    model.optimizers = model.configure_optimizers(optimizer_maker(protocol, model))
    return model


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="ALGORITHM")
    parser.add_argument("--detail", action="store_true", help="name the operations")
    chosen = parser.parse_args()
    print(f"{'algorithm':24}{'kernels':>9}{'of layers':>11}{'waits':>7}")
    for row in counted(chosen.names):
        print("{algorithm:24}{kernels:9}{layers:11}{waits:7}".format(**row))
        if chosen.detail:
            found, waits = launches(row["algorithm"])
            print("  " + ", ".join(f"{name} {number}" for name, number in found.most_common()))
            print("".join(f"  {wait}\n" for wait in waits), end="")


if __name__ == "__main__":
    main()
