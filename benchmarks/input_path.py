"""Images per second of the training input path, beside torchvision's ImageFolder + DataLoader.

    python benchmarks/input_path.py --images 192 --size 500x375

Both paths give batches of 24 augmented, normalised 224-pixel images with the same augmentation, on
one thread of this process: crop of 70-100 % of the area, flip, colour jitter .3, one in ten grey.
``cold`` builds the decoded store first; ``warm`` finds it. Rates are per second of wall clock and
per second of processor time; the latter says more on a machine that others use as well. Each
is the median over the repetitions, with the lowest and highest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from ltbench.data.augmentation import AugmentationChain
from ltbench.data.catalogue import create_dataset
from ltbench.data.device_images import DeviceImages
from ltbench.data.normalisation import Normalisation
from ltbench.data.store import open_store
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.names import Name

BATCH, SIDE = 24, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def write_photos(root: Path, count: int, width: int, height: int) -> None:
    """Write smooth noise, whose JPEGs are about as large as those of photographs."""
    generator = np.random.default_rng(0)
    for i in range(count):
        noise = generator.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        path = root / f"class{i % 4}" / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.filter(ImageFilter.GaussianBlur(1)).save(path, quality=90)


def torchvision_epoch(root: Path) -> int:
    steps = [
        transforms.RandomResizedCrop(SIDE, scale=(0.7, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.3, 0.3, 0.3, 0.3),
        transforms.RandomGrayscale(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    data = ImageFolder(str(root), transforms.Compose(steps))
    return sum(len(x) for x, _ in DataLoader(data, BATCH, shuffle=True, num_workers=0))


def stored_epoch(dataset: Dataset, count: int) -> int:
    store = open_store(dataset, dataset.split())
    images = DeviceImages(store, torch.device("cpu"))
    normalise = Normalisation(dataset.facts, images.device)
    augment = AugmentationChain("photo", (3, SIDE, SIDE))
    order = np.random.default_rng(0).permutation(count)
    done = 0
    for step, (pixels, rows) in enumerate(images.batches(np.array_split(order, count // BATCH))):
        generator = torch.Generator().manual_seed(step)
        x, _ = augment(pixels, images.sizes[rows], images.y[rows], 1, generator)
        done += len(normalise(x))
    return done


def rates(epoch: Callable[[], int], repeat: int) -> tuple[list[float], list[float]]:
    """Return images per second of wall clock and of processor time, one of each a repetition."""
    wall, processor = [], []
    for _ in range(repeat):
        began, cpu = time.perf_counter(), time.process_time()
        count = epoch()
        wall.append(count / (time.perf_counter() - began))
        processor.append(count / (time.process_time() - cpu))
    return wall, processor


def line(name: str, found: tuple[list[float], list[float]]) -> str:
    cells = [f"{statistics.median(r):7.0f} ({min(r):.0f}-{max(r):.0f})" for r in found]
    return f"{name:34} {cells[0]:>22} {cells[1]:>22}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--size", default="500x375", help="width x height of the JPEGs")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "photos"
        os.environ["LTBENCH_CACHE"] = str(Path(place) / "cache")
        write_photos(root, options.images, width, height)
        dataset = create_dataset(Name("image-folder", {"root": str(root)}), Path(place))
        load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
        print(f"{options.images} JPEGs of {options.size}; load of the machine {load}")
        print(f"{'images per second':34} {'of wall clock':>22} {'of processor time':>22}")
        usual = rates(lambda: torchvision_epoch(root), options.repeat)
        print(line("torchvision ImageFolder + DataLoader", usual), flush=True)
        print(line("ltbench, cold", rates(lambda: stored_epoch(dataset, options.images), 1)))
        warm = rates(lambda: stored_epoch(dataset, options.images), options.repeat)
        print(line("ltbench, warm", warm))
        ratio = statistics.median(warm[1]) / statistics.median(usual[1])
        print(f"warm over torchvision, processor time: {ratio:.1f} times")


if __name__ == "__main__":
    main()
