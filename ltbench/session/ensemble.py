"""Makes an ensemble of runs: the mean of their probabilities, from the logits that they keep.

Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using deep
ensembles", NeurIPS 2017, arXiv:1612.01474, eq. 2.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.data.catalogue import open_dataset
from ltbench.errors import DataError, UsageError
from ltbench.evaluation.averaged import answers, mean_probabilities
from ltbench.evaluation.compute import compute_metrics
from ltbench.evaluation.measures import declared_measures
from ltbench.evaluation.tested import answer_arrays, results_of_test
from ltbench.plugins.names import Name
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.shots import ShotRule
from ltbench.results.combined import (
    ENSEMBLE,
    Ingredient,
    appearing,
    combined_folder,
    combined_identity,
    combined_method,
    combined_spec,
    described,
    trained_members,
)
from ltbench.results.damage import check_result
from ltbench.results.documents import read_data_facts
from ltbench.results.folder import RunFolder, write_arrays, write_json
from ltbench.results.logits import Logits, kept_logits, read_logits, write_logits
from ltbench.results.protocol import SELECTION
from ltbench.results.run import canonical_hash
from ltbench.results.untrusted import numbers
from ltbench.session.ingredients import Group

RULE = "mean-probabilities"
_PARTS = ("test", "val")
_SIZES = ("parameters", "macs")


@dataclass(frozen=True)
class Made:
    """What was made of runs.

    Attributes:
        folder: its run's folder.
        method: what it is called.
        group: the runs.
        metric: the validation metric of the protocol.
        new: whether it was made now, and was not there before.
    """

    folder: Path
    method: str
    group: Group
    metric: str
    new: bool


def same_images(one: Ingredient) -> dict[str, Any]:
    """Return what runs share whose answers can be averaged: data set, test images and classes."""
    dataset = one.identity["dataset"]
    data = one.spec.get("data")
    data = data if isinstance(data, dict) else {}
    return {
        "data set": dataset["name"],
        "options of the data set": dataset.get("options"),
        "split": dataset.get("split"),
        "images": dataset.get("images", ""),
        "classes": data.get("classes"),
        "domains": data.get("domains"),
    }


def same_method(one: Ingredient) -> dict[str, Any]:
    """Return what runs share that differ in their seed alone."""
    shared = {"method": one.hash, "protocol": one.spec.get("protocol_hash")}
    return same_images(one) | shared


def digest_logits(one: Ingredient) -> str:
    """Return the SHA-256 of the logits that a run keeps.

    Raises:
        DataError: it keeps none, or they are damaged.
    """
    digest = hashlib.sha256()
    for part in _PARTS:
        found = read_logits(one.folder, part)
        for array in (found.logits, found.top, found.log_sum_exp, found.classes, found.domains):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        digest.update("\0".join(found.images.tolist()).encode(errors="surrogatepass"))
    return digest.hexdigest()


def make_ensemble(group: Group, data_dir: Path) -> Made:
    """Average the probabilities of runs and write what comes of it as a run of its own.

    Nothing is written where the same was made of the same runs before.

    Args:
        group: the runs.
        data_dir: of the data sets, which are looked at where one has further test sets.

    Raises:
        DataError: a run keeps no logits, they do not fit its data set, or are of other images than
            those of the others.
        UsageError: the folder cannot be written.
    """
    began = time.monotonic()
    group = group.with_digests(digest_logits)
    ingredients = group.ingredients
    identity = combined_identity(ingredients, ENSEMBLE, RULE, {})
    hash_ = canonical_hash(identity)
    folder = combined_folder(group.root, identity, hash_)
    method = combined_method(ingredients, f"ensemble of {len(ingredients)}")
    metric = SELECTION.get(str(identity["protocol"].get("select")), "")
    check_result(folder)
    if RunFolder(folder).done:
        return Made(folder, method, group, metric, new=False)
    facts = read_data_facts(ingredients[0].folder)
    (tested, kept), (validated, kept_val) = (_averaged(ingredients, p, facts) for p in _PARTS)
    sets = _further(ingredients[0], data_dir)
    results = results_of_test(tested, tuple(facts["domains"]), sets)
    val = compute_metrics(validated, chosen=False) if len(validated) else {}
    origin = ingredients[0].spec["data"].get("split")
    result = {
        "format": 1,
        "hash": hash_,
        "seed": 0,
        "label": method,
        **({"split": origin} if origin else {}),
        **results,
        **_before_test(ingredients),
        **trained_members(ingredients),
        "metrics": declared_measures(results["test"]),
        "val": val,
        **({"selection": {"metric": metric, "value": val[metric]}} if metric in val else {}),
        **_cost(ingredients),
        "environment": ingredients[0].result.get("environment", {}),
        "timings": {"total_s": round(time.monotonic() - began, 3)},
    }
    with appearing(folder) as draft:
        files = RunFolder(draft)
        write_json(files.spec, combined_spec(ingredients, identity, hash_, method))
        write_arrays(files.predictions, answer_arrays(tested), sync=None)
        write_logits(files.logits, {"test": kept, "val": kept_val})
        write_json(files.result, result)
    return Made(folder, method, group, metric, new=True)


def _before_test(ingredients: Sequence[Ingredient]) -> dict[str, Any]:
    """Return how many of the runs learnt on the test images before their tests, if any did."""
    number = sum(bool(one.result.get("before_test")) for one in ingredients)
    return {"before_test": {"members": number}} if number else {}


def _averaged(
    ingredients: Sequence[Ingredient], part: str, facts: Mapping[str, Any]
) -> tuple[Predictions, Logits]:
    """Return the mean answers of runs on a part of the images, and the logits of the mean."""
    first = read_logits(ingredients[0].folder, part)
    _check_facts(ingredients[0], first, facts)

    def members() -> Any:
        for one in ingredients:
            found = read_logits(one.folder, part)
            _check_same(ingredients[0], first, one, found, part)
            yield found.probabilities()

    probabilities = mean_probabilities(members())
    shots = ShotRule.from_dict(facts["shots"])
    counts = facts["shot_counts"]
    predictions = answers(probabilities, first.classes, first.domains, counts, shots)
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities)
    return predictions, kept_logits(logits, first.classes, first.domains, first.images)


def _check_facts(one: Ingredient, found: Logits, facts: Mapping[str, Any]) -> None:
    if not facts["shot_counts"].size:
        raise DataError(f"{one.folder}/spec.json: 'data' does not hold the training counts")
    domains, classes = len(facts["domains"]), len(facts["classes"])
    if found.width != classes or found.domains.max(initial=0) >= domains:
        raise DataError(
            f"{one.folder}: logits.npz is of other classes or domains than spec.json names"
        )


def _check_same(
    first: Ingredient, known: Logits, other: Ingredient, found: Logits, part: str
) -> None:
    """Refuse runs whose logits are of other images, whatever their specifications say."""
    if found.width != known.width:
        raise UsageError(
            f"{first.title} tells {known.width} classes apart and {other.title} {found.width}, so "
            "their probabilities have no mean"
        )
    same = np.array_equal(known.images, found.images)
    same &= np.array_equal(known.classes, found.classes)
    same &= np.array_equal(known.domains, found.domains)
    if not same:
        raise UsageError(
            f"{first.title} and {other.title} were tested on different images ({part}): an "
            "ensemble needs runs with the same split"
        )


def _cost(ingredients: Sequence[Ingredient]) -> dict[str, Any]:
    """Return what the runs cost, and one prediction of all of them together."""
    sizes = [numbers({key: one.result.get(key) for key in _SIZES}) for one in ingredients]
    known = [key for key in _SIZES if all(key in size for size in sizes)]
    return {
        "combined": {
            "networks": len(ingredients),
            "train_s": round(sum(one.train_seconds for one in ingredients), 3),
            "members": described(ingredients),
        },
        **{key: int(sum(size[key] for size in sizes)) for key in known},
    }


def _further(one: Ingredient, data_dir: Path) -> dict[str, NDArray[np.bool_]]:
    """Return which test images make the further test sets, where the data set has any.

    Raises:
        DataError: its files are not here, or are others than the run's.
    """
    if not one.result.get("test_sets"):
        return {}
    identity, places = one.identity["dataset"], one.spec.get("places")
    known = places if isinstance(places, dict) else {}
    name = Name(identity["name"], {**identity["options"], **known})
    dataset, split = open_dataset(name, data_dir)
    if split.sha256 != identity["split"]:
        raise DataError(
            f"the split of {identity['name']} is no longer the one that {one.title} has"
        )
    rows = split.rows("test")
    return {name: np.isin(rows, part) for name, part in dataset.test_sets(split).items()}
