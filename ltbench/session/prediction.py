"""What trained models say of images that nobody has labelled."""

from __future__ import annotations

import csv
import io
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltbench.data.image_files import is_image
from ltbench.errors import DataError, UsageError
from ltbench.plugins.text import visible
from ltbench.regular_files import read_file
from ltbench.session.temperature import Temperature, run_temperature
from ltbench.stats.priors import parse_priors
from ltbench.stats.temperature import at_temperature, reweighted
from ltbench.training.trained_model import TrainedModel, load_trained

if TYPE_CHECKING:
    import pandas as pd

BATCH = 64
"""Images per batch where a run does not say how many its test took."""
MODEL_PRIORS = ("train", "uniform")
"""Which distribution of the classes a model's probabilities may be taken to stand for."""
_COLUMNS = ("path", "image", "file", "filename")
_AHEAD = 3  # batches that are decoded while one is looked at
_Square = tuple[Tensor, tuple[int, int]]


@dataclass(frozen=True)
class Prediction:
    """What is said of one image.

    Attributes:
        image: its path, as it was found.
        classes: the likeliest classes, the most likely first; none where it could not be read.
        probabilities: theirs, each in 0…1.
        problem: why it could not be read.
    """

    image: Path
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Predictor:
    """Models that answer together, by the mean of their probabilities.

    Attributes:
        models: one or more, of the same classes and the same size of images.
        temperatures: of each.
        wanted: distribution of the classes that images are expected to have, (C,), or ``None``.
        assumed: the one that each model's probabilities stand for, (C,); none without ``wanted``.
    """

    models: tuple[TrainedModel, ...]
    temperatures: tuple[Temperature, ...]
    wanted: NDArray[np.float64] | None = None
    assumed: tuple[NDArray[np.float64], ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.models[0].classes

    @property
    def batch(self) -> int:
        """Images that are looked at together."""
        return self.models[0].batch or BATCH

    def probabilities(self, squares: Tensor, sizes: Tensor) -> NDArray[np.float64]:
        """Return the probabilities of images, (N, C).

        Args:
            squares: (N, channels, S, S) uint8, as the models' ``square`` makes them.
            sizes: height and width of the images in pixels, (N, 2).
        """
        total = np.zeros((len(squares), len(self.classes)))
        assumed = self.assumed or (None,) * len(self.models)
        for model, temperature, own in zip(self.models, self.temperatures, assumed, strict=True):
            z = model.logits(model.inputs(squares, sizes)).double().numpy()
            log_p = at_temperature(z - z.max(axis=1, keepdims=True), temperature.value)
            if self.wanted is not None and own is not None:
                log_p = reweighted(log_p, self.wanted, own)
            total += np.exp(log_p)
        return total / len(self.models)

    def answers(
        self,
        images: Sequence[Path],
        top: int = 1,
        told: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[Prediction]:
        """Yield what is said of each image, in their order.

        Files are decoded by threads while the models look at those before. One that cannot be
        read has the reason in the place of an answer.

        Args:
            images: their files.
            top: how many classes to name of each.
            told: is told how many images are done, and how many there are.
        """
        top = min(top, len(self.classes))
        parts = [images[i : i + self.batch] for i in range(0, len(images), self.batch)]
        done = 0
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ahead: deque[list[Future[_Square | str]]] = deque()
            waiting = iter(parts)
            for part in parts:
                while len(ahead) <= _AHEAD and (following := next(waiting, None)) is not None:
                    ahead.append([pool.submit(self._read, path) for path in following])
                yield from self._of_batch(
                    part, [future.result() for future in ahead.popleft()], top
                )
                done += len(part)
                told(done, len(images))

    def _read(self, path: Path) -> _Square | str:
        """Return an image as the models take it, or why it cannot be read."""
        model = self.models[0]
        try:
            pixels = model.read(path)
        except DataError as error:
            return str(error)
        height, width = pixels.shape[:2]
        return model.square(pixels), (height, width)

    def _of_batch(
        self, paths: Sequence[Path], read: Sequence[_Square | str], top: int
    ) -> Iterator[Prediction]:
        found = [one for one in read if not isinstance(one, str)]
        p = np.zeros((0, len(self.classes)))
        if found:
            squares = torch.stack([square for square, _ in found])
            p = self.probabilities(squares, torch.tensor([size for _, size in found]))
        order = np.argsort(-p, axis=1, kind="stable")[:, :top]
        answers = iter(zip(p, order, strict=True))
        for path, one in zip(paths, read, strict=True):
            if isinstance(one, str):
                yield Prediction(path, problem=one)
                continue
            row, best = next(answers)
            names = tuple(self.classes[c] for c in best)
            yield Prediction(path, names, tuple(float(row[c]) for c in best))


def make_predictor(
    folders: Sequence[Path],
    *,
    device: str = "cpu",
    prior: str | None = None,
    model_prior: str = "train",
    data_dir: Path | None = None,
) -> Predictor:
    """Return the chosen models of runs, ready to answer together.

    Args:
        folders: of the runs.
        device: for example ``cpu`` or ``cuda:0``.
        prior: a distribution of the classes as ``ltbench leaderboard --test-prior`` takes it, or
            ``None`` to leave the probabilities as they are.
        model_prior: what the models' probabilities stand for, one of :data:`MODEL_PRIORS`: the
            training images' distribution, or a uniform one where a method corrects for theirs.
        data_dir: the folder of the data sets' files, for runs of older versions.

    Raises:
        UsageError: a run has no model, two of them know other classes or other images, or the prior
            goes by the training images of each class, of which they had other numbers.
    """
    models = tuple(load_trained(folder, device, data_dir) for folder in folders)
    first = models[0]
    for other in models[1:]:
        if other.classes != first.classes:
            raise UsageError(f"{first.folder} and {other.folder} do not know the same classes")
        if other.facts.channels != first.facts.channels:
            raise UsageError(
                f"{first.folder} saw images of {first.facts.channels} channels and {other.folder} "
                f"of {other.facts.channels}, so that they cannot answer together"
            )
        if other.stored != first.stored:
            raise UsageError(f"{first.folder} and {other.folder} saw images of another size")
    temperatures = tuple(map(run_temperature, folders))
    if prior is None:
        return Predictor(models, temperatures)
    assumed = tuple(_assumed(model, model_prior) for model in models)
    return Predictor(models, temperatures, _wanted(models, prior), assumed)


def _wanted(models: Sequence[TrainedModel], prior: str) -> NDArray[np.float64]:
    """Return the distribution of the classes that is expected, (C,).

    Raises:
        UsageError: it is none, or goes by training images of which the models had others.
    """
    found = parse_priors([prior])
    if len(found) != 1:
        raise UsageError(f"--prior takes one distribution of the classes, not {len(found)}")
    first, *others = models
    training = _training_images(first)
    for other in others:
        by_images = found[0].shares is None and found[0].kind != "uniform"
        if by_images and (_training_images(other) != training).any():
            raise UsageError(
                f"--prior {prior} goes by the training images of each class, and {first.folder} "
                f"and {other.folder} had different numbers of them: name a file of "
                "class,probability"
            )
    return found[0].over(first.classes, training, first.spec.dataset.name)


def _assumed(model: TrainedModel, model_prior: str) -> NDArray[np.float64]:
    """Return the distribution that a model's probabilities stand for, (C,)."""
    training = _training_images(model)
    if model_prior == "uniform":
        return np.full(len(training), 1 / len(training))
    if not training.all():
        name = model.classes[int(np.flatnonzero(training == 0)[0])]
        raise UsageError(
            f"--prior: '{name}' has no training image, so nothing is known of how often the model "
            "expects it; --model-prior uniform takes all classes as equally likely"
        )
    return training / training.sum()


def _training_images(model: TrainedModel) -> NDArray[np.int64]:
    """Return the training images of each class, (C,)."""
    return np.asarray(model.algorithm.train_info.counts.sum(0).numpy())


def predictions_frame(found: Sequence[Prediction], least: float = 0.0) -> pd.DataFrame:
    """Return a row for each image: its answer, the likeliest classes, and what was wrong.

    Args:
        found: what is said of them.
        least: the answer is left open where the likeliest class has a smaller probability.

    Returns:
        Columns ``image``, ``prediction``, ``class_1``, ``probability_1``, … and ``problem``.
    """
    import pandas as pd

    top = max((len(one.classes) for one in found), default=0)
    rows = []
    for one in found:
        sure = bool(one.classes) and one.probabilities[0] >= least
        row: dict[str, str | float] = {"image": _text(str(one.image))}
        row["prediction"] = one.classes[0] if sure else ""
        for rank in range(top):
            known = rank < len(one.classes)
            row[f"class_{rank + 1}"] = one.classes[rank] if known else ""
            row[f"probability_{rank + 1}"] = one.probabilities[rank] if known else np.nan
        rows.append({**row, "problem": _text(one.problem)})
    return pd.DataFrame(rows)


def _text(name: str) -> str:
    """Return a file's name as a text, which names of old systems are not."""
    return name.encode(errors="backslashreplace").decode()


def image_paths(
    places: Sequence[Path], say: Callable[[str], None] = lambda sentence: None
) -> list[Path]:
    """Return the files of images that are meant, each once, in the order of what was typed.

    Args:
        places: files; folders, whose images at any depth are taken in the order of their paths,
            what is hidden and linked folders excepted; and ``.csv`` files that name images below
            themselves in a column ``path``, ``image``, ``file`` or ``filename``.
        say: is told in a sentence what was left out: linked folders, rows without a name, repeats.

    Raises:
        UsageError: there is none, or a place does not exist or cannot be read.
    """
    found: list[Path] = []
    try:
        for place in places:
            if place.is_dir():
                found += _below(place, say)
            elif not place.exists():
                raise UsageError(f"there is no file or folder '{visible(str(place))}'")
            else:
                csv_file = place.suffix.lower() == ".csv"
                found += _named_in(place, say) if csv_file else [place]
    except OSError as error:
        raise UsageError(
            f"{visible(str(error.filename))} cannot be read: {error.strerror}"
        ) from error
    if not found:
        where = ", ".join(visible(str(place)) for place in places)
        raise UsageError(f"there is no image in {where}")
    once = list(dict.fromkeys(found))
    if len(once) < len(found):
        say(f"Of {len(found)} images that are named {len(once)} differ: each has one row.")
    return once


def _below(folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Return the images below a folder.

    Raises:
        OSError: a folder cannot be read.
    """

    def stop(error: OSError) -> None:
        raise error

    found, linked = [], list[Path]()
    for place, folders, files in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        linked += [path for name in folders if (path := Path(place, name)).is_symlink()]
        found += [Path(place, name) for name in sorted(files) if is_image(name)]
    if linked:
        say(
            f"Linked folders are not entered, of which {visible(str(folder))} has {len(linked)}: "
            f"to have the images of {visible(str(linked[0]))}, name it as well."
        )
    return found


def _named_in(table: Path, say: Callable[[str], None]) -> list[Path]:
    """Return the images that a CSV names.

    Raises:
        UsageError: it cannot be read, or no column is of paths.
    """
    try:
        text = read_file(table).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table} cannot be read as a CSV in UTF-8: {error}") from error
    head = [name.strip().lower() for name in rows[0]] if rows else []
    column = next((head.index(name) for name in _COLUMNS if name in head), None)
    if column is None:
        raise UsageError(
            f"{table} has no column of images: name one of its columns {', '.join(_COLUMNS[:-1])} "
            f"or {_COLUMNS[-1]}"
        )
    names = [row[column].strip() for row in rows[1:] if len(row) > column]
    found = [table.parent / name for name in names if name]
    if without := len(rows) - 1 - len(found):
        say(f"{visible(str(table))}: {without} of {len(rows) - 1} rows name no image.")
    return found
