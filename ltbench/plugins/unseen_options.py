"""The options that every data set has beside its own: which domains are kept for the test.

They are hyper-parameters like a data set's own, and at their defaults no part of a run's identity.
Which domains there are only the data set knows: :mod:`ltbench.data.unseen_domains` checks names.
"""

from __future__ import annotations

from functools import cache

from ltbench.plugins.hparams import HParams, hparam

NONE, EACH = "none", "each"
SEEN, ORACLE, LEAVE_ONE_OUT = "seen", "oracle", "leave-one-domain-out"
ALL, HELD_OUT = "all", "heldout"
UNSEEN, VALIDATION, TESTED = OPTIONS = ("unseen", "validation", "unseen_test")
KEYWORDS = (NONE, EACH)
"""What is not the name of a domain unless it stands in a list."""


class UnseenOptions(HParams):
    """Which domains are unseen in training, what validates then, and what tests."""

    unseen: str | tuple[str, ...] = hparam(
        NONE,
        later=True,
        help="domain that only tests; [one,another] for both at once, each for one after the other",
    )
    validation: str = hparam(
        SEEN,
        later=True,
        help="with unseen: seen, oracle, a training domain, or leave-one-domain-out for each",
    )
    unseen_test: str = hparam(
        ALL,
        choices=(ALL, HELD_OUT),
        later=True,
        help="with unseen: test on all its images, or without the 20 % that DomainBed holds out",
    )


@cache
def with_unseen(own: type[HParams]) -> type[HParams]:
    """Return the parameters of a data set with these three after them.

    A data set that has a parameter of such a name itself keeps it, and has none of the three.
    """
    if own.bounds().keys() & set(OPTIONS):
        return own
    return type(own.__name__, (UnseenOptions, own), {"__doc__": own.__doc__})


def has_unseen(hparams: HParams) -> bool:
    """Return whether parameters name unseen domains, or set what goes with them."""
    return isinstance(hparams, UnseenOptions) and any(
        getattr(hparams, key) != bounds
        for key, bounds in ((UNSEEN, NONE), (VALIDATION, SEEN), (TESTED, ALL))
    )


def own_parameters(own: type[HParams], hparams: HParams) -> HParams:
    """Return a data set's own parameters, without the three."""
    return own(**{key: getattr(hparams, key) for key in own.bounds()})
