"""Makes a soup of runs: one network with the mean of their weights, tested as any run is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ltbench.data.catalogue import open_dataset
from ltbench.data.content import content_sha256
from ltbench.data.store import open_store, store_folder
from ltbench.errors import LtbenchError, UsageError
from ltbench.evaluation.cost import multiply_adds, parameter_count, trainable_count
from ltbench.evaluation.measures import declared_measures
from ltbench.executors.processor import cores
from ltbench.plugins.names import Name
from ltbench.results.backbone import read_title
from ltbench.results.combined import (
    SOUP,
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
from ltbench.results.folder import RunFolder, write_json
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.session.ensemble import Made, same_images
from ltbench.session.ingredients import Group
from ltbench.training.checkpoint import Best, DamagedCheckpoint, State, load_best, save_checkpoint
from ltbench.training.context import open_context
from ltbench.training.environment import environment
from ltbench.training.final_test import evaluate_on_test
from ltbench.training.frozen_weights import frozen_weights
from ltbench.training.job import Job
from ltbench.training.memory import peak_memory_mb, reset_peak_memory
from ltbench.training.plugin_versions import own_code
from ltbench.training.repeatability import repeatable
from ltbench.training.soup import SoupModel, Trial, difference_of, greedy, state_sha256

UNIFORM, GREEDY = "uniform", "greedy"
_SETTINGS = ("name", "select", "image_size", "evaluation", "crop_share", "interpolation")
"""Of the protocol, what decides how a network is judged; the others say how it was trained."""

_INITIAL = "initial weights, which each seed draws for itself without --pretrained or --weights"


@dataclass(frozen=True)
class Recipe:
    """How soups are made.

    Attributes:
        rule: ``uniform`` or ``greedy``.
        reestimate: estimate statistics of batch normalisation anew, on training images.
        data_dir: the folder of the data sets' files.
        device: for example ``cpu`` or ``cuda:0``.
    """

    rule: str
    reestimate: bool
    data_dir: Path
    device: str


def same_start(one: Ingredient) -> dict[str, Any]:
    """Return what runs share whose weights can be averaged.

    Data, algorithm, network, and the weights that training started from; those of a network that
    starts from scratch are drawn by the seed.
    """
    identity = one.identity
    backbone, protocol = identity["backbone"], identity["protocol"]
    return {
        **same_images(one),
        "algorithm": one.names,
        "backbone": read_title(backbone),
        "pretrained weights": (backbone.get("pretrained"), backbone.get("weights")),
        "preprocessing": backbone.get("preprocessing"),
        "precision": identity.get("precision"),
        **{f"protocol ({name.replace('_', ' ')})": protocol.get(name) for name in _SETTINGS},
        _INITIAL: "shared" if starts_from_weights(one) else f"drawn by seed {one.seed}",
    }


def starts_from_weights(one: Ingredient) -> bool:
    """Return whether a run started from weights that all seeds share."""
    backbone = one.identity["backbone"]
    return bool(backbone.get("pretrained") or backbone.get("weights"))


def no_soup(alone: Sequence[Ingredient]) -> str:
    """Return the sentence that there is nothing to average, as no two runs share their start."""
    first = alone[0]
    seeds = [one for one in alone if not starts_from_weights(one) and one.names == first.names]
    if len(seeds) > 1:
        numbers = ", ".join([*(str(one.seed) for one in seeds[:4]), *["…"][: len(seeds) > 4]])
        return (
            f"the runs of {first.method} began at random weights, each seed at its own "
            f"({numbers}), and the mean of networks that began apart is no network: a soup needs "
            "runs from the same weights (--pretrained or --weights FILE), or several settings of "
            "one method at one seed"
        )
    return (
        f"{first.title} is the only run of its kind here, and a soup needs two or more of one "
        "algorithm, network and start: add seeds of a pretrained network, or other settings"
    )


def weights_of(one: Ingredient) -> State:
    """Return the weights of a run's chosen model.

    Raises:
        UsageError: they are not there, or are damaged.
    """
    path = RunFolder(one.folder).best
    try:
        return load_best(path).model
    except FileNotFoundError as error:
        raise UsageError(
            f"{one.title} has no {path}, as `ltbench clean --checkpoints` removes it: remove the "
            "run and train it again, or leave it out"
        ) from error
    except DamagedCheckpoint as error:
        raise UsageError(f"{one.title}: {error}; leave the run out, or train it again") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def make_soup(group: Group, recipe: Recipe) -> Made:
    """Average the weights of runs, test the network, and write it as a run of its own.

    Nothing is written where the same was made of the same runs before.

    Args:
        group: the runs, which share their start.
        recipe: how.

    Raises:
        UsageError: a run has no weights, they do not fit one another, there is no validation score
            for a greedy soup, or the folder cannot be written.
        DataError: the images are not here, or are others than the runs had.
        PluginError: a plugin is here in another version than the runs were made with.
    """
    if recipe.rule == GREEDY and any(one.score is None for one in group.ingredients):
        raise UsageError(
            f"{group.title}: the model is the one of the last step, so no validation score tells "
            "which runs a greedy soup takes: use --uniform"
        )
    first = group.ingredients[0]
    group = group.with_digests(_digests(first))
    settings = {"batch_norm": "reestimate" if recipe.reestimate else "average"}
    identity = combined_identity(group.ingredients, SOUP, recipe.rule, settings)
    hash_ = canonical_hash(identity)
    folder = combined_folder(group.root, identity, hash_)
    spec = _spec_of(first)
    metric = spec.protocol.selection_metric
    check_result(folder)
    if RunFolder(folder).done:
        method = _method_there(folder) or combined_method(group.ingredients, f"{recipe.rule} soup")
        return Made(folder, method, group, metric, new=False)
    with appearing(folder) as draft:
        files = RunFolder(draft)
        files.best.parent.mkdir()
        method, result = _tested(group, spec, recipe, files)
        result |= {"hash": hash_, "label": method}
        write_json(files.spec, combined_spec(group.ingredients, identity, hash_, method))
        write_json(files.result, result)
    return Made(folder, method, group, metric, new=True)


def _digests(first: Ingredient) -> Any:
    """Return what gives the digest of a run's weights, and refuses those of another network."""
    known = weights_of(first)

    def digest(one: Ingredient) -> str:
        state = weights_of(one)
        if difference := difference_of(known, state):
            raise UsageError(
                f"{first.title} and {one.title} are of different networks, so their weights have "
                f"no mean: {difference}"
            )
        return state_sha256(state)

    return digest


def _spec_of(one: Ingredient) -> RunSpec:
    try:
        return RunSpec.from_dict(dict(one.spec))
    except LtbenchError as problem:
        raise UsageError(f"{one.folder}/spec.json: {problem}") from problem
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise UsageError(f"{one.folder}/spec.json does not hold a run's specification") from problem


def _method_there(folder: Path) -> str:
    from ltbench.results.untrusted import UnreadableRun, clean, read_json

    try:
        return clean(str((read_json(folder / "spec.json") or {}).get("method", "")))
    except UnreadableRun:
        return ""


def _tested(
    group: Group, spec: RunSpec, recipe: Recipe, files: RunFolder
) -> tuple[str, dict[str, Any]]:
    """Cook the soup, and return its method and the content of ``result.json``."""
    began = time.monotonic()
    name = Name(spec.dataset.name, spec.dataset_options)
    dataset, split = open_dataset(name, recipe.data_dir)
    content = content_sha256(dataset, split) if spec.images else ""
    if (split.sha256, content) != (spec.split, spec.images):
        raise UsageError(
            f"the images of {spec.dataset.name} are no longer those that the runs were made with"
        )
    open_store(dataset, split)
    job = Job(spec, files.path, recipe.data_dir, recipe.device, threads=cores())
    job = replace(job, store=store_folder(dataset, split), weights=frozen_weights(spec))
    device = torch.device(recipe.device)
    reset_peak_memory(device)
    with repeatable(device, job.threads, spec.protocol.deterministic):
        context = open_context(job, files, lambda _: None, lambda: False)
        soup = SoupModel(context)
        trials = _choose(soup, group, recipe)
        kept = [trial.member for trial in trials if trial.kept]
        soup.load([weights_of(group.ingredients[i]) for i in kept], reestimate=recipe.reestimate)
        val = soup.validate()
        metric = spec.protocol.selection_metric
        value = val.get(metric)
        save_checkpoint(files.best, Best(0, value or 0.0, val, soup.state()), sync=None)
        tested = evaluate_on_test(soup.model, context)
        facts = environment(
            device,
            job.threads,
            own_code(spec),
            spec.plugins,
            deterministic=spec.protocol.deterministic,
        )
        sizes = {
            "parameters": parameter_count(soup.model),
            "trainable_parameters": trainable_count(soup.model),
            "macs": multiply_adds(soup.model),
        }
    seconds = round(time.monotonic() - began, 3)
    settled = "reestimate" if recipe.reestimate else "average"
    some = f"{len(kept)} of " if recipe.rule == GREEDY else ""
    words = f"{recipe.rule} soup of {some}{len(group.ingredients)}"
    result = {
        "format": 1,
        "hash": "",
        "seed": 0,
        "label": "",
        **({"split": spec.data["split"]} if "split" in spec.data else {}),
        **tested,
        **trained_members(group.ingredients),
        "metrics": declared_measures(tested["test"]),
        "val": val,
        **({} if value is None else {"selection": {"metric": metric, "value": value}}),
        "combined": {
            "networks": 1,
            **({"batch_norm": f"{settled}d"} if soup.estimates else {}),
            "train_s": round(sum(one.train_seconds for one in group.ingredients), 3),
            "members": _members(group, trials),
        },
        "timings": {"total_s": seconds},
        "evaluation_batch": context.evaluator.batch,
        "environment": facts,
        **sizes,
        "peak_memory_mb": peak_memory_mb(device),
    }
    return combined_method(group.ingredients, words), result


def _choose(soup: SoupModel, group: Group, recipe: Recipe) -> list[Trial]:
    """Return which runs are in the soup."""
    members = range(len(group.ingredients))
    if recipe.rule == UNIFORM:
        return [Trial(member, float("nan"), True) for member in members]
    metric = soup.protocol.selection_metric

    def score(some: Sequence[int]) -> float:
        soup.load([weights_of(group.ingredients[i]) for i in some], reestimate=recipe.reestimate)
        value = soup.validate().get(metric)
        return float("nan") if value is None else value

    return greedy(len(members), score)


def _members(group: Group, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return the members as ``result.json`` names them, with what each did to the soup."""
    found = []
    for member, trial in zip(described(group.ingredients), trials, strict=True):
        scored: Mapping[str, Any] = {} if trial.value != trial.value else {"soup": trial.value}
        found.append({**member, **scored, "kept": trial.kept})
    return found
