"""What hyper-parameters a method has under a protocol: typed, the protocol's, else its own."""

from __future__ import annotations

from typing import Any

from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import Bounds, HParams, check_value
from ltbench.plugins.names import Name
from ltbench.plugins.resolve import resolve
from ltbench.plugins.split import Split
from ltbench.results.method_settings import MethodSettings
from ltbench.results.protocol import Protocol, epoch_steps, epochs_to_steps
from ltbench.session.protocols import SUFFIX, protocol_methods


def methods_of(
    facts: Facts, split: Split, asked: Name | None, protocol: Protocol
) -> MethodSettings:
    """Return what a protocol sets of methods, for a training of the length that was asked for.

    Args:
        facts: of the data set.
        split: of its images.
        asked: which protocol, and what is set beside it.
        protocol: what came of it, with all that was typed.

    Raises:
        UsageError: the protocol's own length is no whole number from 1.
    """
    named, base = protocol_methods(facts, asked)
    if not named:
        return MethodSettings()
    train = split.rows("train")
    images, domains = len(train), len(set(split.d[train].tolist()))
    of_batch = {
        "batch_per_domain": protocol.batch_per_domain,
        "accumulate": protocol.accumulate,
    }
    whole = epochs_to_steps(base | of_batch, images, domains).get("steps", protocol.steps)
    whole = check_value(whole, int, Bounds(low=1), "steps")
    return MethodSettings(
        named,
        share=protocol.steps / whole,
        an_epoch=epoch_steps(images, domains, protocol.batch_per_domain * protocol.accumulate),
        implied=not protocol.name.endswith(SUFFIX),
    )


def resolved_method(methods: MethodSettings, kind: str, name: Name) -> tuple[Any, HParams]:
    """Return a plugin with its hyper-parameters.

    Args:
        methods: what the protocol sets of methods.
        kind: the plugin's registry.
        name: of the algorithm or stage, with what was typed.

    Raises:
        UsageError: there is none of that name, or a value is not possible.
    """
    if name.name not in methods.named:
        return resolve(kind, name.name, name.options)
    plugin, _ = resolve(kind, name.name, {})
    return resolve(kind, name.name, methods.of(name.name, plugin.HParams) | name.options)


def implied(methods: MethodSettings, kind: str, name: str) -> HParams:
    """Return the hyper-parameters that a method's bare name stands for in a table.

    Those of protocols that can be named are the protocol's; beside a file of one's own, which a
    command under a table does not need, the name says all that is not the method's default.
    """
    return resolved_method(methods if methods.implied else MethodSettings(), kind, Name(name))[1]
