"""The facts of a data set, read from its TOML in ``datasets_registry``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ltbench.errors import DataError


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
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    licence: str = ""
    citation: str = ""
    sources: tuple[dict[str, Any], ...] = field(default=())

    @classmethod
    def from_toml(cls, path: Path) -> Facts:
        """Read the facts from a TOML file whose name is the data set's.

        Raises:
            DataError: the file is missing or lacks a fact.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            shots = table.pop("shots")
            images = table.pop("image")
            return cls(
                name=path.stem,
                title=table["title"],
                domains=tuple(table.get("domains", ())),
                classes=tuple(table.get("classes", ())),
                size=images["size"],
                channels=images.get("channels", 3),
                mean=tuple(images.get("mean", (0.5, 0.5, 0.5))),
                std=tuple(images.get("std", (0.5, 0.5, 0.5))),
                many=shots["many"],
                few=shots["few"],
                protocols=table["protocols"],
                licence=table.get("licence", ""),
                citation=table.get("citation", ""),
                sources=tuple(table.get("sources", ())),
            )
        except FileNotFoundError as error:
            raise DataError(f"the facts of a data set are missing: no file {path}") from error
        except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"the facts in {path} are not complete: {error}") from error


def registry_facts(name: str) -> Facts:
    """Read the facts of a first-party data set from ``datasets_registry``.

    Raises:
        DataError: the registry has no such data set.
    """
    return Facts.from_toml(Path(str(resources.files("datasets_registry"))) / f"{name}.toml")
