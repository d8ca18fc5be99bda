"""What a run is made of: an algorithm or stage, with its hyper-parameters and modifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ltbench.plugins.names import AT
from ltbench.results.untrusted import UnreadableRun, mapping_in, name_in


@dataclass(frozen=True)
class Component:
    """A plugin with its resolved hyper-parameters (or a data set with its parameters).

    Attributes:
        name: of the plugin.
        hparams: all of them.
        modifiers: of an algorithm or stage, those of its training, in their order.
    """

    name: str
    hparams: dict[str, Any] = field(default_factory=dict)
    modifiers: tuple[Component, ...] = ()

    @property
    def title(self) -> str:
        """The name with those of the modifiers, ``erm@ema``."""
        return AT.join([self.name, *(modifier.name for modifier in self.modifiers)])

    def as_dict(self) -> dict[str, Any]:
        """Return what stands in an identity; modifiers where there are any."""
        found: dict[str, Any] = {"name": self.name, "hparams": self.hparams}
        if self.modifiers:
            found["modifiers"] = [modifier.as_dict() for modifier in self.modifiers]
        return found

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Return what :meth:`as_dict` wrote.

        Raises:
            KeyError: something is missing.
        """
        modifiers = tuple(cls.from_dict(one) for one in found.get("modifiers", ()))
        return cls(found["name"], dict(found["hparams"]), modifiers)


def read_title(part: Mapping[str, Any]) -> str:
    """Return the name of an algorithm or stage with those of its modifiers."""
    return AT.join(name_in(one, "name", "spec.json") for one in (part, *_modifiers(part)))


def read_hparams(algorithm: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyper-parameters of an algorithm and of its modifiers."""
    found = dict(mapping_in(algorithm, "hparams", "spec.json"))
    for one in _modifiers(algorithm):
        own = mapping_in(one, "hparams", "spec.json")
        found |= {f"{name_in(one, 'name', 'spec.json')}.{key}": v for key, v in own.items()}
    return found


def _modifiers(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the modifiers of an algorithm or stage.

    Raises:
        UnreadableRun: they are no list of mappings.
    """
    found = part.get("modifiers", [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UnreadableRun("spec.json: 'modifiers' is not a list of modifiers")
    return found
