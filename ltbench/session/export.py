"""Takes the chosen model of a run to a folder that needs no ltbench: ONNX, timm, and its card."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ltbench.data.catalogue import create_dataset
from ltbench.errors import DataError, LtbenchError, UsageError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.facts import Facts, registry_facts
from ltbench.plugins.names import Name
from ltbench.plugins.text import visible
from ltbench.report.model_card import Exported, model_card
from ltbench.results.documents import read_predictions
from ltbench.results.folder import write_json
from ltbench.session.export_folder import CARD, FORMAT, LABELS, RECORD, check_place, draft_of
from ltbench.session.export_sample import Sample, tested_sample
from ltbench.session.temperature import Temperature, run_temperature
from ltbench.stats.temperature import at_temperature
from ltbench.training.onnx_export import FILE, OnnxModel, check_onnx, write_onnx
from ltbench.training.timm_export import WEIGHTS, NotOfTimm, timm_logits, write_timm
from ltbench.training.trained_model import TrainedModel, load_trained

TOLERANCE = 1e-4
"""By how much a probability may differ from the model's: what is rounded otherwise."""
_AS_TESTED = {"fp32": 1e-3}
"""By how much another class may lead than in the run's test, which another device computed."""
_HALF = 0.1  # where the test was in half precision


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        folder: that it lies in.
        why_no_timm: why there is no model of timm in it; empty where there is one.
        sample: the images that it was held to the model by.
        difference: by how much a probability of them differs at most.
        temperature: of the probabilities.
        transductive: whether the run's test was of another model, as it learnt on the test images.
    """

    folder: Path
    why_no_timm: str
    sample: Sample
    difference: float
    temperature: Temperature
    transductive: bool = False


def export_run(run: Path, folder: Path, data_dir: Path, *, overwrite: bool = False) -> Export:
    """Write the chosen model of a run to a folder, which appears whole or not at all.

    Args:
        run: its folder.
        folder: where to write to; it must not exist, or be an earlier export.
        data_dir: the folder of the data sets' files.
        overwrite: replace an earlier export.

    Raises:
        UsageError: there is something in the way, the run has no model, a package is missing, or
            what was written answers otherwise than the model.
    """
    check_place(folder, overwrite=overwrite)
    check_onnx()
    model = load_trained(run, "cpu", data_dir)
    for module in model.algorithm.modules():
        if isinstance(module, Algorithm):
            module.precision = "fp32"
    temperature, sample = run_temperature(run), tested_sample(model, data_dir)
    try:
        with draft_of(folder, overwrite=overwrite) as draft:
            write_onnx(model, draft, temperature.value)
            why_no_timm = _write_timm(model, draft)
            (draft / LABELS).write_text(_lines(model.classes), encoding="utf-8")
            difference = _compare(model, draft, sample, temperature, timm=not why_no_timm)
            found = Export(folder, why_no_timm, sample, difference, temperature, model.transductive)
            (draft / CARD).write_text(_card(run, model, found, data_dir), encoding="utf-8")
            write_json(
                draft / RECORD,
                {"format": FORMAT, "run": model.spec.hash, "seed": model.spec.seed},
            )
    except OSError as error:
        raise UsageError(
            f"the export cannot be written to {folder}: {error.strerror or error}"
        ) from error
    return found


def _write_timm(model: TrainedModel, draft: Path) -> str:
    """Write the model of timm, or return why there is none."""
    try:
        write_timm(model, draft)
    except NotOfTimm as error:
        return str(error)
    return ""


def _lines(classes: tuple[str, ...]) -> str:
    return "".join(f"{visible(name, len(name))}\n" for name in classes)


def _compare(
    model: TrainedModel, draft: Path, sample: Sample, temperature: Temperature, *, timm: bool
) -> float:
    """Return by how much probabilities of what was written differ at most from the model's.

    Raises:
        UsageError: by more than rounding, or the model does not answer as its run's test did.
    """
    inputs = torch.stack([model.transform(pixels) for pixels in sample.images])
    logits = model.logits(inputs).double().numpy()
    _check_test(model, sample, logits)
    wanted = np.exp(at_temperature(logits, temperature.value))
    try:
        onnx = OnnxModel(draft / FILE)
        found = np.concatenate([onnx.probabilities(pixels[None]) for pixels in sample.images])
        twice = onnx.probabilities(np.stack([sample.images[0]] * 3))
    except Exception as error:  # onnxruntime has errors of its own
        raise UsageError(
            f"nothing was exported: onnxruntime cannot use what was written "
            f"({visible(str(error).partition(chr(10))[0])})"
        ) from error
    difference = _checked(
        np.concatenate([found, twice]), np.concatenate([wanted, wanted[[0] * 3]]), FILE
    )
    if timm:
        try:
            theirs = timm_logits(draft, inputs).double().numpy()
        except Exception as error:  # timm raises what it pleases
            raise UsageError(
                "nothing was exported: timm cannot load what was written "
                f"({visible(str(error).partition(chr(10))[0])})"
            ) from error
        theirs = np.exp(at_temperature(theirs, temperature.value))
        difference = max(difference, _checked(theirs, wanted, WEIGHTS))
    return difference


def _checked(found: NDArray[np.float64], wanted: NDArray[np.float64], name: str) -> float:
    """Return the largest difference of probabilities.

    Raises:
        UsageError: it is more than rounding, or a class is another that leads by more than that.
    """
    difference = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else np.inf
    if difference <= TOLERANCE:  # and so is every lead that could turn
        return difference
    others = 0
    if found.shape == wanted.shape:
        others = int((found.argmax(1) != wanted.argmax(1)).sum())
    raise UsageError(
        f"nothing was exported: {name} answers otherwise than the model, by up to {difference:.2g} "
        f"in probability and with another class for {others} of {len(wanted)} images"
    )


def _check_test(model: TrainedModel, sample: Sample, logits: NDArray[np.float64]) -> None:
    """Check that the model answers images as the run's test did, if that was of this model.

    Raises:
        UsageError: it does not.
    """
    if not sample.rows or model.transductive:
        return
    try:
        stored = read_predictions(model.folder)
    except DataError:
        return
    if max(sample.rows) >= len(stored["prediction"]):
        raise UsageError(f"{model.folder}/predictions.npz has fewer images than the run's test")
    rows = list(sample.rows)
    p = np.exp(at_temperature(logits, 1.0))
    then = stored["prediction"][rows]
    if (then >= p.shape[1]).any():
        raise UsageError(f"{model.folder}/predictions.npz names classes that the run does not have")
    lead = p.max(1) - p[np.arange(len(rows)), then]
    others = int((lead > _AS_TESTED.get(model.spec.precision, _HALF)).sum())
    if others:
        raise UsageError(
            f"nothing was exported: the model answers {others} of {len(rows)} test images "
            "otherwise than in the run's test: its weights or the images here are not those of then"
        )


def _card(run: Path, model: TrainedModel, found: Export, data_dir: Path) -> str:
    spec = model.spec
    facts: Facts | None = None
    with contextlib.suppress(LtbenchError):
        facts = registry_facts(spec.dataset.name)
    with contextlib.suppress(LtbenchError):  # a plugin's data set knows its own
        facts = create_dataset(Name(spec.dataset.name, spec.dataset_options), data_dir).facts
    return model_card(
        run,
        Exported(
            licence=facts.licence if facts else "",
            citation=facts.citation if facts else "",
            why_no_timm=found.why_no_timm,
            stored=model.stored,
            channels=model.facts.channels,
            side=model.facts.size,
            checked=len(found.sample.images),
            made_up=found.sample.why_not,
            difference=found.difference,
            temperature=found.temperature.value,
            temperature_images=found.temperature.images,
            why_no_temperature=found.temperature.why_not,
        ),
    )
