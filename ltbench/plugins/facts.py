"""The facts of a data set, read from its TOML in ``datasets_registry``."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ltbench.errors import DataError, UsageError
from ltbench.plugins.shots import ShotRule
from ltbench.plugins.text import check_printable, visible
from ltbench.plugins.toml import load_toml

T = TypeVar("T")

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
        many_inclusive: whether pairs with exactly ``many`` are many-shot too.
        few_inclusive: whether pairs with exactly ``few`` are few-shot, as in the multi-domain
            benchmark; in the long-tail literature they are medium-shot.
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
    many_inclusive: bool = False
    few_inclusive: bool = True

    def __post_init__(self) -> None:
        for name in ("mean", "std"):  # one number a channel, also where they are the defaults
            if getattr(self, name) == _PLAIN:
                object.__setattr__(self, name, _PLAIN[: self.channels])

    @property
    def shots(self) -> ShotRule:
        """The rule by which domain-class pairs are many-, medium-, few- and zero-shot."""
        return ShotRule(self.many, self.few, self.many_inclusive, self.few_inclusive)

    @classmethod
    def from_toml(cls, path: Path) -> Facts:
        """Read the facts from a TOML file whose name is the data set's.

        ``classes`` may be a number instead of names; the classes are then called 0, 1, …

        Raises:
            DataError: the file is missing, lacks a fact, or holds one of another kind.
        """
        try:
            table = load_toml(path.read_text(encoding="utf-8"))
            shots, images = _table(table.pop("shots"), "shots"), _table(table.pop("image"), "image")
            channels = _whole(images.get("channels", 3), "channels", 64)
            colours = {
                name: _numbers(images[name], name, channels) for name in ("mean", "std")
                if name in images
            }  # fmt: skip
            counts = _table(table.pop("counts", {}), "counts")
            return cls(
                name=path.stem,
                title=_text(table.pop("title"), "title"),
                domains=_names(table.pop("domains", []), "domains"),
                classes=_classes(table.pop("classes", [])),
                size=_whole(images["size"], "size", 65_536),
                channels=channels,
                many=_whole(shots["many"], "many", least=0),
                few=_whole(shots["few"], "few", least=0),
                many_inclusive=_truth(shots.get("many_inclusive", False), "many_inclusive"),
                few_inclusive=_truth(shots.get("few_inclusive", True), "few_inclusive"),
                protocols=_protocols(table.pop("protocols")),
                licence=_text(table.pop("licence", ""), "licence"),
                citation=_kind(table.pop("citation", ""), str, "citation"),
                sources=tuple(map(_source, _kind(table.pop("sources", []), list, "sources"))),
                counts={
                    domain: tuple(_whole(n, "counts", least=0) for n in _kind(part, list, "counts"))
                    for domain, part in counts.items()
                },
                details=table,
                **colours,
            )
        except FileNotFoundError as error:
            raise DataError(f"the facts of a data set are missing: no file {path}") from error
        except OSError as error:
            raise DataError(f"the facts in {path} cannot be read: {error.strerror}") from error
        except (KeyError, TypeError, ValueError, UsageError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"the facts in {path} are not complete: {visible(cause)}") from error


def _kind(value: Any, kind: type[T], what: str) -> T:
    """Return a value of the kind that a fact has.

    Raises:
        TypeError: it is of another.
    """
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"'{what}' is {visible(repr(value))}, of another kind")
    return value


def _truth(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"'{what}' is {visible(repr(value))}, neither true nor false")
    return value


def _table(value: Any, what: str) -> dict[str, Any]:
    return _kind(value, dict, what)


def _text(value: Any, what: str) -> str:
    text = _kind(value, str, what)
    check_printable(text, f"'{what}'")
    return text


def _names(value: Any, what: str) -> tuple[str, ...]:
    return tuple(_text(name, what) for name in _kind(value, list, what))


def _classes(value: Any) -> tuple[str, ...]:
    """Return the classes' names, which may be numbers, or be called by so many of them."""
    if isinstance(value, int):
        return tuple(map(str, range(_whole(value, "classes", 1_000_000))))
    names = _kind(value, list, "classes")
    return tuple(_text(str(name) if isinstance(name, int) else name, "classes") for name in names)


def _whole(value: Any, what: str, most: int = 2**63 - 1, least: int = 1) -> int:
    if not least <= _kind(value, int, what) <= most:
        raise ValueError(f"'{what}' is {value}, not from {least} to {most}")
    return int(value)


def _numbers(value: Any, what: str, count: int) -> tuple[float, ...]:
    numbers = _kind(value, list, what)
    if len(numbers) != count or not all(
        isinstance(number, int | float) and abs(number) < 1e6 for number in numbers
    ):
        raise ValueError(f"'{what}' is not {count} numbers, one a channel")
    return tuple(numbers)


def _protocols(value: Any) -> dict[str, dict[str, Any]]:
    protocols = {_text(n, "protocols"): _table(p, n) for n, p in _table(value, "protocols").items()}
    if not protocols:
        raise ValueError("'protocols' holds none")
    return protocols


def _source(value: Any) -> dict[str, Any]:
    """Return an entry of ``sources``, whose file and folders lie below that of the data sets."""
    source = _table(value, "sources")
    places = [_text(source["file"], "file"), *_table(source.get("rename", {}), "rename").values()]
    places += [source[key] for key in ("folder", "unpack") if isinstance(source.get(key), str)]
    for place in places:
        path = PurePosixPath(_text(place, "sources"))
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"'{visible(place)}' in 'sources' leads out of the folder")
    _names(source.get("urls", []), "urls")
    for key in ("sha256", "md5"):
        _text(source.get(key, ""), key)
    _whole(source.get("size", 0), "size", least=0)
    return source


def registry_facts(name: str) -> Facts:
    """Read the facts of a first-party data set from ``datasets_registry``.

    Raises:
        DataError: the registry has no such data set.
    """
    return Facts.from_toml(Path(str(resources.files("datasets_registry"))) / f"{name}.toml")
