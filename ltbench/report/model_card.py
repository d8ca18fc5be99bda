"""The card of an exported model: what it is, how well it does, and what it is not for."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltbench.plugins.text import visible
from ltbench.report.dataset_labels import dataset_label
from ltbench.report.metrics import measures_of, metric
from ltbench.results.documents import read_data_facts
from ltbench.results.index import read_runs
from ltbench.results.protocol import protocol_words
from ltbench.results.run import RunRecord
from ltbench.results.scheme import EvaluationScheme, scheme_of
from ltbench.stats.intervals import half_width

_MOST_NAMES = 2000
"""Classes that the card lists; ``labels.txt`` has them all."""
_ENVIRONMENT = ("ltbench", "code", "python", "torch", "platform", "device", "git")


@dataclass(frozen=True)
class Exported:
    """What the run's folder does not say of an export.

    Attributes:
        licence, citation: of the data set; empty where nothing is known.
        why_no_timm: why there is no model of timm, without a full stop; empty where there is one.
        stored: side in pixels of the squares to which images are squeezed first.
        channels: of the images.
        side: of what the network sees.
        checked: images by which the export was held to the model.
        made_up: why these are no test images; empty where they are.
        difference: by how much their probabilities differ at most.
        temperature: what logits are divided by.
        temperature_images: validation images that it was fitted on.
        why_no_temperature: why none was fitted.
    """

    licence: str
    citation: str
    why_no_timm: str
    stored: int
    channels: int
    side: int
    checked: int
    made_up: str
    difference: float
    temperature: float
    temperature_images: int
    why_no_temperature: str


def model_card(folder: Path, export: Exported) -> str:
    """Return the card in Markdown, with a head as the Hugging Face hub reads it.

    Args:
        folder: of the run.
        export: what was made of it.

    Raises:
        DataError: ``spec.json`` does not say what the data were.
    """
    (run,), data = read_runs(folder), read_data_facts(folder)
    scheme = scheme_of(run.options, data["domains"])
    title = f"{run.label} on {dataset_label(run.dataset, run.options)}"
    parts = [
        _head(run, title, export),
        f"# {_text(title)}",
        _summary(run, data, scheme),
        "## Files",
        _files(export),
        "## Images",
        _images(export),
        "## Scores",
        _scores(run, scheme, _seeds(run, folder)),
        "## Data",
        _data(run, data, scheme, export),
        "## Training",
        _training(run),
        "## Intended use and limits",
        _limits(run, data, scheme, export),
        *(["## Citation", _quoted(export.citation)] if export.citation.strip() else []),
        "## Classes",
        _classes(data["classes"]),
    ]
    return "\n\n".join(parts) + "\n"


def _head(run: RunRecord, title: str, export: Exported) -> str:
    """Return the card's head, in YAML, of which JSON is a part."""
    results = [
        {"type": name, "name": shown, "value": value} for name, shown, value in _metrics(run)
    ]
    tested = {
        "task": {"type": "image-classification"},
        "dataset": {"name": run.title or run.dataset, "type": run.dataset},
        "metrics": results,
    }
    fields: dict[str, Any] = {
        "license": "other" if export.licence else "unknown",
        **({"license_name": visible(export.licence)} if export.licence else {}),
        "library_name": "onnx" if export.why_no_timm else "timm",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "long-tailed", "ltbench", "onnx"]
        + ([] if export.why_no_timm else ["timm", "safetensors"]),
        # What was tested of such a run is another model than the exported one.
        **({} if run.transductive else {"model-index": [{"name": title, "results": [tested]}]}),
    }
    lines = [f"{key}: {json.dumps(value, allow_nan=False)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _summary(run: RunRecord, data: Mapping[str, Any], scheme: EvaluationScheme) -> str:
    start = "pretrained weights" if run.pretrained else "random weights"
    if run.weights or run.weights_file:
        start = f"the weights {run.weights_file or run.weights[:12]}"
    rows = {
        "method": run.label,
        "data set": f"{run.title or run.dataset} ({dataset_label(run.dataset, run.options)})",
        "classes": str(len(data["classes"])),
        "domains": ", ".join(data["domains"]),
        "unseen domains": ", ".join(scheme.unseen) or "none",
        "network": f"{run.backbone}, trained from {start}",
        "seed": str(run.seed),
        "run": f"{run.hash}, protocol {run.protocol_hash}",
    }
    return _table(("", ""), list(rows.items()))


def _files(export: Exported) -> str:
    lines = [
        "- `model.onnx`: from the pixels of images to `logits` and `probabilities`.",
        "- `labels.txt`: the names of the classes, one a line, in the order of the logits.",
    ]
    if export.why_no_timm:
        lines.append(f"- There is no model of timm: {_text(export.why_no_timm)}.")
    else:
        lines.append(
            "- `model.safetensors` and `config.json`: for timm 1.0.16 or newer, "
            '`timm.create_model("local-dir:FOLDER", pretrained=True)`. The transform that timm '
            "makes of `config.json` resizes images once, and training squeezes them to "
            f"{export.stored} × {export.stored} pixels first, bilinearly; after that step "
            "probabilities are those of `model.onnx`."
        )
    images = f"{export.checked} test images"
    if export.made_up:
        images = f"{export.checked} made-up images (no test image: {_text(export.made_up)})"
    lines.append(
        f"- Held to the trained model by {images}: probabilities differ by "
        f"{export.difference:.1g} at most."
    )
    return "\n".join(lines)


def _images(export: Exported) -> str:
    mode = {1: "L", 3: "RGB"}.get(export.channels, "RGB")
    code = f"""```python
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

image = ImageOps.exif_transpose(Image.open("image.jpg")).convert("RGBA")
white = Image.new("RGBA", image.size, "white")
image = Image.alpha_composite(white, image).convert("{mode}")
pixels = np.asarray(image).reshape(1, image.height, image.width, {export.channels})
session = onnxruntime.InferenceSession("model.onnx")
(probabilities,) = session.run(["probabilities"], {{"images": pixels}})
```"""
    words = (
        f"`images` are (N, height, width, {export.channels}) of uint8: N images of one size, "
        "whichever it is, upright, transparency laid over white, of files of 8 bits a sample. "
        f"They are squeezed to {export.stored} × {export.stored} pixels, "
        f"the network sees {export.side} × {export.side}, and the scale of the pixels is set "
        "within the file."
    )
    if export.why_no_temperature:
        heat = f"Probabilities are not calibrated: {_text(export.why_no_temperature)}."
    else:
        heat = (
            f"Probabilities are those of the logits divided by {export.temperature:.4g}, which was "
            f"fitted on {export.temperature_images} validation images."
        )
    return f"{words} {heat}\n\n{code}"


def _scores(run: RunRecord, scheme: EvaluationScheme, seeds: Sequence[RunRecord]) -> str:
    words = scheme.evaluation or "the data set's test images"
    lead = f"Test of the chosen model, on {words}; {scheme.selection(run.select) or 'chosen last'}."
    if run.transductive:
        lead += (
            " The tested model had learnt on the test images, without their labels. This one is "
            "the model before that, which was not tested: its scores are not those below."
        )
    row = f"{_text(run.label)}@{_text(dataset_label(run.dataset, run.options))}"
    if len(seeds) < 2:
        note = "This is one run with one seed: how far seeds differ, only several runs tell."
        return f"{lead} {note}\n\n{_table(('metric', 'value'), _shown(run, [run]))}"
    note = (
        f"This model is that of seed {run.seed}. The row of a board, {row}, is the mean of "
        f"{len(seeds)} seeds with half its 95 % confidence interval."
    )
    pairs = zip(_shown(run, [run]), _shown(run, seeds), strict=True)
    rows = [(*own, mean) for own, (_, mean) in pairs]
    return f"{lead} {note}\n\n{_table(('metric', 'this model', 'mean of seeds'), rows)}"


def _seeds(run: RunRecord, folder: Path) -> list[RunRecord]:
    """Return the done runs of the same setting with the metrics of this one, itself included."""
    if folder.name != f"seed-{run.seed}":  # moved from where its seeds lie
        return [run]
    beside = read_runs(folder.absolute().parent, keep=False)
    return [one for one in beside if one.hash == run.hash and run.test.keys() <= one.test.keys()]


def _shown(run: RunRecord, runs: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """Return each metric of a run in words, with its mean over runs that have it too."""
    measures, _ = measures_of([run.metrics])
    found = []
    for name in run.test:
        one, values = metric(name, measures), np.array([other.test[name] for other in runs])
        width = half_width(values) if len(values) > 1 else math.nan
        found.append((one.sentence_start, one.with_unit(one.mean(float(values.mean()), width))))
    return found


def _metrics(run: RunRecord) -> list[tuple[str, str, float]]:
    measures, _ = measures_of([run.metrics])
    return [
        (name, metric(name, measures).words, value)
        for name, value in run.test.items()
        if math.isfinite(value)
    ]


def _data(
    run: RunRecord, data: Mapping[str, Any], scheme: EvaluationScheme, export: Exported
) -> str:
    counts, domains, classes = data["counts"], data["domains"], data["classes"]
    parts = [name for name in ("train", "val", "test") if name in counts]
    head = {"train": "training", "val": "validation", "test": "test"}
    by_domain = [
        (f"{domain}{' (unseen)' if domain in scheme.unseen else ''}",
         *(str(int(counts[part][d].sum())) for part in parts))
        for d, domain in enumerate(domains)
    ]  # fmt: skip
    by_domain.append(("all", *(str(int(counts[part].sum())) for part in parts)))
    by_class = [
        (name, *(str(int(counts[part][:, c].sum())) for part in parts))
        for c, name in enumerate(classes[:_MOST_NAMES])
    ]
    columns = [head[part] for part in parts]
    lines = [
        f"Split: {_text(run.split) or 'one way'}. "
        f"Licence of the images: {_text(export.licence) or 'not known to the suite'}.",
        "Images by domain:",
        _table(("domain", *columns), by_domain),
        "Images by class, over all domains:",
        _table(("class", *columns), by_class),
    ]
    return "\n\n".join(lines)


def _training(run: RunRecord) -> str:
    rows = [("protocol", shlex.join(protocol_words(run.protocol)))]
    rows += [("hyper-parameters", ", ".join(f"{k}={v}" for k, v in run.hparams.items()))]
    rows += [("precision", run.precision), ("parameters", f"{run.parameters:,.0f}")]
    rows += [("seconds", f"{run.seconds:.0f}")]
    rows += [(key, str(run.environment[key])) for key in _ENVIRONMENT if run.environment.get(key)]
    return _table(("", ""), [row for row in rows if row[1] and row[1] != "nan"])


def _limits(
    run: RunRecord, data: Mapping[str, Any], scheme: EvaluationScheme, export: Exported
) -> str:
    train = data["counts"].get("train")
    few = data["shots"]["few"]
    lines = [
        "- For images like those of the data set, and for comparing methods on it. The model names "
        "one of its classes for any image, also one that shows none of them.",
        "- The names of the classes are all that it knows; nobody has looked at how it treats "
        "people, places or uses that the data set does not cover.",
    ]
    if train is not None:
        pooled = train.sum(0)
        rare = int(((pooled > 0) & (pooled <= few)).sum())
        lines += [f"- {rare} classes have {few:g} training images or fewer."] if rare else []
        none = int((pooled == 0).sum())
        lines += [f"- {none} classes have no training image."] if none else []
    if scheme.unseen:
        lines.append(f"- It was never trained on: {_text(', '.join(scheme.unseen))}.")
    else:
        lines.append("- Images of other domains than those above were not tested.")
    if run.precision not in ("", "fp32"):
        lines.append(
            f"- It was trained and tested in {run.precision}, and what was exported computes in "
            "fp32: scores may differ in the last digits."
        )
    if not run.pretrained and not run.weights:
        lines.append("- It has seen no images but the data set's.")
    return "\n".join(lines)


def _classes(classes: Sequence[str]) -> str:
    listed = [f"{number}. {_text(name)}" for number, name in enumerate(classes[:_MOST_NAMES])]
    more = len(classes) - len(listed)
    return "\n".join(listed + ([f"\n{more} more are in `labels.txt`."] if more else []))


def _quoted(text: str) -> str:
    return "\n".join(f"> {_text(line)}" for line in text.strip().splitlines())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """Return a text as Markdown shows it, whatever signs are in it."""
    shown = visible(text, 2000)
    for sign in "\\`*_[]<>|#":
        shown = shown.replace(sign, f"\\{sign}")
    return shown
