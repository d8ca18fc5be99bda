"""The parts of a method, algorithm and stages, with the modifiers of their training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.honours import check_honoured
from ltbench.plugins.hparams import HParams
from ltbench.plugins.modifier import Modifier, gives_weights, steps_itself
from ltbench.plugins.names import AT, Name
from ltbench.plugins.resolve import MODIFIERS, check_modifiers_of
from ltbench.plugins.stage import Stage
from ltbench.plugins.views import chains_before_test
from ltbench.results.component import Component
from ltbench.results.method_settings import MethodSettings
from ltbench.results.run import RunSpec
from ltbench.session.augmentations import check_test_views, check_views
from ltbench.session.head_checks import check_head
from ltbench.session.methods import implied, resolved_method
from ltbench.session.protocol_checks import check_wishes, with_named

_ANY_STEPS = 1000  # of a stage before, to ask a stage whether it trains


def kinds_of(chain: Sequence[Name]) -> list[str]:
    """Return the registry of each part of a chain."""
    return ["algorithms", *("stages" for _ in chain[1:])]


def named_parts(chain: Sequence[Name]) -> Iterator[tuple[str, str, Name]]:
    """Yield all that a chain names: its registry, what its hyper-parameters are told by, itself.

    Those of the ``ema`` in ``erm@ema`` are told by ``erm@ema``.
    """
    for kind, name in zip(kinds_of(chain), chain, strict=True):
        yield kind, name.name, name
        for modifier in name.modifiers:
            yield MODIFIERS, f"{name.name}{AT}{modifier.name}", modifier


def components_in(parts: Sequence[Component]) -> list[Component]:
    """Return the components of a run in the order of :func:`named_parts`."""
    return [one for part in parts for one in (part, *part.modifiers)]


def resolved_parts(spec: RunSpec, chain: Sequence[Name]) -> tuple[list[Component], str]:
    """Return what a method is made of, and what it is called.

    Args:
        spec: of the run, in whose setting it is to be trained.
        chain: the algorithm and its stages, with the options that differ from their defaults, or
            from what the protocol sets in their place.

    Raises:
        UsageError: a name or an option is not possible, or parts do not go together or with the
            protocol.
    """
    components, titles, wished = [], [], []
    for kind, name in zip(kinds_of(chain), chain, strict=True):
        check_modifiers_of(name)
        cls, hparams = resolved_method(spec.methods, kind, name)
        modifiers = [resolved_method(spec.methods, MODIFIERS, one) for one in name.modifiers]
        check_modified(spec, name, cls, hparams, [plugin for plugin, _ in modifiers])
        check_validation(spec, name.name, cls, hparams)
        check_views(spec, name.name, cls, hparams)
        own = [hparams.as_dict() for _, hparams in modifiers]
        inner = tuple(Component(m.name, o) for m, o in zip(name.modifiers, own, strict=True))
        components.append(Component(name.name, hparams.as_dict(), inner))
        titles.append(title_of(spec.methods, kind, name, hparams, [h for _, h in modifiers]))
        wished.append((name.name, (cls, hparams)))
    check_learns_last(spec, wished)
    check_test_views(spec, chain[-1].name, *wished[-1][1])
    every = [part for name, (cls, own) in wished for part in with_named(name, cls, own)]
    check_wishes(spec.protocol, every, spec.precision)
    check_head(spec, wished, every)
    return components, "+".join(map(str, titles))


def check_modified(
    spec: RunSpec, name: Name, cls: Any, hparams: HParams, modifiers: Sequence[type[Modifier]]
) -> None:
    """Check that the modifiers of an algorithm or stage go together, and with it.

    Args:
        spec: of the run.
        name: of the algorithm or stage, with theirs.
        cls: its class.
        hparams: its hyper-parameters.
        modifiers: their classes.

    Raises:
        UsageError: they do not; the message says which and why.
    """
    if not modifiers:
        return
    first = name.modifiers[0].name
    if cls.steps(_ANY_STEPS, hparams) == 0:
        behind = f"type it behind what is, as in erm{AT}{first}+{name.name}"
        raise UsageError(
            f"'{name.name}' is not trained, so there is nothing that '{AT}{first}' could modify: "
            f"{behind if issubclass(cls, Stage) else 'leave it out'}"
        )
    named = list(zip((one.name for one in name.modifiers), modifiers, strict=True))
    for belongs, words in ((steps_itself, "take the steps"), (gives_weights, "give the weights")):
        alike = [word for word, plugin in named if belongs(plugin)]
        if len(alike) > 1:
            raise UsageError(
                f"'{alike[0]}' and '{alike[1]}' both {words} of '{name.name}': leave one of them "
                "out"
            )
    parts = list(with_named(name.name, cls, hparams))
    for word, plugin in named:
        for wish in sorted(plugin.needs):
            check_honoured(wish, f"{AT}{word}", parts)
        if plugin.needs_validation and not any(map(any, spec.data["counts"]["val"])):
            raise UsageError(
                f"'{word}' looks at validation losses and '{spec.dataset.name}' has no validation "
                "images: leave it out, or have the data set set some aside"
            )


def check_validation(spec: RunSpec, name: str, cls: type[Algorithm], hparams: HParams) -> None:
    """Check that there are validation images where an algorithm or stage uses them itself.

    Raises:
        UsageError: there are none.
    """
    if (use := cls.uses_validation(hparams)) and not any(map(any, spec.data["counts"]["val"])):
        what = "is trained on" if use == "trained" else "chooses by"
        raise UsageError(
            f"'{name}' {what} validation images and '{spec.dataset.name}' has none: leave it out, "
            "or have the data set set some aside"
        )


def check_learns_last(spec: RunSpec, parts: Sequence[tuple[str, tuple[Any, HParams]]]) -> None:
    """Check that no part but the last learns on the test images.

    The last part is the model that is tested, and :meth:`Algorithm.before_test` is called on it
    alone: a name that promises what another part would learn there would promise what is not done.

    Args:
        spec: of the run.
        parts: name, class and hyper-parameters of the algorithm and each stage.

    Raises:
        UsageError: one does.
    """
    protocol = spec.protocol.augmentation
    for name, (cls, hparams) in parts[:-1]:
        if chains_before_test(cls, hparams, protocol):
            switch = _switch_of_learning(cls, hparams)
            raise UsageError(
                f"'{name}' learns on the test images before the test, which the last part of a "
                f"method alone does, here '{parts[-1][0]}': "
                + (f"give '{name}' {switch}=false" if switch else "put it last, or leave it out")
            )


def _switch_of_learning(cls: Any, hparams: HParams) -> str:
    """Return the option without which a part does not learn on the test images, if there is one."""
    for key in (key for key in type(hparams).bounds() if getattr(hparams, key) is True):
        if not cls.test_augmentations(type(hparams)(**{**vars(hparams), key: False})):
            return key
    return ""


def title_of(
    methods: MethodSettings, kind: str, name: Name, hparams: HParams, modifiers: Sequence[HParams]
) -> Name:
    """Return a part as it is printed: what is not implied by its bare name in brackets.

    Args:
        methods: what the protocol sets of methods.
        kind: the registry of the part.
        name: of the part and of its modifiers, whatever their options.
        hparams: all hyper-parameters of the part.
        modifiers: those of each modifier.
    """
    inner = tuple(
        Name(one.name, own.changed(implied(methods, MODIFIERS, one.name)))
        for one, own in zip(name.modifiers, modifiers, strict=True)
    )
    return Name(name.name, hparams.changed(implied(methods, kind, name.name)), inner)
