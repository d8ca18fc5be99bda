"""``ltbench data cache``: what the decoded images take, and removing them."""

from __future__ import annotations

import json

import click

from ltbench.cli.completion import plugin_completer
from ltbench.cli.data.options import json_option


@click.group()
def cache() -> None:
    """List decoded images, or remove them; they are decoded again when they are needed.

    \b
    Examples:
      ltbench data cache list
      ltbench data cache clear pacs-mlt
    """


@cache.command("list")
@json_option
def list_cache(as_json: bool) -> None:
    """List the decoded images on this machine.

    \b
    Examples:
      ltbench data cache list
      ltbench data cache list --json
    """
    from ltbench.data.cache import cached_images
    from ltbench.data.locations import cache_folder

    found = cached_images()
    if as_json:
        rows = [
            {
                "dataset": entry.dataset,
                "bytes": entry.bytes,
                "finished": entry.finished,
                "folder": str(entry.folder),
            }
            for entry in found
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    for entry in found:
        state = "" if entry.finished else "  broken off"
        click.echo(f"{entry.dataset:20} {entry.bytes / 1e6:10,.1f} MB  {entry.folder.name}{state}")
    total = sum(entry.bytes for entry in found)
    click.echo(f"{len(found)} in {cache_folder()}, {total / 1e6:,.1f} MB")


@cache.command("clear")
@click.argument("name", required=False, shell_complete=plugin_completer("datasets"))
@click.option("--all", "everything", is_flag=True, help="Remove those of every data set.")
def clear_cache(name: str | None, everything: bool) -> None:
    """Remove the decoded images of one data set, or of all.

    Runs that are reading them keep them until they end.

    \b
    Examples:
      ltbench data cache clear pacs-mlt
      ltbench data cache clear --all
    """
    from ltbench.data.cache import cached_images, remove_cached
    from ltbench.errors import UsageError
    from ltbench.plugins.spelling import spelled

    if (name is None) != everything:
        raise UsageError("say what to remove: ltbench data cache clear NAME, or --all")
    if name is not None:
        name = spelled(name, {entry.dataset for entry in cached_images()})
    removed = remove_cached(name)
    click.echo(f"Removed {len(removed)}, {sum(r.bytes for r in removed) / 1e6:,.1f} MB")
