"""What training a part of a network costs beside training all of it: time, memory, checkpoint.

    python benchmarks/adaptation.py                                # a ViT-S, eight images a step
    python benchmarks/adaptation.py --backbone vit_tiny_patch16_224 --kinds full lora

Weights are random, one thread computes, and each way has a process of its own. Time is that of the
processor, so that other work on the machine changes little; memory is the most that the process
had, beyond what it had before there was a network.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

KINDS = ("full", "lora", "adaptformer", "vpt-deep", "bitfit", "layernorm", "head")
CLASSES, OPTIMIZER = 100, "adamw"


def parsed() -> argparse.Namespace:
    """Return what was typed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="vit_small_patch16_224")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(asked: argparse.Namespace) -> str:
    """Return a row of the table, of the way that this process measures."""
    import torch

    from ltbench.evaluation.cost import parameter_count, trainable_count
    from ltbench.models.adaptation.adapted import adapted
    from ltbench.models.catalogue import build_backbone
    from ltbench.plugins.algorithm import Algorithm
    from ltbench.plugins.backbone_options import checked_options
    from ltbench.plugins.batch import Batch, TrainInfo
    from ltbench.plugins.hparams import HParams
    from ltbench.results.protocol import Protocol
    from ltbench.training.optimizers import optimizer_maker

    torch.set_num_threads(1)
    shape = (3, asked.side, asked.side)
    info = TrainInfo(
        counts=torch.ones(1, CLASSES, dtype=torch.int64), domains=("all",),
        classes=tuple(map(str, range(CLASSES))), many=1, few=1, steps=1,
        batch_per_domain=asked.batch, image_shape=shape,
    )  # fmt: skip
    import timm  # noqa: F401 - which counts as there before

    before = most_memory()
    options = checked_options({"adapt": asked.one}, asked.backbone)
    network = build_backbone(asked.backbone, shape, False)
    model = Algorithm(adapted(network, options, asked.backbone, CLASSES), info, HParams())
    protocol = Protocol.from_options({"optimizer": OPTIMIZER, "steps": 1}, "protocol")
    model.optimizers = model.configure_optimizers(optimizer_maker(protocol, model))
    model.train()
    x, y = torch.randn(asked.batch, *shape), torch.arange(asked.batch) % CLASSES
    batch, seconds = Batch(x, y, torch.zeros_like(y), 1), []
    for _ in range(asked.steps + 1):
        began = time.process_time()
        model.step(batch)
        seconds.append(time.process_time() - began)
    memory = most_memory() - before
    states = {name: optimizer.state_dict() for name, optimizer in model.optimizers.items()}
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizers": states}, file)
    return (
        f"| `{asked.one}` | {trainable_count(model):,} | {parameter_count(model):,} "
        f"| {statistics.median(seconds[1:]):.2f} | {memory:,.0f} "
        f"| {file.tell() / 1e6:,.1f} |"
    )


def most_memory() -> float:
    """Return the most megabytes that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Print the table, or as a process of its own one row of it."""
    asked = parsed()
    if asked.one:
        print(measure(asked))
        return
    print(f"{asked.backbone}, {asked.batch} images a step, {OPTIMIZER}, float32, one thread\n")
    print("| `adapt` | trained | parameters | CPU s a step | MB at most | checkpoint, MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind in asked.kinds:
        words = [sys.executable, __file__, *sys.argv[1:], "--one", kind]
        print(subprocess.run(words, check=True, capture_output=True, text=True).stdout, end="")


if __name__ == "__main__":
    main()
