"""Builds data sets by name. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ltbench.data.unseen_domains import UnseenDomains, check_several, read_scheme
from ltbench.errors import DataError, UsageError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.hparams import HParams
from ltbench.plugins.names import Name, check_count, expand, parse_name, split_list
from ltbench.plugins.resolve import registered, resolve
from ltbench.plugins.split import Split
from ltbench.plugins.unseen_options import (
    EACH,
    KEYWORDS,
    LEAVE_ONE_OUT,
    UNSEEN,
    VALIDATION,
    UnseenOptions,
    has_unseen,
    own_parameters,
)

Known = dict[str, Dataset]
"""Data sets that were built, by name: settings of one share what was read of it."""


def create_dataset(name: Name, data_dir: Path, known: Known | None = None) -> Dataset:
    """Build a data set by name, whether its files are there or not.

    Args:
        name: with its options.
        data_dir: the folder of the data sets' files.
        known: those of the same folder that were built before; what is built joins them.

    Raises:
        UsageError: it does not exist, its parameters are not possible, or the name stands for
            several settings (:func:`dataset_names`).
        DataError: domains are to be unseen, and files that tell which there are are missing.
    """
    name = registered(name, "datasets")
    dataset, hparams = _whole(name, data_dir, known)
    return UnseenDomains(dataset, hparams) if has_unseen(hparams) else dataset


def _whole(name: Name, data_dir: Path, known: Known | None) -> tuple[Dataset, HParams]:
    """Return a data set with all its domains, and its parameters with those of unseen ones."""
    cls, hparams = resolve("datasets", name.name, name.options)
    own = own_parameters(cls.HParams, hparams)
    known, key = {} if known is None else known, str(Name(name.name, vars(own)))
    if key not in known:
        known[key] = cls(name.name, own, data_dir)
    return known[key], hparams


def open_dataset(name: Name, data_dir: Path, known: Known | None = None) -> tuple[Dataset, Split]:
    """Build a data set and read its split; see :func:`create_dataset`.

    Raises:
        UsageError: it does not exist, or its parameters are not possible.
        DataError: its files are missing or broken, or nothing trains or tests.
    """
    dataset = create_dataset(name, data_dir, known)
    if cause := dataset.missing():
        raise DataError(cause)
    split = dataset.split()
    for part in ("train", "test"):
        if not len(split.rows(part)):
            raise DataError(f"data set '{name}' has no {part} images: a run needs train and test")
    return dataset, split


def dataset_names(text: str, data_dir: Path, known: Known | None = None) -> list[Name]:
    """Return the data sets that a comma list stands for, each in one setting.

    Lists among the options are written out, as are ``unseen=each``, a setting for each domain, and
    ``validation=leave-one-domain-out``, a setting for each domain that trains. A list of unseen
    domains is one setting in which all of them are; a list of such lists is several.

    Args:
        text: as typed.
        data_dir: the folder of the data sets' files.
        known: as for :func:`create_dataset`.

    Raises:
        UsageError: the text does not follow the grammar, or a data set, parameter or domain does
            not exist.
        DataError: domains have to be told apart, and the files that tell them are missing.
    """
    names = [_kept_together(parse_name(part)) for part in split_list(text)]
    written = [one for name in names for one in expand(name)]
    check_count(len(written), text)
    found = [one for name in written for one in _settings(name, data_dir, known)]
    check_count(len(found), text)
    return found


def _kept_together(name: Name) -> Name:
    """Return a name whose list of unseen domains no expansion takes apart."""
    unseen = name.options.get(UNSEEN)
    if not isinstance(unseen, list) or not unseen or any(isinstance(one, list) for one in unseen):
        return name
    cls, _ = resolve("datasets", registered(name, "datasets").name, {})
    if UNSEEN in cls.HParams.bounds():
        return name
    return replace(name, options=name.options | {UNSEEN: [unseen]})


def _settings(name: Name, data_dir: Path, known: Known | None) -> Iterable[Name]:
    """Yield a name for each setting that ``each`` and ``leave-one-domain-out`` stand for."""
    name = registered(name, "datasets")
    if name.options.get(UNSEEN) != EACH and name.options.get(VALIDATION) != LEAVE_ONE_OUT:
        yield name
        return
    dataset, hparams = _whole(name, data_dir, known)
    if not isinstance(hparams, UnseenOptions):
        yield name
        return
    try:
        domains = dataset.facts.domains
    except DataError as error:
        raise DataError(dataset.missing() or str(error)) from error
    for unseen in _each(name, hparams, domains):
        for validation in _validations(name, replace(hparams, unseen=unseen), domains):
            yield replace(name, options=name.options | {UNSEEN: unseen} | validation)


def _each(name: Name, hparams: Any, domains: Sequence[str]) -> Iterable[Any]:
    if hparams.unseen != EACH:
        return [hparams.unseen]
    check_several(str(name), domains)
    return [[domain] if domain in KEYWORDS else domain for domain in domains]


def _validations(name: Name, hparams: Any, domains: Sequence[str]) -> Iterable[dict[str, Any]]:
    if hparams.validation != LEAVE_ONE_OUT:
        return [{}]
    scheme = read_scheme(name.name, replace(hparams, validation="seen"), domains)
    if len(scheme.training) < 2:
        raise UsageError(
            f"{name}: '{scheme.training[0]}' is the only domain that is not unseen, and with "
            f"validation={LEAVE_ONE_OUT} one of two or more validates while the others train"
        )
    return [{VALIDATION: domain} for domain in scheme.training]
