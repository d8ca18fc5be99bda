"""Which means over unseen domains are missing, and for want of which runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

_MOST = 6

_Setting = tuple[str, str]


def gaps(rows: pd.DataFrame, settings: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return sentences about every mean that is missing.

    Args:
        rows: every run: ``label``, ``seed``, ``status``, unseen ``domain``, and what it was
            ``chosen`` on.
        settings: what models of each unseen domain are to be chosen on.
    """
    wanted = [(domain, chosen) for domain, own in settings.items() for chosen in own]
    several = len(wanted) > len(settings)
    found = {
        (label, seed, domain, chosen): status
        for label, seed, domain, chosen, status in zip(
            *(rows[name] for name in ("label", "seed", "domain", "chosen", "status")), strict=True
        )
    }
    done = {key for key, status in found.items() if status == "done"}
    nowhere = [setting for setting in wanted if not any(key[2:] == setting for key in done)]
    sentences = []
    if nowhere:
        names = _listed([_words(setting, several=several) for setting in nowhere])
        sentences.append(f"No mean over unseen domains: no run is done with {names}.")
    rest = [setting for setting in wanted if setting not in nowhere]
    lacking = [
        f"{label}{place} ({', '.join(parts)})"
        for label, place, parts in _lacking(found, rest, several=several)
    ]
    if lacking:
        sentences.append(
            f"No mean where a domain is missing, which leaves the seed out: {_listed(lacking)}."
        )
    return sentences


def _lacking(
    found: Mapping[tuple[str, int, str, str], str], wanted: list[_Setting], *, several: bool
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield method, seed and what is missing of it; one line where all seeds lack the same."""
    seeds: dict[str, list[int]] = {}
    for label, seed, *_ in found:
        if seed not in seeds.setdefault(label, []):
            seeds[label].append(seed)
    for label, own in seeds.items():
        parts = {
            seed: [
                f"{_words(setting, several=several)} {status}"
                for setting in wanted
                if (status := found.get((label, seed, *setting), "not run")) != "done"
            ]
            for seed in sorted(own)
        }
        if len(own) > 1 and all(found_ == parts[own[0]] for found_ in parts.values()):
            parts = {-1: parts[own[0]]}
        for seed, missing in parts.items():
            if missing:
                yield label, "" if seed < 0 else f" seed {seed}", missing


def _words(setting: _Setting, *, several: bool) -> str:
    domain, chosen = setting
    return f"{domain} unseen" + (f" and chosen on {chosen}" if several else "")


def _listed(words: list[str]) -> str:
    more = [f"and {len(words) - _MOST} more"] if len(words) > _MOST else []
    return ", ".join([*words[:_MOST], *more])
