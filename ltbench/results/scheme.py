"""On which domains a run is tested, and on which images its model was chosen: two things apart.

A data set's options say both: ``unseen`` which domains took no part in training, ``validation``
whose images chose the model, ``unseen_test`` whether all images of the unseen domains are the test.
At their defaults they leave no trace, so that runs without them are of seen domains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ltbench.results.run import canonical_hash
from ltbench.results.untrusted import clean

EACH = "each"
LEAVE_ONE_OUT = "leave-one-domain-out"
SEEN, ORACLE = "seen", "oracle"
OPTIONS = ("unseen", "validation", "unseen_test")

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Scheme:
    """How runs are evaluated, and how their models were chosen.

    Attributes:
        unseen: the domains that took no part in training; none where all did.
        validation: ``seen`` (images of the training domains), ``oracle`` (of the unseen domain), a
            training domain that is left out for it, or ``leave-one-domain-out``.
        heldout: whether the test is a part of the unseen domains' images.
        domains: how many the data set has; 0 where that is not known.
        each: whether every domain is left out in turn.
    """

    unseen: tuple[str, ...] = ()
    validation: str = SEEN
    heldout: bool = False
    domains: int = 0
    each: bool = False

    @property
    def kind(self) -> tuple[str, str, bool]:
        """What runs of different data sets must share to be compared."""
        tested = EACH if self.each else "unseen" if self.unseen else SEEN
        own = self.validation in (SEEN, ORACLE, LEAVE_ONE_OUT)
        return tested, self.validation if own else "domain", self.heldout

    @property
    def usual(self) -> bool:
        """Whether runs are tested on the domains that they were trained and validated on."""
        return self.kind == (SEEN, SEEN, False)

    @property
    def evaluation(self) -> str:
        """The domains of the test in words; nothing where there is one domain alone."""
        part = ""
        if self.heldout:
            part = (
                f", on the 80 % of {'their' if len(self.unseen) > 1 else 'its'} images not held out"
            )
        if self.each:
            return f"mean over unseen domains{part.replace('its', 'their')}"
        if self.unseen:
            return f"unseen domain{'s' * (len(self.unseen) > 1)} {_listed(self.unseen)}{part}"
        return "seen domains" if self.domains > 1 or self.validation != SEEN else ""

    def selection(self, score: str = "") -> str:
        """Return on which images the model was chosen, and by which score where that is known."""
        by = f" by {score}" if score else ""
        left_out = bool(self.unseen) or self.each
        if self.validation == SEEN:
            whose = " images of the training domains" if left_out else ""
            return f"chosen on validation{whose}{by}" if by or whose else ""
        if self.validation == ORACLE:
            several = len(self.unseen) > 1 and not self.each
            them = "domains themselves" if several else "domain itself"
            return f"chosen on the unseen {them} (oracle){by}"
        if self.validation == LEAVE_ONE_OUT:
            return (
                f"chosen {LEAVE_ONE_OUT} (on each other domain in turn, left out of training){by}"
            )
        return f"chosen on {self.validation} (left out of training){by}"


def scheme_of(options: Options, domains: int = 0) -> Scheme:
    """Return the scheme that a data set's options tell, from whatever file they come.

    Args:
        options: of the data set.
        domains: how many it has; 0 where that is not known.
    """
    validation = options.get("validation")
    return Scheme(
        unseen_domains(options),
        clean(validation) if isinstance(validation, str) and validation else SEEN,
        options.get("unseen_test") == "heldout",
        domains,
    )


def unseen_domains(options: Options) -> tuple[str, ...]:
    """Return the domains that a data set's options leave out of training."""
    unseen = options.get("unseen")
    names = unseen if isinstance(unseen, list | tuple) else [unseen]
    return tuple(
        clean(name) for name in names if isinstance(name, str) and name not in ("", "none")
    )


def one_unseen(options: Options) -> bool:
    """Return whether exactly one domain is left out, so that runs may join those of others."""
    return len(unseen_domains(options)) == 1


def each_options(options: Options) -> dict[str, Any]:
    """Return the options of all settings of which this is one: ``unseen`` is each domain."""
    validation = scheme_of(options).validation
    chosen = {} if validation in (SEEN, ORACLE) else {"validation": LEAVE_ONE_OUT}
    return {**options, "unseen": EACH, **chosen}


def each_hash(run: Mapping[str, Any] | Any, protocol: Mapping[str, Any]) -> str:
    """Return twelve digits that runs share which differ in the domain that is left out alone.

    Args:
        run: the fields of a :class:`~ltbench.results.run.RunRecord`, by name.
        protocol: its settings, as they were before tuning.
    """
    names = ("dataset", "backbone", "pretrained", "weights", "preprocessing", "precision")
    shared = {name: str(run[name]) if name != "preprocessing" else run[name] for name in names}
    shared |= {"options": each_options(run["options"]), "protocol": dict(protocol)}
    return canonical_hash(json.dumps(shared, sort_keys=True, default=str))


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
