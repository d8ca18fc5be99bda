"""What a plugin says of itself: summary, docstring, needs and hyper-parameters."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ltbench.errors import UsageError, nearest
from ltbench.plugins.hparams import Bounds, HParams
from ltbench.plugins.manager import KINDS, Plugins
from ltbench.plugins.measure import Measure
from ltbench.plugins.names import Name, format_value
from ltbench.plugins.preprocessing import Preprocessing, declared_by
from ltbench.plugins.registry import Entry
from ltbench.plugins.unseen_options import with_unseen

STEPS = 1000  # of a stage before, to ask a stage whether it trains
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")


@dataclass(frozen=True)
class Parameter:
    """A hyper-parameter as text.

    Attributes:
        name: what a user types.
        type: of its value.
        default: its value when nothing is given.
        allowed: the values possible.
        search: the interval that tuning draws from, or empty.
        help: one line.
    """

    name: str
    type: str
    default: str
    allowed: str
    search: str
    help: str


@dataclass(frozen=True)
class Description:
    """What is to be said of one registered plugin.

    Attributes:
        kind, name, summary, distribution, version: of its registration.
        text: its docstring, with the paper and the equation.
        needs: one phrase each.
        parameters: its hyper-parameters in the order of their declaration.
        preprocessing: of a backbone, what its own weights were trained with.
        measures: of a metric, what its values mean, by the base names of these.
        every_evaluation: of a metric, whether it is computed at every evaluation of a training, or
            of the chosen model alone.
    """

    kind: str
    name: str
    summary: str
    distribution: str
    version: str
    text: str
    needs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    preprocessing: Preprocessing | None = None
    measures: dict[str, Measure] = field(default_factory=dict)
    every_evaluation: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return asdict(self)


def find_entries(plugins: Plugins, name: str) -> list[Entry]:
    """Return the entries of ``name``, one for each kind that has it.

    Raises:
        UsageError: no kind has it; the message suggests the nearest.
        PluginError: two plugins registered it as the same kind.
    """
    found = [plugins[kinds].get(name) for kinds in KINDS if name in plugins[kinds]]
    if not found:
        known = [known for kinds in KINDS for known in plugins[kinds].names()]
        near = nearest(name, known)
        more = f"did you mean '{near}'?" if near else "`ltbench plugins list` names all there are"
        raise UsageError(f"there is no plugin '{name}'; {more}")
    return found


def describe_entry(entry: Entry) -> Description:
    """Import a plugin and return what it says of itself.

    Raises:
        PluginError: it cannot be imported.
    """
    target = entry.load()
    hparams = getattr(target, "HParams", None)
    if hparams is not None and entry.kind == "data set":
        hparams = with_unseen(hparams)
    return Description(
        kind=entry.kind,
        name=entry.name,
        summary=entry.summary,
        distribution=entry.distribution,
        version=entry.version,
        text=_text(target),
        needs=tuple(_needs(entry.kind, target)),
        parameters=describe_parameters(hparams) if hparams is not None else (),
        preprocessing=declared_by(target) if entry.kind == "backbone" else None,
        measures=entry.measures,
        every_evaluation=entry.every_evaluation,
    )


def inline(line: str) -> str:
    """Return a line of a docstring with roles and double backticks as code of Markdown."""
    return _ROLE.sub(r"`\1`", line).replace("``", "`")


def _text(target: Any) -> str:
    """Return a plugin's docstring, or what a protocol or preset sets."""
    if isinstance(target, Mapping):
        width = max(map(len, target), default=0) + 2
        plain = {key: value for key, value in target.items() if key != "methods"}
        lines = [f"{key:{width}}{_in_words(value)}" for key, value in plain.items()]
        for name, own in dict(target.get("methods", {})).items():
            lines.append(f"{name}: {', '.join(f'{k} {format_value(v)}' for k, v in own.items())}")
        return "\n".join(lines)
    return inspect.cleandoc(target.__doc__ or "").replace("\b\n", "")


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):  # a protocol that a preset writes out
        options = {key: one for key, one in value.items() if key != "like"}
        return str(Name(str(value.get("like", "")), options))
    return format_value(value)


def _needs(kind: str, target: Any) -> list[str]:
    if kind == "augmentation":
        return _needs_of_augmentation(target)
    if kind == "modifier":
        return _needs_of_modifier(target)
    if kind not in ("algorithm", "stage"):
        return []
    domains = target.min_domains
    needs = [f"at least {domains} domains" if domains > 1 else "any number of domains"]
    if target.sampling != "uniform":
        needs.append(f"{target.sampling} batches")
    if kind == "stage":
        alone = target.default_base
        needs.append("an algorithm before it" + (f" ({alone} unless named)" if alone else ""))
        if target.steps(STEPS, target.HParams()) == 0:
            needs.append("no training")
    return needs


def _needs_of_modifier(target: Any) -> list[str]:
    from ltbench.plugins.modifier import gives_weights, steps_itself

    words = {
        "gradients": "an algorithm whose steps are those of its loss",
        "image_losses": "an algorithm that has a loss on logits and nothing else",
    }
    needs = [words.get(wish, f"an algorithm that honours {wish}") for wish in sorted(target.needs)]
    needs += ["validation images"] if target.needs_validation else []
    alone = ((steps_itself, "takes the steps"), (gives_weights, "gives the weights"))
    return needs + [f"no other modifier that {what}" for belongs, what in alone if belongs(target)]


def _needs_of_augmentation(target: Any) -> list[str]:
    from ltbench.plugins.augmentation import crops, mixes

    channels = " or ".join(map(str, target.channels))
    needs = [f"images of {channels} channels"] if channels else []
    if crops(target):
        needs.append("the first place in a chain")
    return [*needs, "algorithms that take mixed labels"] if mixes(target) else needs


def describe_parameters(hparams: type[HParams]) -> tuple[Parameter, ...]:
    """Return what is to be said of every hyper-parameter of a class."""
    types = typing.get_type_hints(hparams)
    defaults = hparams()
    return tuple(
        Parameter(
            name=name,
            type=getattr(types[name], "__name__", str(types[name])),
            default=format_value(getattr(defaults, name)),
            allowed=_allowed(bounds, types[name]),
            search=_search(bounds),
            help=bounds.help,
        )
        for name, bounds in hparams.bounds().items()
    )


def _allowed(bounds: Bounds, kind: Any) -> str:
    if bounds.choices is not None:
        return ", ".join(map(format_value, bounds.choices))
    if kind is bool:
        return "true, false"
    if bounds.low is not None and bounds.high is not None:
        return f"{bounds.low:g} … {bounds.high:g}"
    if bounds.low is not None:
        return f"≥ {bounds.low:g}"
    return f"≤ {bounds.high:g}" if bounds.high is not None else "any"


def _search(bounds: Bounds) -> str:
    if bounds.search is None:
        return ""
    low, high = bounds.search
    return f"{low:g} … {high:g}{' log' if bounds.log else ''}"
