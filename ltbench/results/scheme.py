"""On which domains a run is tested, and on which images its model was chosen: two things apart.

A data set's options say both (:mod:`ltbench.plugins.unseen_options`). At their defaults they leave
no trace, so that runs without them are of seen domains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ltbench.plugins.unseen_options import (
    EACH,
    HELD_OUT,
    LEAVE_ONE_OUT,
    NONE,
    ORACLE,
    SEEN,
    TESTED,
    UNSEEN,
    VALIDATION,
)
from ltbench.results.run import canonical_hash
from ltbench.results.untrusted import clean

Options = Mapping[str, Any]


@dataclass(frozen=True)
class EvaluationScheme:
    """How runs are evaluated, and how their models were chosen.

    Attributes:
        unseen: the domains that took no part in training; none where all did.
        validation: ``seen`` (images of the training domains), ``oracle`` (of the unseen domain), a
            training domain that is left out for it, or ``leave-one-domain-out``.
        heldout: whether the test is a part of the unseen domains' images.
        domains: how many the data set has; 0 where that is not known.
        each: whether every domain is left out in turn.
        untrained: domains of the test that the data set's own split keeps from training, where
            none is asked to be.
    """

    unseen: tuple[str, ...] = ()
    validation: str = SEEN
    heldout: bool = False
    domains: int = 0
    each: bool = False
    untrained: tuple[str, ...] = ()

    @property
    def kind(self) -> tuple[str, str, bool]:
        """What tables of different data sets must share to be compared."""
        tested = EACH if self.each else UNSEEN if self.unseen else SEEN
        if self.untrained and tested == SEEN:
            tested = f"{SEEN} and {UNSEEN}"
        own = self.validation in (SEEN, ORACLE, LEAVE_ONE_OUT)
        return tested, self.validation if own else VALIDATION, self.heldout

    @property
    def evaluation(self) -> str:
        """The domains of the test in words; nothing where there is one domain alone."""
        if not self.unseen and not self.each and self.untrained:
            few = ", ".join(self.untrained) if len(self.untrained) < 3 else len(self.untrained)
            return f"seen domains and unseen {few}"
        if not self.unseen and not self.each:
            return "seen domains" if self.domains > 1 else ""
        several = self.each or len(self.unseen) > 1
        part = f" ({'their' if several else 'its'} 80 % not held out)" if self.heldout else ""
        if self.each:
            return f"mean over unseen domains{part}"
        names = ", ".join(self.unseen[:-1])
        names = f"{names} and {self.unseen[-1]}" if names else self.unseen[-1]
        return f"unseen domain{'s' * several} {names}{part}"

    def selection(self, score: str = "") -> str:
        """Return on which images the model was chosen, and by which score where that is known."""
        by = f" by {score}" if score else ""
        if not self.unseen and not self.each:
            return f"chosen on validation{by}" if by else ""
        if self.validation == SEEN:
            return f"chosen on validation images of the training domains{by}"
        if self.validation == ORACLE:
            several = len(self.unseen) > 1 and not self.each
            them = "domains themselves" if several else "domain itself"
            return f"chosen on the unseen {them} (oracle){by}"
        if self.validation == LEAVE_ONE_OUT:
            return f"chosen {LEAVE_ONE_OUT} (a training domain in turn, left out of training){by}"
        return f"chosen on {self.validation} (left out of training){by}"


def scheme_of(
    options: Options, domains: Sequence[str] = (), untrained: Sequence[str] = ()
) -> EvaluationScheme:
    """Return the scheme that a data set's options tell, from whatever file they come.

    Args:
        options: of the data set. One of a plugin's own may have such a name, and other values.
        domains: the names of its domains; none where they are not known.
        untrained: those of them that test and have no training image.
    """
    unseen = unseen_domains(options)
    if not unseen or (domains and not {*unseen} <= {*map(clean, domains)}):
        own = tuple(map(clean, untrained))
        return EvaluationScheme(domains=len(domains), untrained=own)
    validation = options.get(VALIDATION)
    chosen = clean(validation) if isinstance(validation, str) and validation else SEEN
    heldout = options.get(TESTED) == HELD_OUT or chosen == ORACLE
    return EvaluationScheme(unseen, chosen, heldout, len(domains))


def untrained_domains(domains: Sequence[str], counts: Mapping[str, Any]) -> list[str]:
    """Return the domains that test and have no training image.

    Args:
        domains: their names.
        counts: images of each domain and class by part, of the facts of a run's data.
    """
    try:
        columns = zip(domains, counts["train"], counts["test"], strict=True)
        return [name for name, train, test in columns if not sum(train) and sum(test)]
    except (KeyError, TypeError, ValueError):  # of a file that says something else
        return []


def unseen_domains(options: Options) -> tuple[str, ...]:
    """Return the domains that a data set's options leave out of training."""
    unseen = options.get(UNSEEN, NONE)
    if isinstance(unseen, str):
        return () if unseen in ("", NONE) else (clean(unseen),)
    names = unseen if isinstance(unseen, list | tuple) else ()
    return tuple(clean(name) for name in names if isinstance(name, str))


def one_unseen(options: Options) -> bool:
    """Return whether one domain is left out, so that runs may be joined with those of others."""
    return len(unseen_domains(options)) == 1


def each_options(options: Options) -> dict[str, Any]:
    """Return the options of all settings of which this is one: ``unseen`` is each domain."""
    apart = scheme_of(options).validation not in (SEEN, ORACLE)
    return {**options, UNSEEN: EACH, **({VALIDATION: LEAVE_ONE_OUT} if apart else {})}


def each_hash(run: Mapping[str, Any], protocol: Options) -> str:
    """Return twelve digits that runs share which differ in the domain that is left out alone.

    Args:
        run: the fields of a :class:`~ltbench.results.run.RunRecord`, by name.
        protocol: its settings, as they were before tuning.
    """
    names = ("dataset", "backbone", "pretrained", "weights", "precision")
    shared: dict[str, Any] = {name: str(run[name]) for name in names}
    shared |= {"preprocessing": dict(run["preprocessing"]), "options": each_options(run["options"])}
    shared["protocol"] = dict(protocol)
    return canonical_hash(json.dumps(shared, sort_keys=True, default=str))
