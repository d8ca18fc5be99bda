"""Whether what was asked for exists, found out before torch is imported, which takes seconds.

Only what can be told from names and files is looked at here; all of it, and the rest, is checked
again where the runs are planned (:mod:`ltbench.session.plan`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

from ltbench.data.catalogue import Known, create_dataset, dataset_names
from ltbench.data.locations import data_folder
from ltbench.errors import DataError, PluginError, UsageError
from ltbench.models.catalogue import known_backbone
from ltbench.models.configuration import hub_config
from ltbench.models.hub import is_hub_name, parse_hub_name
from ltbench.plugins.augmentation_names import KINDS, NONE, augmentation_chain, joined
from ltbench.plugins.backbone_options import parse_backbones
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_chains, parse_name, parse_names
from ltbench.plugins.resolve import check_modifiers_of, registered
from ltbench.regular_files import open_file
from ltbench.session.preprocessing import asked_preprocessing
from ltbench.session.protocols import asked_protocols, protocol_of
from ltbench.session.sweep_file import SweepFile

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def check_asked(
    algos: Sequence[str],
    datasets: Sequence[str],
    *,
    data_dir: Path | None = None,
    protocol: str | None = None,
    backbone: str | None = None,
    weights: Path | None = None,
    preprocessing: str | None = None,
    augmentation: str | None = None,
) -> None:
    """Check the names of what is to be trained, and that the images are there.

    Args:
        algos: comma lists of ``algorithm[@modifier…][+stage…]`` names.
        datasets: comma lists of data set names.
        data_dir: the folder of the data sets' files; by default ``LTBENCH_DATA`` or the user's.
        protocol: protocols, as :func:`ltbench.session.protocols.asked_protocols` reads them.
        backbone: backbones, as :func:`ltbench.plugins.backbone_options.parse_backbones` reads them.
        weights: a local checkpoint.
        preprocessing: as :func:`ltbench.session.preprocessing.asked_preprocessing` reads it.
        augmentation: augmentations, joined by ``>``.

    Raises:
        UsageError: a name, file or parameter of a data set is not possible.
        DataError: a data set is missing.
    """
    for chain in _chains(algos):
        _check_chain(chain)
    folder, known = data_folder(data_dir), Known()
    for name in (name for text in datasets for name in dataset_names(text, folder, known)):
        dataset = create_dataset(name, folder, known)
        if cause := dataset.missing():
            raise DataError(cause)
        if protocol is not None:
            _check_protocol(dataset, protocol)
    if augmentation is not None:
        _check_augmentation(augmentation)
    for one in parse_backbones(backbone) if backbone is not None else ():
        if is_hub_name(network := known_backbone(str(one)).name):
            hub_config(parse_hub_name(network))  # what cannot be fetched is said at once
    asked_preprocessing(preprocessing)
    if weights is not None:
        try:
            open_file(weights).close()
        except OSError as error:
            raise UsageError(f"--weights {weights} cannot be read: {error.strerror}") from error


def check_place(executor: str, device: str, observers: Sequence[str]) -> None:
    """Check the names of where runs are carried out and of who is told.

    Args:
        executor: ``name[key=value,…]`` of an executor.
        device: what runs compute on; only the local executor's are known here.
        observers: comma lists of ``name[key=value,…]``.

    Raises:
        UsageError: there is no such executor, device or observer.
    """
    plugins = get_plugins()
    for name in (name for text in observers for name in parse_names(text)):
        plugins["observers"].get(name.name)
    place = plugins["executors"].get(parse_name(executor).name).name
    if place == "local" and not _DEVICE.fullmatch(device):
        raise UsageError(f"--device {device} is not a device: use auto, cpu, cuda or cuda:0")


def check_tables(algos: Sequence[str], file: SweepFile, *, own: bool) -> None:
    """Check that the tables of a sweep file are about algorithms that are to be run.

    Args:
        algos: comma lists of ``algorithm[+stage…]`` names.
        file: the sweep file.
        own: whether the algorithms stand in the file as well.

    Raises:
        UsageError: one is about another.
    """
    parts = [registered(name, "algorithms", "stages") for c in _chains(algos) for name in c]
    names = {name.name for part in parts for name in (part, *part.modifiers)}
    file.tables_of(names, own=own)


def _chains(algos: Sequence[str]) -> list[list[Name]]:
    return [chain for text in algos for chain in parse_chains(text)]


def _check_chain(chain: Sequence[Name]) -> None:
    plugins = get_plugins()
    first, *stages = (name.name for name in chain)
    # A plugin that two registered costs only its own runs; the plan says so.
    with contextlib.suppress(PluginError):
        if first in plugins["algorithms"] or first not in plugins["stages"]:
            plugins["algorithms"].get(first)
        for stage in stages:
            plugins["stages"].get(stage)
    for name in chain:
        with contextlib.suppress(PluginError):
            check_modifiers_of(name)


def _check_protocol(dataset: Dataset, protocol: str) -> None:
    try:
        facts = registry_facts(dataset.name)  # not dataset.facts, which may list a folder's images
    except DataError:
        facts = dataset.facts
    for asked in asked_protocols(protocol):
        _check_augmentation(joined(protocol_of(facts, asked).get("augmentation", NONE)))


def _check_augmentation(text: str) -> None:
    for name in augmentation_chain(text):
        get_plugins()[KINDS].get(name.name)
