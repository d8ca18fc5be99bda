"""What every stage of a run works with: its images, its settings, and where it writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltbench.data.catalogue import create_dataset
from ltbench.data.content import content_sha256
from ltbench.data.device_images import DeviceImages
from ltbench.data.evaluation_transform import EvaluationTransform
from ltbench.data.normalisation import Normalisation
from ltbench.data.sampling import Rows
from ltbench.data.store import open_planned, repaired
from ltbench.data.store_files import ImageStore
from ltbench.errors import PluginError
from ltbench.evaluation.evaluator import Evaluator
from ltbench.models.text_tower import class_texts, find_text_tower
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.class_texts import ClassTexts
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.facts import Facts
from ltbench.plugins.names import Name
from ltbench.plugins.split import Split
from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec
from ltbench.training.job import Job
from ltbench.training.memory import free_memory

SIGN_SECONDS = 5.0
Report = Callable[[Mapping[str, Any]], None]
"""Takes what happened: ``{"event": "step"|"evaluated"|"notice"|"alive", …}``."""


@dataclass(frozen=True)
class RunContext:
    """What every stage of a run works with.

    Attributes:
        spec: what to train and how.
        dataset: the data set.
        facts: its facts, with the image size of the protocol, and the mean and deviation that the
            network sees pixels by.
        split: its images.
        images: the same on the device.
        normalise: what all images pass through before they reach the network.
        evaluator: of the run's models.
        folder: where the run writes.
        report: takes events.
        should_stop: asked after every step.
        weights: local checkpoint for the backbone, if any.
    """

    spec: RunSpec
    dataset: Dataset
    facts: Facts
    split: Split
    images: DeviceImages
    normalise: Normalisation
    evaluator: Evaluator
    folder: RunFolder
    report: Report
    should_stop: Callable[[], bool]
    weights: Path | None = None

    def say(self, sentence: str) -> None:
        """Tell the user something in a sentence."""
        self.report({"event": "notice", "sentence": sentence})

    def rows_for(self, model: Algorithm, part: str) -> Rows:
        """Return the images of a part that a model in training may look at.

        Raises:
            PluginError: it asks for others than ``train`` and ``val``.
        """
        if part not in ("train", "val"):
            raise PluginError(
                f"{type(model).__name__} asks for the images of '{part}' in its training; there "
                "are those of 'train' and 'val'"
            )
        return self.split.rows(part)

    def train_labels(self) -> tuple[Tensor, Tensor]:
        """Return the classes and domains of the training images, each (n,), on the device."""
        index = torch.from_numpy(self.split.rows("train")).to(self.images.device)
        return self.images.y[index], self.images.d[index]

    def class_texts(self, prompt: str) -> ClassTexts:
        """Return what the text tower that belongs to the network's weights says of the classes.

        Raises:
            UsageError: there is none, or its weights cannot be had.
        """
        backbone, asked = self.spec.backbone, f"'{self.spec.algo}'"
        tower = find_text_tower(backbone.name, backbone.pretrained, self.weights, asked)
        return class_texts(tower, self.facts.classes, prompt, self.images.device)


def open_context(
    job: Job, folder: RunFolder, report: Report, should_stop: Callable[[], bool]
) -> RunContext:
    """Open the images of a run.

    Args:
        job: the run.
        folder: where it writes.
        report: takes events.
        should_stop: asked after every step.

    Raises:
        DataError: an image cannot be decoded.
        RuntimeError: the images are others than the run was planned with.
    """
    spec, options = job.spec, _hashable(job.spec.dataset_options)
    dataset, store, content = _open_store(spec.dataset.name, options, job.data_dir, job.store)
    split = store.split
    if split.sha256 != spec.split or (content and spec.images not in ("", content)):
        raise RuntimeError(f"the images of {dataset.name} changed after the run was planned")
    images = _on_device(dataset, store, torch.device(job.device), job.sharing)
    facts = spec.backbone.scaled(spec.protocol.sized(dataset.facts))
    normalise = Normalisation(facts, images.device)
    counts = split.shot_counts()
    interpolation, crop = spec.backbone.resizing(spec.protocol)
    cropped = spec.protocol.evaluation == "crop"
    evaluator = Evaluator(
        images,
        normalise,
        facts,
        counts,
        transform=EvaluationTransform(facts.size, crop if cropped else None, interpolation),
        after_batch=_signs_of_life(report),
        say=lambda sentence: report({"event": "notice", "sentence": sentence}),
    )
    return RunContext(
        spec=spec,
        dataset=dataset,
        facts=facts,
        split=split,
        images=images,
        normalise=normalise,
        evaluator=evaluator,
        folder=folder,
        report=report,
        should_stop=should_stop,
        weights=job.weights,
    )


def _signs_of_life(report: Report) -> Callable[[], None]:
    """Return what an evaluation calls after every batch, for whoever watches for a hung process."""
    told = time.monotonic()

    def tell() -> None:
        nonlocal told
        if time.monotonic() - told > SIGN_SECONDS:
            told = time.monotonic()
            report({"event": "alive"})

    return tell


def _hashable(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return options in the order of their names, lists of names as tuples."""
    pairs = sorted(options.items())
    return tuple((key, tuple(v) if isinstance(v, list) else v) for key, v in pairs)


@lru_cache(maxsize=2)
def _open_store(
    name: str, options: tuple[tuple[str, Any], ...], data_dir: Path, folder: Path | None
) -> tuple[Dataset, ImageStore, str]:
    """Open a data set once per process, however many runs use it.

    The last is the SHA-256 of its images' files where they had to be read here; where the store
    that the command named is there, that name holds it already.
    """
    dataset = create_dataset(Name(name, dict(options)), data_dir)
    store = open_planned(folder, dataset)
    return dataset, store, "" if store.folder == folder else content_sha256(dataset, store.split)


_last: dict[tuple[int, torch.device, int], tuple[ImageStore, DeviceImages]] = {}


def _on_device(
    dataset: Dataset, store: ImageStore, device: torch.device, sharing: int
) -> DeviceImages:
    """Return the images on the device, those of the last run where they are the same.

    Those of another data set are given up first: a card has room for one.
    """
    key = id(store), device, sharing
    if key not in _last:
        _last.clear()
        free_memory(device)
        images = DeviceImages(store, device, partial(repaired, store, dataset), sharing)
        _last[key] = store, images  # with the store, whose id is then nobody else's
    return _last[key][1]
