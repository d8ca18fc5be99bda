"""Runs that were made of other runs: an ensemble of their answers, or a soup of their weights.

Such a run has a folder as any other, so that it is read, shown and removed like any. What it is
made of stands in its identity under ``combined``: other members, or a member that was trained
anew, make another run. It takes no part where independent seeds are needed.
"""

from __future__ import annotations

import contextlib
import copy
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.hparams import LARGEST_WHOLE
from ltbench.results.component import read_title
from ltbench.results.folder import sync_files
from ltbench.results.labels import method_label
from ltbench.results.submission import PER_MACHINE
from ltbench.results.tuned import protocol_before, read_tuned
from ltbench.results.untrusted import LONGEST_WORD, UnreadableRun, clean, numbers

ENSEMBLE, SOUP = "ensemble", "soup"
SEVERAL = "ensemble"
"""The algorithm of an ensemble of different ones, and the name of its folder."""
_MOST_NAMED = 3
_MOST_MEMBERS = 10_000
_FORMAT = 1


@dataclass(frozen=True)
class Ingredient:
    """A run that another is made of.

    Attributes:
        folder: of the run.
        spec: the content of its ``spec.json``.
        result: that of its ``result.json``.
        method: as tables name it.
        digest: SHA-256 of what was taken from it, its logits or weights.
    """

    folder: Path
    spec: Mapping[str, Any]
    result: Mapping[str, Any]
    method: str
    digest: str = ""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What makes the run the run it is, except for its seed."""
        return dict(self.spec["identity"])

    @property
    def names(self) -> tuple[str, ...]:
        """The algorithm and its stages with their modifiers, without hyper-parameters."""
        return names_of(self.identity)

    @property
    def place(self) -> str:
        """Its folder in that of the data set."""
        return f"{'+'.join(self.names)}/{self.hash[:12]}/seed-{self.seed}"

    @property
    def hash(self) -> str:
        """Digits of the identity."""
        return str(self.spec["hash"])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.spec["seed"])

    @property
    def title(self) -> str:
        """What it is called in a sentence: method, data set and seed."""
        return f"{self.method} on {self.identity['dataset']['name']} seed {self.seed}"

    @property
    def score(self) -> float | None:
        """The validation score that chose its model, or ``None`` where that was the last step."""
        selection = self.result.get("selection")
        if not isinstance(selection, dict) or selection.get("metric") == "step":
            return None
        return numbers(selection).get("value")

    @property
    def train_seconds(self) -> float:
        """What its training took, or 0 where that is not known."""
        times = numbers(self.result.get("timings"))
        return times.get("train_s", times.get("total_s", 0.0))


def names_of(identity: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the algorithm and stages of an identity, with their modifiers."""
    return read_title(identity["algorithm"]), *map(read_title, identity["stages"])


def best_first(ingredients: Sequence[Ingredient]) -> list[Ingredient]:
    """Return runs by their validation scores, the highest first; those without one as they were."""
    return sorted(ingredients, key=lambda one: -(one.score if one.score is not None else -1e300))


def combined_identity(
    ingredients: Sequence[Ingredient], kind: str, rule: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the identity of what is made of runs.

    Setting and protocol are those of the first one. What the runs do not share of method and
    tuning is left out.

    Args:
        ingredients: the runs.
        kind: ``ensemble`` or ``soup``.
        rule: how they are combined.
        settings: of the rule.
    """
    identity = copy.deepcopy(dict(ingredients[0].identity))
    others = [one.identity for one in ingredients]
    if len({one.names for one in ingredients}) > 1:
        identity |= {"algorithm": {"name": SEVERAL, "hparams": {}}, "stages": []}
    for part in [identity["algorithm"], *identity["stages"]]:
        parts = [p for o in others for p in [o["algorithm"], *o["stages"]]]
        alike = [p for p in parts if read_title(p) == read_title(part)]
        if any(p.get("hparams") != part.get("hparams") for p in alike):
            part["hparams"] = {}
        for number, modifier in enumerate(part.get("modifiers", [])):
            asked = [p["modifiers"][number].get("hparams") for p in alike]
            if any(hparams != modifier.get("hparams") for hparams in asked):
                modifier["hparams"] = {}
    if any(other.get("tuned") != identity.get("tuned") for other in others):
        tuned = identity.pop("tuned", None)
        if isinstance(tuned, dict):
            identity["protocol"] = protocol_before(identity["protocol"], tuned)
    if any(other.get("memory_format") != identity.get("memory_format") for other in others):
        identity.pop("memory_format", None)
    plugins = [p for other in reversed(others) if isinstance(p := other.get("plugins"), dict)]
    if plugins:
        identity["plugins"] = {name: version for some in plugins for name, version in some.items()}
    members = [{"hash": o.hash, "seed": o.seed, "content": o.digest} for o in ingredients]
    members.sort(key=lambda member: (member["hash"], member["seed"], member["content"]))
    return identity | {"combined": {"kind": kind, "rule": rule, **settings, "members": members}}


def combined_spec(
    ingredients: Sequence[Ingredient], identity: Mapping[str, Any], hash_: str, method: str
) -> dict[str, Any]:
    """Return the content of ``spec.json`` of what is made of runs.

    Args:
        ingredients: the runs, of which the first has the setting.
        identity: of :func:`combined_identity`.
        hash_: its hash.
        method: of :func:`combined_method`.
    """
    first, tuned = ingredients[0].spec, identity.get("tuned")
    return {
        "format": _FORMAT,
        "hash": hash_,
        "protocol_hash": first["protocol_hash"],
        "seed": 0,
        "method": method,
        "label": method_label(method, read_tuned(tuned, identity["protocol"]) if tuned else None),
        "identity": dict(identity),
        "data": first["data"],
        **{key: first[key] for key in PER_MACHINE if key in first},
    }


def combined_method(ingredients: Sequence[Ingredient], words: str) -> str:
    """Return what stands for a method in tables: "erm (ensemble of 5)".

    Different methods have "&" between them, as commas part the names of methods; of more than
    three their number is told. Settings of one algorithm have its name.

    Args:
        ingredients: the runs.
        words: what is made of them.
    """
    methods = list(dict.fromkeys(str(one.spec.get("method") or one.method) for one in ingredients))
    algorithms = list(dict.fromkeys("+".join(one.names) for one in ingredients))
    names = algorithms if len(algorithms) == 1 < len(methods) else methods
    named = " & ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} methods"
    return f"{named} ({words})"


def without_choice(method: str, combined: Mapping[str, Any]) -> str:
    """Return what a method is called without how many runs a soup took: "erm (greedy soup of 5)".

    Args:
        method: of :func:`combined_method`, or any other.
        combined: of :func:`read_combined`; empty for any other.
    """
    return re.sub(r"soup of \d+ of (?=\d+\)$)", "soup of ", method) if combined else method


def combined_folder(root: Path, identity: Mapping[str, Any], hash_: str) -> Path:
    """Return where below ``root`` what is made of runs lies, as runs do.

    Raises:
        UsageError: a name would lead elsewhere.
    """
    dataset, algo = str(identity["dataset"]["name"]), "+".join(names_of(identity))
    for name in (dataset, algo):
        if name in ("", ".", "..") or Path(name).name != name or name.startswith("."):
            raise UsageError(f"'{clean(name)}' is no name that a folder can have")
    return root / dataset / algo / hash_ / "seed-0"


def read_combined(
    identity: Mapping[str, Any], result: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Judge what the documents of a run say of the runs that it is made of.

    Args:
        identity: as ``spec.json`` holds it.
        result: the content of ``result.json``, if there is one.

    Returns:
        ``kind``, ``rule``, ``members`` (each with ``method``, ``seed``, ``hash``, ``protocol``,
        its hash, ``run``, its folder, and ``kept``, whether a greedy soup took it),
        ``batch_norm``, ``networks`` (that one prediction asks) and ``train_s`` (of all members);
        empty for an ordinary run.

    Raises:
        UnreadableRun: it names no members.
    """
    found = identity.get("combined")
    if not isinstance(found, dict):
        return {}
    told = (result or {}).get("combined")
    told = told if isinstance(told, dict) else {}
    listed = _listed(found, "spec.json")
    if "members" in told:  # which says more of each
        listed = _listed(told, "result.json")
    known = numbers(told)
    return {
        "kind": clean(str(found.get("kind", ""))),
        "rule": clean(str(found.get("rule", ""))),
        "members": [_member(one) for one in listed[:_MOST_MEMBERS]],
        "batch_norm": clean(str(told.get("batch_norm", ""))),
        **{key: known[key] for key in ("networks", "train_s") if key in known},
    }


def _listed(combined: Mapping[str, Any], file: str) -> list[dict[str, Any]]:
    """Return the members that a document names.

    Raises:
        UnreadableRun: they are no list of objects, or none.
    """
    members = combined.get("members")
    if not isinstance(members, list) or not members:
        raise UnreadableRun(f"{file}: 'combined' names no members")
    if not all(isinstance(one, dict) for one in members):
        raise UnreadableRun(f"{file}: 'members' of 'combined' is not a list of objects")
    return members


def _member(member: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": clean(str(member.get("method", "")), LONGEST_WORD),
        "hash": clean(str(member.get("hash", ""))),
        "protocol": clean(str(member.get("protocol", ""))),
        "run": clean(str(member.get("run", "")), LONGEST_WORD),
        "seed": seed_of(member),
        "kept": member.get("kept") is not False,
    }


def seed_of(member: Mapping[str, Any]) -> int:
    """Return the seed of a member, or -1 where it names none."""
    seed = member.get("seed")
    return seed if type(seed) is int and 0 <= seed <= LARGEST_WHOLE else -1


def trained_members(ingredients: Sequence[Ingredient]) -> dict[str, list[str]]:
    """Return which parts of runs were trained on validation images, as ``result.json`` says it."""
    told = [one.result.get("trained_on_validation") for one in ingredients]
    listed = [name for names in told if isinstance(names, list) for name in names]
    found = list(dict.fromkeys(clean(name) for name in listed if isinstance(name, str)))
    return {"trained_on_validation": found} if found else {}


def described(ingredients: Sequence[Ingredient]) -> list[dict[str, Any]]:
    """Return the members as ``result.json`` names them."""
    return [
        {
            "method": one.method,
            "hash": one.hash,
            "seed": one.seed,
            "protocol": one.spec.get("protocol_hash"),
            "run": f"{one.identity['dataset']['name']}/{one.place}",
            **({} if one.score is None else {"validation": one.score}),
        }
        for one in ingredients
    ]


@contextlib.contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Yield a folder nobody sees, which becomes ``folder`` as a whole at the end of the block.

    An error or Ctrl-C in the block leaves nothing.

    Raises:
        UsageError: the place cannot be written, or something else lies there.
    """
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        draft.mkdir(parents=True)
        yield draft
        sync_files(sorted(path for path in draft.rglob("*") if path.is_file()))
        draft.replace(folder)
    except OSError as error:
        if (folder / "result.json").exists():  # another process was faster, with the same
            return
        raise UsageError(
            f"{folder} cannot be written: {error.strerror or error}; --out names another folder "
            "for what is made"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        for above in list(folder.parents)[:3]:
            with contextlib.suppress(OSError):
                os.rmdir(above)
