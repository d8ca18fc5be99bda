"""A data set with domains that training never sees: ``pacs-mlt[unseen=photo]``.

It wraps whatever a data set plugin returns, so that no plugin has to know of it. The images are the
same rows in the same order, and are decoded once for all settings of a data set; what changes is
which part each is in, and the numbers of the domains: those that train come first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.data.splits import pair_generator, quota_parts
from ltbench.errors import DataError, UsageError, suggestion
from ltbench.plugins.dataset import Dataset, Decode
from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import HParams
from ltbench.plugins.names import format_value, parse_value, read_number
from ltbench.plugins.spelling import spelled
from ltbench.plugins.split import PARTS, UNUSED, Split, SplitOrigin
from ltbench.plugins.text import visible
from ltbench.plugins.unseen_options import (
    ALL,
    EACH,
    HELD_OUT,
    KEYWORDS,
    LEAVE_ONE_OUT,
    NONE,
    ORACLE,
    SEEN,
)

TRAIN, VAL, TEST = range(len(PARTS))
_WHOLE = "_whole_split"
_HELD_OUT = 5  # one image in five is held out, as DomainBed's holdout_fraction is 0.2


@dataclass(frozen=True)
class Scheme:
    """Which domain is used for what.

    Attributes:
        training: domains that train, in the order of the data set, one at least.
        validating: the training domain that validates in place of training, or none.
        unseen: domains that test.
        oracle: whether a fifth of the unseen domains' images validate.
        hold_out: whether that fifth is not tested on.
    """

    training: tuple[str, ...]
    validating: tuple[str, ...]
    unseen: tuple[str, ...]
    oracle: bool
    hold_out: bool

    @property
    def domains(self) -> tuple[str, ...]:
        """All domains in the order of their numbers in this setting."""
        return self.training + self.validating + self.unseen

    def options(self) -> dict[str, Any]:
        """Return the three options, each setting spelled in one way."""
        one = len(self.unseen) == 1 and self.unseen[0] not in KEYWORDS
        seen = ORACLE if self.oracle else SEEN
        return {
            "unseen": self.unseen[0] if one else self.unseen,
            "validation": self.validating[0] if self.validating else seen,
            "unseen_test": HELD_OUT if self.hold_out and not self.oracle else ALL,
        }


def read_scheme(owner: str, hparams: Any, domains: Sequence[str]) -> Scheme:
    """Return what the three options mean for a data set of these domains.

    Args:
        owner: the data set's name, for messages.
        hparams: the options, as typed.
        domains: names of all its domains.

    Raises:
        UsageError: a domain does not exist, or none is left to train on.
    """
    where = f"{owner}[unseen={visible(format_value(hparams.unseen))}]"
    if hparams.unseen == NONE:
        lone = "validation" if hparams.validation != SEEN else "unseen_test"
        raise UsageError(
            f"{owner}: '{lone}={getattr(hparams, lone)}' is about an unseen domain: say "
            f"which, with unseen=DOMAIN or unseen={EACH} beside it"
        )
    check_several(where, domains)
    if hparams.unseen == EACH:
        raise UsageError(f"{where} stands for {len(domains)} settings, and one is asked for here")
    asked = (hparams.unseen,) if isinstance(hparams.unseen, str) else hparams.unseen
    found = {_domain(name, domains, where) for name in asked}
    unseen = tuple(name for name in domains if name in found)
    training = tuple(name for name in domains if name not in found)
    if not training:
        raise UsageError(
            f"{where} leaves no domain to train on: {owner} has these {len(domains)} alone"
        )
    oracle = hparams.validation == ORACLE
    validating: tuple[str, ...] = ()
    if hparams.validation not in (SEEN, ORACLE):
        validating = (_validating(hparams.validation, training, unseen, owner),)
        training = tuple(name for name in training if name not in validating)
    hold_out = oracle or hparams.unseen_test == HELD_OUT
    return Scheme(training, validating, unseen, oracle, hold_out)


def check_several(where: str, domains: Sequence[str]) -> None:
    """Check that there is a domain to train on beside one that is unseen.

    Raises:
        UsageError: there is one domain, or none.
    """
    if len(domains) < 2:
        name = f", '{domains[0]}'" if domains else ""
        raise UsageError(
            f"{where}: the data set has one domain{name}, and without it there is none to train on"
        )


def _spelled(name: str, domains: Sequence[str]) -> str:
    """Return the domain that is meant: 038, say, which was once read as the number 38."""
    if name in domains:
        return name
    alike = [domain for domain in domains if _as_once_read(domain) == name]
    return alike[0] if len(alike) == 1 else spelled(name, domains)


def _as_once_read(domain: str) -> str:
    """Return what was once read of a domain's name that is typed without quotes."""
    try:
        value = parse_value(domain)
    except UsageError:  # it has brackets or quotes of its own
        return domain
    number = read_number(value) if isinstance(value, str) else None
    return format_value(value if number is None else number)


def _domain(name: str, domains: Sequence[str], where: str) -> str:
    known = _spelled(name, domains)
    if known not in domains:
        near = suggestion(name, domains)
        raise UsageError(f"{where}: there is no domain '{visible(name)}'{near}")
    return known


def _validating(name: str, training: Sequence[str], unseen: Sequence[str], owner: str) -> str:
    where = f"{owner}[validation={visible(format_value(name))}]"
    known = _spelled(name, (*training, *unseen))
    if known in unseen:
        raise UsageError(
            f"{where}: '{known}' is unseen; name a training domain, of {', '.join(training)}, or "
            f"'{ORACLE}', which validates on a fifth of the unseen domain"
        )
    if name == LEAVE_ONE_OUT:
        raise UsageError(f"{where} stands for {len(training)} settings, and one is asked for here")
    if known not in training:
        choices = (SEEN, ORACLE, LEAVE_ONE_OUT, *training)
        raise UsageError(f"{where} is not possible{suggestion(name, choices)}")
    if len(training) < 2:
        raise UsageError(
            f"{where} leaves no domain to train on: '{known}' is the only one that is not unseen"
        )
    return known


class UnseenDomains(Dataset):
    """A data set some of whose domains training never sees.

    Args:
        whole: the data set with all domains.
        hparams: its parameters and the three options.

    Raises:
        UsageError: the options do not fit its domains.
        DataError: its domains cannot be known, for its files are missing.
    """

    def __init__(self, whole: Dataset, hparams: HParams) -> None:
        try:
            self._domains = whole.facts.domains
        except DataError as error:
            raise DataError(whole.missing() or str(error)) from error
        self.whole = whole
        self.scheme = read_scheme(whole.name, hparams, self._domains)
        options = {key: getattr(hparams, key) for key in hparams.bounds()}
        super().__init__(
            whole.name, type(hparams)(**options | self.scheme.options()), whole.data_dir
        )

    def __getattr__(self, name: str) -> Any:
        """Return what else the plugin has, ``root`` say."""
        if name == "whole":  # not made yet
            raise AttributeError(name)
        return getattr(self.whole, name)

    @property
    def facts(self) -> Facts:
        """The facts, with the domains that train first."""
        return replace(self.whole.facts, domains=self.scheme.domains, counts={})

    def missing(self) -> str | None:
        """Return what is missing of the whole data set."""
        return self.whole.missing()

    def prepare(self, report: Callable[[str], None]) -> None:
        """Fetch and arrange the whole data set."""
        self.whole.prepare(report)

    def whole_split(self) -> Split:
        """Return the split of the whole data set, the same images in the same order."""
        known: dict[str, Any] = vars(self.whole)  # other settings of it need it too
        if _WHOLE not in known:
            known[_WHOLE] = self.whole.split()
        split: Split = known[_WHOLE]
        return split

    def split(self) -> Split:
        """Return the split of this setting.

        Raises:
            DataError: files are missing, or nothing is left to train, validate or test on.
        """
        return self.arranged(self.whole_split())

    def arranged(self, whole: Split) -> Split:
        """Return the whole data set's split with the parts and domain numbers of this setting."""
        vars(self.whole)[_WHOLE] = whole
        scheme = self.scheme
        number = {name: d for d, name in enumerate(scheme.domains)}
        d = np.array([number[name] for name in self._domains], dtype=np.int64)[whole.d]
        trains = d < len(scheme.training)
        tests = d >= len(scheme.training) + len(scheme.validating)
        part = whole.part.copy()
        part[trains & (part == TEST)] = UNUSED
        if scheme.oracle or scheme.validating:
            part[trains & (part == VAL)] = UNUSED
        used = part != UNUSED
        part[~trains & ~tests & used] = VAL
        part[tests & used] = TEST
        if scheme.hold_out:
            part[self._held_out(whole, tests & used)] = VAL if scheme.oracle else UNUSED
        # Those that the data set itself keeps from training are its last, so the last in training.
        own = self._domains[len(self._domains) - whole.held_out :]
        trained = sum(name not in own for name in scheme.training)
        held_out = len(scheme.domains) - trained
        return replace(whole, d=d, part=part, held_out=held_out)

    def _held_out(self, whole: Split, candidates: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the fifth of the unseen domains' images that is held out, of each class alike.

        It is drawn by the data set's seed for every domain and class, of the sorted names.
        """
        own = getattr(self.whole.hparams, "data_seed", 0)
        seed = own if isinstance(own, int) else 0
        classes = self.whole.facts.classes
        held = []
        for d, c in np.unique(np.stack([whole.d, whole.y])[:, candidates], axis=1).T.tolist():
            rows = np.flatnonzero(candidates & (whole.d == d) & (whole.y == c))
            rows = rows[np.argsort(whole.images[rows], kind="stable")]
            count = (2 * len(rows) + _HELD_OUT) // (2 * _HELD_OUT)  # rounded to the nearest
            generator = pair_generator(seed, self.name, "unseen", self._domains[d], classes[c])
            held.append(rows[quota_parts(len(rows), count, 0, generator) == VAL])
        return np.concatenate(held) if held else np.array([], dtype=np.int64)

    def decoder(self, split: Split) -> Decode:
        """Return the decoder of the whole data set, whose images these are."""
        return self.whole.decoder(self.whole_split())

    def image_files(self, split: Split) -> Sequence[str]:
        """Return the files of the whole data set."""
        return self.whole.image_files(self.whole_split())

    def fingerprint(self, split: Split) -> str:
        """Return the fingerprint of the whole data set."""
        return self.whole.fingerprint(self.whole_split())

    def test_sets(self, split: Split) -> dict[str, NDArray[np.int64]]:
        """Return what of the data set's further test sets is tested here."""
        tested = split.rows("test")
        found = self.whole.test_sets(self.whole_split()).items()
        parts = {name: np.intersect1d(rows, tested) for name, rows in found}
        return {name: rows for name, rows in parts.items() if len(rows)}

    def remarks(self, split: Split) -> list[str]:
        """Return the remarks on the whole data set."""
        return self.whole.remarks(self.whole_split())

    def split_origin(self, split: Split) -> SplitOrigin | None:
        """Return where the split of the whole data set is from."""
        return self.whole.split_origin(self.whole_split())

    def verify(self, split: Split) -> list[str]:
        """Return how the whole data set differs from what is known of it."""
        return self.whole.verify(self.whole_split())


def stored(dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
    """Return the data set whose decoded images are stored, and its split.

    Settings that differ in their unseen domains share those of the whole data set.
    """
    if isinstance(dataset, UnseenDomains):
        return dataset.whole, dataset.whole_split()
    return dataset, split


def as_used(dataset: Dataset, whole: Split) -> Split:
    """Return the split that a data set makes of that which is stored with its images."""
    return dataset.arranged(whole) if isinstance(dataset, UnseenDomains) else whole
