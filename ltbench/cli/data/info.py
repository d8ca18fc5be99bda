"""``ltbench data info``: the facts of one data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench.cli.data.options import (
    data_dir_option,
    json_option,
    name_argument,
    named_datasets,
    read_split,
    shot_buckets,
)
from ltbench.plugins.names import format_value
from ltbench.printable import json_text, styled

if TYPE_CHECKING:
    from ltbench.plugins.dataset import Dataset
    from ltbench.plugins.facts import Facts

PARTS = ("train", "val", "test")
MOST_DOMAINS = 20  # that are named one by one; --json has all


@click.command("info")
@name_argument
@data_dir_option
@json_option
def info(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Print what is known of a data set: domains, classes, counts, thresholds, protocols, terms.

    \b
    Examples:
      ltbench data info digits-mini-mlt
      ltbench data info 'cifar100-lt[ratio=50]'
      ltbench data info 'image-folder[root=/data/moths]' --json
      ltbench data info 'digits-mini-mlt[unseen=each]'
    """
    described = [_of(*named) for named in named_datasets(name, data_dir)]
    if as_json:
        click.echo(json_text(described if len(described) > 1 else described[0], indent=1))
        return
    for number, one in enumerate(described):
        click.echo("\n" * (number > 0), nl=False)
        _print(one, ready=one["missing"] is None)


def _of(name: str, dataset: Dataset) -> dict[str, Any]:
    """Return what is known of one data set."""
    from ltbench.data.unseen_domains import Scheme
    from ltbench.errors import DataError

    cause = dataset.missing()
    try:
        facts = dataset.facts
    except DataError as error:
        raise DataError(cause or str(error)) from None
    found: dict[str, Any] = {}
    if cause is None:
        from ltbench.data.image_files import absent_files

        split = read_split(dataset)
        origin = dataset.split_origin(split)
        found = {
            "counts": {
                domain: [int(split.counts(part)[d].sum()) for part in PARTS]
                for d, domain in enumerate(facts.domains)
            },
            "pairs": shot_buckets(dataset, split),
            "test_sets": {name: len(rows) for name, rows in dataset.test_sets(split).items()},
            "split": split.sha256,
            "split_origin": asdict(origin) if origin else None,
            "remarks": [*dataset.remarks(split), *absent_files(Path(), dataset.image_files(split))],
        }
    # Whose files lie in one folder has it as ``root``; what is embedded has none.
    if place := getattr(dataset, "root", None):
        found["folder"] = str(place)
    scheme = getattr(dataset, "scheme", None)
    if isinstance(scheme, Scheme):
        found["scheme"] = {
            "unseen": list(scheme.unseen),
            "validation": scheme.options()["validation"],
            "held_out": scheme.hold_out,
        }
    return _described(name, facts, cause, found)


def _described(name: str, facts: Facts, cause: str | None, found: dict[str, Any]) -> dict[str, Any]:
    from ltbench.results.protocol import EPOCHS, protocol_settings
    from ltbench.session.protocols import own_methods, own_protocols

    protocols = own_protocols(facts)
    said = [{EPOCHS.get(key, key) for key in settings} for settings in protocols.values()]
    defaults = {
        name: setting.default
        for name, setting in protocol_settings().items()
        if not all(name in names for names in said)
    }
    return {
        "name": name,
        "title": facts.title,
        "domains": list(facts.domains),
        "classes": list(facts.classes),
        "image": {
            "size": facts.size,
            "channels": facts.channels,
            "mean": list(facts.mean),
            "std": list(facts.std),
        },
        "shots": {**facts.shots.as_dict(), "rule": facts.shots.words},
        "licence": facts.licence,
        "citation": " ".join(facts.citation.split()),
        "sources": [url for source in facts.sources for url in source.get("urls", ())],
        "protocols": protocols,
        "methods": own_methods(facts),
        "defaults": defaults,
        "missing": cause,
        "counts": {domain: list(n) for domain, n in facts.counts.items()},
        **found,
    }


def _print(described: dict[str, Any], *, ready: bool) -> None:
    from tabulate import tabulate

    from ltbench.results.backbone import in_words

    image, shots, classes = described["image"], described["shots"], described["classes"]
    click.echo(styled(f"{described['name']}: {described['title']}", bold=True))
    names = ", ".join(classes[:12]) + (", …" if len(classes) > 12 else "")
    domains = described["domains"]
    more = f", … {len(domains)} in all" if len(domains) > MOST_DOMAINS else ""
    click.echo(f"domains    {', '.join(domains[:MOST_DOMAINS])}{more}")
    click.echo(_unseen(described), nl=False)
    click.echo(f"classes    {len(classes)}: {names}")
    click.echo(f"images     {image['size']}×{image['size']}, {image['channels']} channels")
    click.echo(f"pixels     {in_words(image)}; pretrained weights bring their own")
    of_class = ", of its class where the domain is unseen" if "scheme" in described else ""
    click.echo(f"shots      {shots['rule']} training images of a pair{of_class}")
    for key in ("folder", "licence", "citation"):
        if described.get(key):
            click.echo(f"{key:10} {described[key]}")
    for url in described["sources"]:
        click.echo(f"source     {url}")
    for protocol, settings in described["protocols"].items():
        click.echo(f"protocol   {protocol}: {_listed(settings)}")
        for method, own in described["methods"].get(protocol, {}).items():
            click.echo(f"{'':11}{method}: {_listed(own)}")
    click.echo(f"otherwise  {_listed(described['defaults'])}")
    if not ready:
        click.echo(f"not ready  {described['missing']}")
    if described["counts"]:
        if not ready:
            click.echo("Expected images:")
        click.echo(tabulate(_counted(described["counts"]), headers=["domain", *PARTS]))
    if ready:
        pairs = ", ".join(f"{bucket} {number}" for bucket, number in described["pairs"].items())
        click.echo(f"domain-class pairs by shot: {pairs}")
        if described["test_sets"]:
            sets = ", ".join(f"{name} {size}" for name, size in described["test_sets"].items())
            click.echo(f"test sets  {sets}")
        if origin := described["split_origin"]:
            click.echo(f"split      {origin['words']}: {origin['detail']}")
        click.echo(f"split sha256 {described['split']}")
        for line in described["remarks"]:
            click.echo(f"remark     {line}")


def _counted(counts: Mapping[str, Sequence[int]]) -> list[list[str | int]]:
    """Return a row of images for each domain, of many one for all others together."""
    rows: list[list[str | int]] = [
        [domain, *images] for domain, images in list(counts.items())[:MOST_DOMAINS]
    ]
    if others := list(counts.values())[MOST_DOMAINS:]:
        rows.append([f"{len(others)} more", *map(sum, zip(*others, strict=True))])
    return rows


def _unseen(described: Mapping[str, Any]) -> str:
    """Return the line about domains that do not train; of one domain alone there is none."""
    if scheme := described.get("scheme"):
        return (
            f"unseen     {', '.join(scheme['unseen'])}; validation: {scheme['validation']}; tested "
            f"on {'four fifths' if scheme['held_out'] else 'all'} of its images\n"
        )
    if len(described["domains"]) < 2:
        return ""
    return "unseen     none; [unseen=DOMAIN] keeps one from training, [unseen=each] one by one\n"


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {format_value(value)}" for key, value in settings.items())
