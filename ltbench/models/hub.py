"""Files of repositories on the Hugging Face hub: from the cache, else fetched once.

What is in the cache is used without a look at the network, so that a run starts offline and a
thousand workers ask nobody. What is not is asked for once, briefly: without a connection the answer
is one sentence after seconds, and not a screen of retries.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltbench.errors import UsageError
from ltbench.plugins.text import visible

logger = logging.getLogger(__name__)

PREFIX = "hf-hub:"
ANSWER_SECONDS = 3.0
"""How long the hub may take to say whether it has a file."""
_REPOSITORY = r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}"
_REVISION = r"[A-Za-z0-9][\w./-]{0,95}"
_NAME = re.compile(rf"({_REPOSITORY})(?:@({_REVISION}))?", re.ASCII)
INSTEAD = "train from scratch with --no-pretrained, or name a local checkpoint with --weights FILE"


class NoSuchFile(Exception):
    """The repository is there and has no file of that name."""


@dataclass(frozen=True)
class HubName:
    """A repository of the hub as a backbone's name has it.

    Attributes:
        repository: ``organisation/model``.
        revision: a branch, tag or commit, or ``None`` for the main branch.
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub_name(name: str) -> bool:
    """Return whether a backbone's name begins as those of the hub do."""
    return name.replace("_", "-", 1).lower().startswith(PREFIX)


def parse_hub_name(name: str) -> HubName:
    """Return the repository that ``hf-hub:ORG/MODEL[@REVISION]`` names.

    Raises:
        UsageError: it is written in another way.
    """
    found = _NAME.fullmatch(name[len(PREFIX) :])
    if not found or ".." in name:
        raise UsageError(
            f"'{visible(name)}' names no repository: write {PREFIX}ORGANISATION/MODEL, or "
            f"{PREFIX}ORGANISATION/MODEL@REVISION"
        )
    return HubName(found[1], found[2])


def cached_names() -> list[str]:
    """Return the names of the repositories of models that are in the cache, for completion.

    The client's own module is not imported, which takes longer than a shell waits.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    home = Path(os.environ.get("HF_HOME", home))
    folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()
    names = [path.name.split("--") for path in folder.glob("models--*--*")]
    return sorted(PREFIX + "/".join(parts[1:]) for parts in names if len(parts) == 3)


def hub_file(name: HubName, filename: str, instead: str = INSTEAD) -> Path:
    """Return a file of a repository, from the cache or else fetched into it.

    Args:
        name: the repository.
        filename: within it.
        instead: what to do where it cannot be had.

    Raises:
        NoSuchFile: the repository has none of that name.
        UsageError: it cannot be fetched; the message says what failed and what to do.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(name.repository, filename, revision=name.revision)
    if isinstance(cached, str):
        return Path(cached)
    if cached is not None:  # the cache knows that there is none
        raise NoSuchFile(filename)
    _ask(name, filename, instead)
    logger.info("fetching %s of %s", filename, name.repository)
    try:
        return Path(hf_hub_download(name.repository, filename, revision=name.revision))
    except Exception as error:
        raise UsageError(
            f"{filename} of {name.repository} cannot be fetched: {_first_line(error)}; type the "
            "same command again, which goes on where the download broke off"
        ) from error


def first_file(name: HubName, filenames: Sequence[str], instead: str = INSTEAD) -> Path:
    """Return the first of several files that a repository has.

    One that is in the cache is taken before the hub is asked for others.

    Args:
        name: the repository.
        filenames: within it, the better first.
        instead: what to do where none can be had.

    Raises:
        NoSuchFile: the repository has none of them.
        UsageError: as :func:`hub_file`.
    """
    from huggingface_hub import try_to_load_from_cache

    for filename in filenames:
        cached = try_to_load_from_cache(name.repository, filename, revision=name.revision)
        if isinstance(cached, str):
            return Path(cached)
    for filename in filenames:
        with contextlib.suppress(NoSuchFile):
            return hub_file(name, filename, instead)
    raise NoSuchFile(", ".join(filenames))


def _ask(name: HubName, filename: str, instead: str) -> None:
    """Ask the hub for a file once, without retries.

    Raises:
        NoSuchFile, UsageError: as :func:`hub_file`.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub import errors as hub

    url = hf_hub_url(name.repository, filename, revision=name.revision)
    host = constants.ENDPOINT.partition("://")[2]
    try:
        get_hf_file_metadata(url, timeout=ANSWER_SECONDS)
    except hub.GatedRepoError as error:
        raise UsageError(
            f"{name.repository} is there for those alone who accepted its terms: do so at "
            f"{constants.ENDPOINT}/{name.repository}, and log in with `hf auth login`"
        ) from error
    except hub.RevisionNotFoundError as error:
        raise UsageError(
            f"{name.repository} has no revision {name.revision or 'main'} at {host}"
        ) from error
    except hub.EntryNotFoundError as error:
        raise NoSuchFile(filename) from error
    except hub.OfflineModeIsEnabled as error:
        raise UsageError(
            f"{filename} of {name.repository} is not in the cache {constants.HF_HUB_CACHE}, and "
            f"HF_HUB_OFFLINE forbids to fetch it: leave it out, or {instead}"
        ) from error
    except hub.HfHubHTTPError as error:
        # Who is not logged in is told nothing more of a repository that is not there.
        if isinstance(error, hub.RepositoryNotFoundError) or error.response.status_code == 401:
            raise UsageError(
                f"{host} has no repository {name.repository} that you may read: check the name; a "
                f"private one needs `hf auth login`; or {instead}"
            ) from error
        raise UsageError(
            f"{host} does not give {filename} of {name.repository} ({_first_line(error)}): try "
            f"later, or {instead}"
        ) from error
    except Exception as error:
        raise UsageError(
            f"{filename} of {name.repository} is not in the cache {constants.HF_HUB_CACHE}, and "
            f"there is no connection to {host} ({_first_line(error)}): {instead}; `hf download "
            f"{name.repository}` where there is one fills the cache"
        ) from error


def _first_line(error: Exception) -> str:
    return visible(str(error).partition("\n")[0]) or type(error).__name__


def commit_of(path: Path) -> str:
    """Return the commit of a file in the cache, whose folder is called so."""
    parts = path.parts
    return parts[len(parts) - 1 - parts[::-1].index("snapshots") + 1]
