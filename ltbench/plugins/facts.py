"""The facts of a data set, read from its TOML in ``datasets_registry``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ltbench.errors import DataError

_PLAIN = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Facts:
    """What is known about a data set before any image is read.

    Attributes:
        name: what a user types.
        title: one line.
        domains: domain names, in the order of their indices.
        classes: class names, in the order of their indices.
        size: height and width in pixels of the images that a network sees.
        channels: 1 or 3.
        many: pairs with more training images are many-shot.
        few: pairs with at most this many (but some) training images are few-shot.
        protocols: training settings by protocol name; the first is the default.
        mean, std: per-channel normalisation of images scaled to 0…1.
        licence, citation, sources: where the images come from and on what terms.
        counts: expected training, validation and test images by domain, of the default parameters.
        details: the TOML's other entries, which the data set's own code reads.
    """

    name: str
    title: str
    domains: tuple[str, ...]
    classes: tuple[str, ...]
    size: int
    many: int
    few: int
    protocols: dict[str, dict[str, Any]]
    channels: int = 3
    mean: tuple[float, ...] = _PLAIN
    std: tuple[float, ...] = _PLAIN
    licence: str = ""
    citation: str = ""
    sources: tuple[dict[str, Any], ...] = field(default=())
    counts: dict[str, tuple[int, ...]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("mean", "std"):  # one number a channel, also where they are the defaults
            if getattr(self, name) == _PLAIN:
                object.__setattr__(self, name, _PLAIN[: self.channels])

    @classmethod
    def from_toml(cls, path: Path) -> Facts:
        """Read the facts from a TOML file whose name is the data set's.

        ``classes`` may be a number instead of names; the classes are then called 0, 1, …

        Raises:
            DataError: the file is missing or lacks a fact.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            shots, images = table.pop("shots"), table.pop("image")
            classes = table.pop("classes", ())
            return cls(
                name=path.stem,
                title=table.pop("title"),
                domains=tuple(table.pop("domains", ())),
                classes=tuple(map(str, range(classes) if isinstance(classes, int) else classes)),
                size=images["size"],
                channels=images.get("channels", 3),
                mean=tuple(images.get("mean", _PLAIN)),
                std=tuple(images.get("std", _PLAIN)),
                many=shots["many"],
                few=shots["few"],
                protocols=table.pop("protocols"),
                licence=table.pop("licence", ""),
                citation=table.pop("citation", ""),
                sources=tuple(table.pop("sources", ())),
                counts={domain: tuple(n) for domain, n in table.pop("counts", {}).items()},
                details=table,
            )
        except FileNotFoundError as error:
            raise DataError(f"the facts of a data set are missing: no file {path}") from error
        except (KeyError, TypeError, AttributeError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"the facts in {path} are not complete: {error}") from error


def registry_facts(name: str) -> Facts:
    """Read the facts of a first-party data set from ``datasets_registry``.

    Raises:
        DataError: the registry has no such data set.
    """
    return Facts.from_toml(Path(str(resources.files("datasets_registry"))) / f"{name}.toml")
