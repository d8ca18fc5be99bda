"""The chosen model of a run that is done, ready to look at images: any image, not its data set's.

All that is needed lies in the run's folder, so that a model can be used where its training images
are not; but for the weights that a run with ``adapt=…`` left as they were. An image passes through
what the test images passed through, and gets the same answer, unless the run learnt on those before
its test: what it keeps is the model before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltbench.data.catalogue import create_dataset
from ltbench.data.evaluation_transform import EvaluationTransform
from ltbench.data.image_files import read_image
from ltbench.data.locations import data_folder
from ltbench.data.normalisation import Normalisation
from ltbench.data.store import stored_size, stored_square
from ltbench.errors import DataError, LtbenchError, UsageError
from ltbench.evaluation.batch_size import evaluation_batch
from ltbench.models.adaptation.adapted import FULL
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.facts import Facts, registry_facts
from ltbench.plugins.manager import KINDS, get_plugins
from ltbench.plugins.names import Name
from ltbench.plugins.split import PARTS, Split
from ltbench.plugins.text import visible
from ltbench.results.combined import ENSEMBLE
from ltbench.results.documents import read_data_facts
from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec
from ltbench.results.scheme import scheme_of
from ltbench.results.untrusted import UnreadableRun, read_json, read_result
from ltbench.training.checkpoint import DamagedCheckpoint, load_best
from ltbench.training.frozen_weights import frozen_weights
from ltbench.training.model import ModelBuilder
from ltbench.training.plugin_versions import versions_here


@dataclass(frozen=True)
class TrainedModel:
    """The chosen model of a run, with what images pass through before they reach it.

    Attributes:
        folder: of the run.
        spec: what was trained, and how.
        facts: of its data set as the network sees it: names of the classes in the order of the
            logits, and the mean and deviation of the pixels.
        algorithm: the model, in evaluation mode.
        stored: side in pixels of the squares that images are made of, as for training.
        batch: images per forward pass of the run's test; 0 where it is not known.
        transductive: whether the run learnt on the test images before its test, so that this model,
            the one before, is not the one that was tested.
    """

    folder: Path
    spec: RunSpec
    facts: Facts
    algorithm: Algorithm
    stored: int
    batch: int = 0
    transductive: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.facts.classes

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.algorithm.parameters()).device

    @cached_property
    def evaluation(self) -> EvaluationTransform:
        """What makes of squares what the network sees, in 0…1."""
        interpolation, crop = self.spec.backbone.resizing(self.spec.protocol)
        cropped = self.spec.protocol.evaluation == "crop"
        return EvaluationTransform(self.facts.size, crop if cropped else None, interpolation)

    @cached_property
    def normalise(self) -> Normalisation:
        """The scale of pixels that the network expects."""
        return Normalisation(self.facts, self.device)

    def read(self, path: Path) -> NDArray[np.uint8]:
        """Return the pixels of an image file, (H, W, channels).

        Raises:
            DataError: it is none, or is damaged.
        """
        return read_image(path, self.facts.channels)

    def square(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return an image as training stores it, (channels, S, S) uint8; H and W are lost.

        Args:
            pixels: (H, W, channels), or (H, W, 1).
        """
        return torch.from_numpy(stored_square(pixels, self.stored, self.facts.channels))

    def inputs(self, squares: Tensor, sizes: Tensor) -> Tensor:
        """Return what the network sees of images, (N, channels, side, side), normalised.

        Args:
            squares: (N, channels, S, S) uint8, of :meth:`square`.
            sizes: height and width of the images in pixels, (N, 2).
        """
        squares, sizes = squares.to(self.device), sizes.to(self.device)
        return self.normalise(self.evaluation(squares, sizes))

    def transform(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return what the network sees of one image, (channels, side, side), normalised.

        Args:
            pixels: (H, W, channels), or (H, W, 1).
        """
        size = torch.tensor([pixels.shape[:2]])
        return self.inputs(self.square(pixels)[None], size)[0]

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """Return the logits of images, (N, C) float32, on the CPU.

        Args:
            x: of :meth:`inputs`, (N, channels, side, side).
        """
        return self._by_batches(self.algorithm.predict, x)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Return the features of images, (N, F) float32, on the CPU.

        Args:
            x: of :meth:`inputs`, (N, channels, side, side).
        """
        return self._by_batches(self.algorithm.features, x)

    def _by_batches(self, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        each = self.batch or evaluation_batch(self.algorithm)
        parts = (x[first : first + each] for first in range(0, len(x), each))
        return torch.cat([compute(part.to(self.device)).float() for part in parts]).cpu()


def load_trained(folder: Path, device: str = "cpu", data_dir: Path | None = None) -> TrainedModel:
    """Return the chosen model of a run.

    Args:
        folder: of the run.
        device: for example ``cpu`` or ``cuda:0``.
        data_dir: the folder of the data sets' files, which are asked for the size of the images
            where the run is older than such a note in its folder.

    Raises:
        UsageError: the run is not done, has no network of its own, was made by a plugin that is not
            here, or is in another version, or was adapted from weights that are not here; the
            message names them.
    """
    spec, result = _documents(folder)
    _check_plugins(folder, spec)
    data = read_data_facts(folder)
    facts = _facts(spec, data, data_dir)
    try:
        best = load_best(RunFolder(folder).best)
    except OSError as error:
        raise UsageError(
            f"{folder} has no weights ({error.strerror or error}): `ltbench clean` removes them on "
            "demand; train the run again to have them"
        ) from error
    except DamagedCheckpoint as error:
        raise UsageError(f"{folder}: {error}; train the run again") from error
    algorithm = _network(folder, spec, facts, _counted(spec, data), device)
    try:
        algorithm.load_state_dict(best.model)
    except RuntimeError as error:
        cause = str(error).strip().splitlines()[-1].strip()
        raise UsageError(
            f"the weights in {folder} do not fit the network that the run names: {visible(cause)}"
        ) from error
    batch = result.get("evaluation_batch")
    return TrainedModel(
        folder,
        spec,
        spec.backbone.scaled(spec.protocol.sized(facts)),
        algorithm.eval(),
        stored_size(facts),
        batch if isinstance(batch, int) and 0 < batch <= 1 << 20 else 0,
        bool(result.get("before_test")),
    )


def _documents(folder: Path) -> tuple[RunSpec, Mapping[str, Any]]:
    """Return what a run is and what came of it.

    Raises:
        UsageError: it is none, is not done, or is an ensemble.
    """
    try:
        document, result = read_json(folder / "spec.json"), read_result(folder)
        error = read_json(folder / "error.json")
    except UnreadableRun as problem:
        raise UsageError(f"{folder}: {visible(str(problem))}") from problem
    if document is None:
        raise UsageError(f"{folder} is no run: it has no spec.json")
    if result is None:
        why = visible(str((error or {}).get("error", ""))).partition("\n")[0]
        what = f"failed ({why})" if error else "is not done"
        raise UsageError(f"the run {folder} {what}, so it has no model: `ltbench retry` trains it")
    identity = document.get("identity")
    combined = identity.get("combined") if isinstance(identity, dict) else None
    if isinstance(combined, dict) and combined.get("kind") == ENSEMBLE:
        raise UsageError(
            f"{folder} is an ensemble, which has no network of its own: name the runs that it was "
            "made of"
        )
    try:
        return RunSpec.from_dict(document), result
    except (LtbenchError, KeyError, TypeError, ValueError, AttributeError) as problem:
        raise UsageError(f"{folder}: spec.json does not say what the run is") from problem


def _facts(spec: RunSpec, data: Mapping[str, Any], data_dir: Path | None) -> Facts:
    """Return what is known of the data set, without its files.

    Raises:
        UsageError: the run does not say what its images were, and the data set is not here.
    """
    image, scale = spec.data.get("image"), spec.data.get("preprocessing")
    if isinstance(image, dict) and isinstance(scale, dict):
        try:
            size, channels = int(image["size"]), int(image["channels"])
            mean, std = (tuple(map(float, scale[key])) for key in ("mean", "std"))
            if not (0 < size <= 65_536 and channels == len(mean) == len(std)):
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UsageError("spec.json: 'data' does not say what the images were") from error
    else:
        known = _dataset_facts(spec, data_dir)
        size, channels, mean, std = known.size, known.channels, known.mean, known.std
    return Facts(
        name=spec.dataset.name,
        title=data["title"],
        domains=tuple(data["domains"]),
        classes=tuple(data["classes"]),
        size=size,
        channels=channels,
        mean=mean,
        std=std,
        protocols={},
        **data["shots"],
    )


def _dataset_facts(spec: RunSpec, data_dir: Path | None) -> Facts:
    """Return the facts of a run's data set, which runs of older versions say little of."""
    try:
        return registry_facts(spec.dataset.name)
    except DataError:
        name = Name(spec.dataset.name, spec.dataset_options)
        try:
            return create_dataset(name, data_folder(data_dir)).facts
        except LtbenchError as error:
            raise UsageError(
                "the run is of an older version, which did not note the size of its images, and "
                f"its data set cannot be asked: {error}"
            ) from error


def _counted(spec: RunSpec, data: Mapping[str, Any]) -> Split:
    """Return a split of as many images of each pair as the run had, whose names are not known."""
    scheme = scheme_of(spec.dataset.hparams, data["domains"])
    validating = int(scheme.validation in data["domains"])
    columns = []
    for number, name in enumerate(PARTS):
        counts = data["counts"].get(name)
        if counts is None:
            continue
        d, y = np.indices(counts.shape).reshape(2, -1)
        each = counts.reshape(-1)
        parts = np.full(int(each.sum()), number)
        columns.append((np.repeat(y, each), np.repeat(d, each), parts))
    classes, domains, part_of = (np.concatenate(column) for column in zip(*columns, strict=True))
    shape = len(data["domains"]), len(data["classes"])
    held_out = data["held_out"]
    if held_out is None:  # no domain was, or the run is older than that note
        held_out = len(scheme.unseen) + validating if scheme.unseen else 0
    return Split(np.full(len(classes), ""), classes, domains, part_of, shape, held_out)


def _network(folder: Path, spec: RunSpec, facts: Facts, split: Split, device: str) -> Algorithm:
    """Build the network of a run, whose weights are yet to be loaded.

    Raises:
        UsageError: it cannot be built, or a part of it was trained and the weights are not here
            that the rest is of.
    """
    weights = frozen_weights(spec)
    if spec.backbone.chosen.adapt == FULL:
        # The weights come from the run, so those that it started from are not fetched.
        spec = replace(spec, backbone=replace(spec.backbone, pretrained=False))
    sized = spec.protocol.sized(facts)
    builder = ModelBuilder(spec, sized, split, torch.device(device), weights)
    return builder.up_to(len(builder.names) - 1)


def _check_plugins(folder: Path, spec: RunSpec) -> None:
    """Check that the plugins are here which a run was made with, in the same versions.

    Raises:
        UsageError: one is not; the message names it with its version, and says what to do.
    """
    plugins = get_plugins()
    loaded = {entry.distribution for kinds in KINDS for entry in plugins[kinds]}
    for name, planned in spec.plugins.items():
        if name.endswith(".py"):
            if name not in loaded:
                raise UsageError(
                    f"the run {folder} was made with the plugin file {visible(name)} (content "
                    f"{visible(planned)}), which is not loaded here: name it, as with `ltbench "
                    f"--plugin {visible(name)} …`"
                )
        else:
            _check_installed(folder, name, planned)
    here = versions_here(spec)
    for name, planned in spec.plugins.items():
        there = here.get(name, "")
        if planned not in (there, there.partition(" ")[0]):
            found = f"here is {there}" if there else "here others have its names"
            raise UsageError(
                f"the run {folder} was made with {visible(name)} {visible(planned)}, and {found}: "
                "it is used with the code that it was made with"
            )


def _check_installed(folder: Path, distribution: str, planned: str) -> None:
    wanted = planned.partition(" ")[0]
    try:
        version(distribution)
    except PackageNotFoundError as error:
        raise UsageError(
            f"the run {folder} was made with {visible(distribution)} {visible(wanted)}, which is "
            f"not installed here: install it, as with `pip install {visible(distribution)}`"
        ) from error
