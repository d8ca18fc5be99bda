"""What ``ltbench show`` says of one run: its specification, curves, result and costs."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ltbench.plugins.names import AT
from ltbench.plugins.shots import SHOTS
from ltbench.plugins.stopwatch import PARTS as SPENT
from ltbench.report.before_test import before_test_lines
from ltbench.report.chart import SYMBOLS, Curve, draw
from ltbench.report.combined import made_of_lines
from ltbench.report.plain import duration
from ltbench.report.short_names import text_width
from ltbench.report.terminal import table, terminal_width, wrapped
from ltbench.report.validation_labels import validation_lines
from ltbench.results.backbone import in_words, known_preprocessing
from ltbench.results.labels import tuning_cell
from ltbench.results.run import RunRecord
from ltbench.results.scheme import EvaluationScheme, scheme_of, untrained_domains
from ltbench.results.untrusted import clean, numbers

_WIDEST = 79  # of a page that is read rather than compared
_MOST_DOMAINS, _FEWER_DOMAINS = 40, 12  # that have a line each, and so many where there are more
_PARTS = (
    *("average", "worst", *SHOTS, *(f"{shot}_pooled" for shot in SHOTS)),
    *("worst_class", "worst_tenth", "worst_pair"),
)
_VALIDATION = ("macro_f1_average", "accuracy_average", "macro_f1_worst", "accuracy_worst")


@dataclass(frozen=True)
class Documents:
    """What lies in a run's folder, as it was read; anything in it may be missing or nonsense.

    Attributes:
        broken: sentences about files that could not be read.
        logits: bytes of the logits that the run keeps, ``None`` where it keeps none.
    """

    spec: dict[str, Any]
    result: dict[str, Any]
    error: dict[str, Any]
    log: list[dict[str, Any]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    logits: int | None = None


def as_text(state: RunRecord, documents: Documents, folder: str) -> str:
    """Return the page.

    Args:
        state: how the run stands.
        documents: of its folder.
        folder: as it is to be named.
    """
    name = f"{state.label} on {state.dataset} seed {state.seed}" if state.label else "A run"
    holder = f" ({state.holder})" if state.holder else ""
    parts = [
        [f"{name}: {state.status.replace('-', ' ')}{holder}", folder],
        [f"Unreadable: {problem}" for problem in documents.broken],
        _specification(documents.spec, tuning_cell(state.tuned) if state.tuned else ""),
        [wrapped(line, _width()) for line in made_of_lines(documents.spec, documents.result)],
        _error(documents.error, folder),
        *_curves(documents),
        _results(documents.result),
        [*_costs(documents.result), *_kept(documents)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _specification(spec: Mapping[str, Any], tuned: str) -> list[str]:
    identity = _mapping(spec, "identity")
    dataset, protocol = _mapping(identity, "dataset"), dict(_mapping(identity, "protocol"))
    backbone, data = _mapping(identity, "backbone"), _mapping(spec, "data")
    split = _text(dataset.get("split"))[:12]
    scheme = spec_scheme(spec)
    start = "pretrained" if backbone.get("pretrained") is True else "from scratch"
    if backbone.get("weights"):
        start = f"from weights {_text(backbone['weights'])[:12]}"
    sizes = [
        f"{len(data[key])} {key}"
        for key in ("domains", "classes")
        if isinstance(data.get(key), list)
    ]
    lines = {
        "hash": f"{_text(spec.get('hash'))}, protocol {_text(spec.get('protocol_hash'))}",
        "algorithm": _component(_mapping(identity, "algorithm")),
        "stages": ", ".join(_component(stage) for stage in _list(identity, "stages")),
        "data set": ", ".join([_component({**dataset, "hparams": dataset.get("options")}), *sizes]),
        "split": ", ".join(filter(None, [_text(data.get("split", "")), split])),
        "evaluation": scheme.evaluation,
        "selection": scheme.selection(_text(protocol.get("select", ""))),
        "protocol": f"{_text(protocol.pop('name', ''))}: {_settings(protocol)}",
        "backbone": f"{_component({**backbone, 'hparams': backbone.get('options')})}, {start}",
        "images": _images(backbone, data),
        "precision": " ".join(filter(None, map(_text, _arithmetic(identity)))),
        "tuned": tuned.removeprefix("tuned: "),
    }
    return [
        line
        for key, value in lines.items()
        if value
        for line in textwrap.wrap(
            f"{key:11}{value}", _width(), subsequent_indent=" " * 11, break_on_hyphens=False
        )
    ]


def spec_scheme(spec: Mapping[str, Any]) -> EvaluationScheme:
    """Return on which domains a run is tested, and on which images its model is chosen."""
    options = _mapping(_mapping(_mapping(spec, "identity"), "dataset"), "options")
    data = _mapping(spec, "data")
    domains = [name for name in _list(data, "domains") if isinstance(name, str)]
    return scheme_of(options, domains, untrained_domains(domains, _mapping(data, "counts")))


def _arithmetic(identity: Mapping[str, Any]) -> tuple[Any, Any]:
    return identity.get("precision"), identity.get("memory_format", "")


def _images(backbone: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Return what images pass through; of runs of before that was noted, what is known of it."""
    own, whole = known_preprocessing(backbone), known_preprocessing(data)
    return in_words(whole | own) or "mean and std of the data set, bilinear"


def _error(error: Mapping[str, Any], folder: str) -> list[str]:
    if not error:
        return []
    step = error.get("step")
    where = f" in {_text(error.get('stage'))}" + ("" if step is None else f" at step {_text(step)}")
    return [
        f"{_text(error.get('status', 'failed')).capitalize()}{where}: {_text(error.get('error'))}",
        f"Traceback: {folder}/error.json, or ltbench show … --traceback",
    ]


def _curves(documents: Documents) -> list[list[str]]:
    """Return the pictures of losses and validation metrics over the steps of all stages."""
    log = [line for line in documents.log if "step" in numbers(line)]
    if not log:
        return []
    stages = _by_stage(log)
    borders = [(start, name) for name, start, _ in stages[1:]]
    pictures = []
    selection = _text(_mapping(documents.result, "selection").get("metric"))
    wanted = list(dict.fromkeys([selection, *_VALIDATION]))
    for title, key, names in (
        ("Losses over steps (means since the evaluation before)", "losses", None),
        ("Validation over steps", "val", wanted),
    ):
        there = dict.fromkeys(name for line in log for name in numbers(line.get(key)))
        if names is not None:
            there = dict.fromkeys([name for name in names if name in there] or there)
        chosen = list(there)[: len(SYMBOLS)]
        if chosen:
            curves = [Curve(name, _segments(stages, key, name)) for name in chosen]
            pictures.append([title, *draw(curves, width=_width(), borders=borders)])
    return pictures


_Stage = tuple[str, float, list[tuple[float, dict[str, Any]]]]


def _by_stage(log: Sequence[dict[str, Any]]) -> list[_Stage]:
    """Return each stage's name, where it starts, and its lines at steps that count on."""
    stages: list[_Stage] = []
    last = 0.0
    for line in log:
        name = _text(line.get("stage"))
        if not stages or stages[-1][0] != name:
            stages.append((name, last, []))
        last = stages[-1][1] + numbers(line)["step"]
        stages[-1][2].append((last, line))
    return stages


def _segments(stages: Sequence[_Stage], key: str, name: str) -> list[list[tuple[float, float]]]:
    segments = []
    for _, _, lines in stages:
        found = ((x, numbers(line.get(key))) for x, line in lines)
        segments.append([(x, values[name]) for x, values in found if name in values])
    return segments


def _results(result: Mapping[str, Any]) -> list[str]:
    """Return the test metrics: a column for each, a row for each part of the test images.

    Where they do not fit side by side there are several tables below one another.
    """
    if not result:
        return []
    test = numbers(result.get("test"))
    columns: dict[str, None] = {}
    by_part: dict[str, dict[str, float]] = {"all": {}}
    for name, value in test.items():
        metric, part = _split(name)
        columns[metric] = None
        by_part.setdefault(part, {})[metric] = value
    order = sorted(by_part, key=lambda part: _PARTS.index(part) if part in _PARTS else -1)
    parts = {part.replace("_", " "): by_part[part] for part in order}
    domains = _mapping(result, "domains")
    shown = _shown_domains(domains, _text(_mapping(result, "selection").get("metric")))
    further = {**{name: domains[name] for name in shown}, **_mapping(result, "test_sets")}
    parts.update({_text(name): numbers(values) for name, values in further.items()})
    names = [name for name in columns if any(name in row for row in parts.values())]
    blocks = [_metric_table(columns, parts) for columns in _side_by_side(names, parts)]
    selection = _mapping(result, "selection")
    best = numbers(selection).get("value")
    by = _text(selection.get("metric")) + ("" if best is None else f" = {best:.4g}")
    if "stage" in selection or not selection:
        place = f"{_text(selection.get('stage'))} step {_text(selection.get('step'))}"
        chosen = f"Chosen: {place}, by {by}"
    else:  # of what was made of other runs nothing was chosen
        chosen = f"On validation images: {by}"
    before = [
        wrapped(line, _width()) for line in (*before_test_lines(result), *validation_lines(result))
    ]
    some = (
        [wrapped(f"Of {len(domains)} domains the {len(shown)} with the lowest score.", _width())]
        if len(shown) < len(domains)
        else []
    )
    return ["\n\n".join(blocks), *some, "", chosen, *_stops(selection), *before]


def _shown_domains(domains: Mapping[str, Any], metric: str) -> list[str]:
    """Return the domains that are shown: all, or of many those with the lowest score."""
    if len(domains) <= _MOST_DOMAINS:
        return list(domains)
    base, _ = _split(metric)
    scores = {name: numbers(values) for name, values in domains.items()}
    base = base if any(base in values for values in scores.values()) else "accuracy"
    ranked = sorted(domains, key=lambda name: scores[name].get(base, math.inf))
    return ranked[:_FEWER_DOMAINS]


def _side_by_side(
    names: Sequence[str], parts: Mapping[str, Mapping[str, float]]
) -> list[list[str]]:
    """Return the metrics in groups that fit beside the names of the parts."""
    first = max(map(text_width, ("Test", *parts)))
    groups: list[list[str]] = [[]]
    left = room = _width() - min(first, _width() // 2)
    for name in names:
        cells = [f"{values[name]:.3f}" for values in parts.values() if name in values]
        size = 2 + max(map(text_width, (name, *cells)))
        if size > left and groups[-1]:
            groups.append([])
            left = room
        groups[-1].append(name)
        left -= size
    return groups


def _metric_table(names: Sequence[str], parts: Mapping[str, Mapping[str, float]]) -> str:
    """Return the table of some metrics, with the parts on which one of them is known."""
    body = [
        [part, *(f"{values[name]:.3f}" if name in values else "·" for name in names)]
        for part, values in parts.items()
        if any(name in values for name in names)
    ]
    return table(["Test", *names], body, width=_width(), elsewhere="--json has them")


def _stops(selection: Mapping[str, Any]) -> list[str]:
    """Return a line for each stage that ended before its last step."""
    found = selection.get("stopped")
    return [
        f"Stopped early: {_text(stop.get('stage'))} step {_text(stop.get('step'))}, by patience"
        for stop in (found if isinstance(found, list) else [])
        if isinstance(stop, dict)
    ]


def _split(name: str) -> tuple[str, str]:
    """Return the metric and the part of the test images that a flat name stands for."""
    for part in sorted(_PARTS, key=len, reverse=True):
        if name.endswith(f"_{part}"):
            return name.removesuffix(f"_{part}"), part
    return name, "all"


def _taken_over(timings: Mapping[str, Any]) -> list[str]:
    """Return what part of the time another run spent for this one, if any."""
    taken = _mapping(timings, "taken_over")
    seconds = numbers(taken).get("seconds")
    if seconds is None:
        return []
    sentence = f"Of it {seconds:.1f} s, the first stage, were spent by {_text(taken.get('run'))}"
    return [wrapped(sentence, _width())]


def _spent(timings: Mapping[str, Any]) -> list[str]:
    """Return the shares of a run's parts, those that took anything."""
    found = numbers(_mapping(timings, "spent"))
    spent = {name: found[part] for part, name in SPENT.items() if found.get(part, -1.0) >= 0}
    known = sum(spent.values())
    if known <= 0:
        return []
    shares = [f"{name} {seconds / known:.0%}" for name, seconds in spent.items()]
    return [wrapped(f"Spent on: {', '.join(shares)}", _width())]


def _costs(result: Mapping[str, Any]) -> list[str]:
    """Return what the run took, and where it ran."""
    if not result:
        return []
    times, sizes = numbers(result.get("timings")), numbers(result)
    lines = []
    if "total_s" in times:
        train, evaluate = times.get("train_s", 0.0), times.get("evaluate_s", 0.0)
        whole = duration(times["total_s"])
        parts = f" (training {train:.1f} s, evaluation {evaluate:.1f} s)"
        lines.append(f"Time: {whole}{parts if 'train_s' in times else ''}")
        lines += _taken_over(_mapping(result, "timings")) + _spent(_mapping(result, "timings"))
    words = []
    if "parameters" in sizes:
        words.append(f"{sizes['parameters']:,.0f} parameters{_trained_part(sizes)}")
    if "macs" in sizes:
        words.append(f"{sizes['macs']:,.0f} multiply-adds an image")
    if "peak_memory_mb" in sizes:
        words.append(f"{sizes['peak_memory_mb']:,.0f} MB at most")
    lines.append(wrapped(f"Model: {', '.join(words)}", _width()))
    environment = _mapping(result, "environment")
    where = ", ".join(
        f"{name} {_text(environment[name])}"
        for name in ("ltbench", "python", "torch", "device", "threads", "platform", "git")
        if environment.get(name) is not None
    )
    lines.extend(textwrap.wrap(f"Environment: {where}", _width(), subsequent_indent="  "))
    return lines


def _trained_part(sizes: Mapping[str, float]) -> str:
    """Return how many of the parameters are trained, where not all are."""
    trained = sizes.get("trainable_parameters", sizes["parameters"])
    return f", {trained:,.0f} of them trained" if trained < sizes["parameters"] else ""


def _kept(documents: Documents) -> list[str]:
    """Return how much a done run keeps of its logits."""
    if not documents.result:
        return []
    if documents.logits is None:
        return ["Logits: none kept"]
    sentence = f"Logits: {documents.logits / 1e6:,.2f} MB, which `ltbench clean --logits` frees"
    return [wrapped(sentence, _width())]


def _width() -> int:
    return min(_WIDEST, terminal_width())


def _component(component: object) -> str:
    """Return ``name[key=value,…]``."""
    if not isinstance(component, dict):
        return _text(component)
    hparams = component.get("hparams")
    options = _settings(hparams) if isinstance(hparams, dict) else ""
    own = _text(component.get("name")) + (f"[{options}]" if options else "")
    return AT.join([own, *map(_component, _list(component, "modifiers"))])


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{_text(key)}={_text(value if isinstance(value, str) else json.dumps(value))}"
        for key, value in values.items()
        if value is not None
    )


def _mapping(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return clean("?" if value is None else str(value))
