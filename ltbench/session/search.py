"""Which values a search tries next: at random, or by what it has seen (Bayesian).

Every proposal depends on the tuning seed, on its number and, if Bayesian, on the scores of the
batches before alone, so that a search that was broken off goes on as if it had not been.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ltbench.errors import UsageError
from ltbench.plugins.names import AT, Name
from ltbench.plugins.resolve import resolve
from ltbench.results.method_settings import MethodSettings
from ltbench.results.protocol import Protocol
from ltbench.results.tuned import HPARAMS
from ltbench.session.parts import named_parts
from ltbench.session.space import Axis, find_axes, protocol_axes
from ltbench.training.optimizers import has_betas
from ltbench.training.seeding import derive_seed

Point = dict[str, Any]
"""What differs from the defaults: hyper-parameters, as ``"boda.weight"``, and settings of the
protocol, as ``"protocol.lr"``."""
Scored = Sequence[tuple[Point, float | None]]
"""Points with their validation scores; ``None`` where the run failed or diverged."""

PROTOCOL = "protocol."
"""What names of protocol settings begin with in a point."""


class Space:
    """What a search of one method varies.

    Of the hyper-parameters of the algorithm and its stages it is those that are not fixed by what
    was typed, and have an effect under the protocol's optimiser.

    Args:
        chain: the algorithm and its stages, with the options that were typed.
        protocol: whose settings are varied.
        names: ``hparams``, for the hyper-parameters, and names of settings.
        methods: what the protocol sets in the place of methods' defaults.

    Attributes:
        axes: what is varied, by name; empty where the method has nothing of what was named.
        defaults: the values of trial 0.
    """

    def __init__(
        self,
        chain: Sequence[Name],
        protocol: Protocol | None = None,
        names: Sequence[str] = (HPARAMS,),
        methods: MethodSettings | None = None,
    ) -> None:
        self.chain = tuple(chain)
        self.methods = methods or MethodSettings()
        self.protocol = protocol or Protocol.from_options({}, "protocol")
        self.axes: dict[str, Axis] = {}
        self.defaults: Point = {}
        if HPARAMS in names:
            self._add_hparams()
        for key, axis in protocol_axes(self.protocol, names).items():
            self.axes[f"{PROTOCOL}{key}"] = axis
            self.defaults[f"{PROTOCOL}{key}"] = getattr(self.protocol, key)

    def _add_hparams(self) -> None:
        for kind, owner, name in named_parts(self.chain):
            plugin, _ = resolve(kind, name.name, {})
            own = self.methods.of(name.name, plugin.HParams)
            _, defaults = resolve(kind, name.name, own)
            bounds = plugin.HParams.bounds()
            for key, axis in find_axes(plugin.HParams, name.name).items():
                idle = bounds[key].betas and not has_betas(self.protocol)
                if key not in name.options and not idle:
                    self.axes[f"{owner}.{key}"] = axis
                    self.defaults[f"{owner}.{key}"] = getattr(defaults, key)

    def protocol_at(self, point: Point) -> Protocol:
        """Return the protocol with the point's settings.

        Raises:
            UsageError: a setting is unknown or out of its bounds.
        """
        settings = {
            full.removeprefix(PROTOCOL): value
            for full, value in point.items()
            if full.startswith(PROTOCOL)
        }
        return Protocol.from_options({**self.protocol.as_dict(), **settings}, "protocol")

    def at(self, point: Point) -> list[Name]:
        """Return the names with the point's hyper-parameters as their options."""
        own = [(full.rpartition("."), value) for full, value in point.items()]

        def placed(name: Name, owner: str) -> Name:
            options = {key: value for (of, _, key), value in own if of == owner}
            return replace(name, options=name.options | options)

        return [
            replace(
                placed(name, name.name),
                modifiers=tuple(placed(m, f"{name.name}{AT}{m.name}") for m in name.modifiers),
            )
            for name in self.chain
        ]

    def random_point(self, seed: int, number: int) -> Point:
        """Return trial ``number`` of a random search; number 0 has the defaults."""
        if number == 0:
            return {}
        generators = {
            key: np.random.default_rng(derive_seed(seed, "trial", number, key)) for key in self.axes
        }
        return {key: axis.draw(generators[key]) for key, axis in self.axes.items()}

    def bayes_points(
        self, seed: int, numbers: Sequence[int], seen: Scored, startup: int
    ) -> list[Point]:
        """Return one batch of trials of a Bayesian search; number 0 has the defaults.

        Args:
            seed: of the search.
            numbers: of these trials.
            seen: the trials of the batches before.
            startup: how many trials are drawn at random before scores count.

        Raises:
            UsageError: Optuna is not installed.
        """
        points = [self.random_point(seed, number) for number in numbers if number < startup]
        count = len(numbers) - len(points)
        return points + (self._sampled(seed, numbers[-1], count, seen) if count else [])

    def _sampled(self, seed: int, number: int, count: int, seen: Scored) -> list[Point]:
        optuna = _import_optuna()
        distributions = {key: _distribution(optuna, axis) for key, axis in self.axes.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of the sampler's settings count as experimental
            sampler = optuna.samplers.TPESampler(
                seed=derive_seed(seed, "batch", number) % 2**32,
                n_startup_trials=0,  # those were drawn above, from generators of their own
                constant_liar=True,
            )
            study = optuna.create_study(direction="maximize", sampler=sampler)
            for point, value in seen:
                params = self.defaults | point
                if all(axis.holds(params[key]) for key, axis in self.axes.items()):
                    trial = optuna.trial.create_trial(
                        params={key: params[key] for key in self.axes},
                        distributions=distributions,
                        value=0.0 if value is None else value,  # the least a score can be
                    )
                    study.add_trial(trial)
            asked = [study.ask(distributions).params for _ in range(count)]
        return [{key: _fitted(self.axes[key], value) for key, value in p.items()} for p in asked]


def _fitted(axis: Axis, value: Any) -> Any:
    return value if axis.choices is not None else axis.fit(value)


def _distribution(optuna: Any, axis: Axis) -> Any:
    if axis.choices is not None:
        return optuna.distributions.CategoricalDistribution(axis.choices)
    if axis.whole:
        low, high = round(axis.low), round(axis.high)
        return optuna.distributions.IntDistribution(low, high, log=axis.log)
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError(
            "--sampler bayes needs Optuna: pip install 'ltbench[tune]', or use --sampler random"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
