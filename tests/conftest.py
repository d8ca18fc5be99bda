"""A third party's plugin is installed for all tests, and caches stay out of the user's folders."""

from __future__ import annotations

import copy
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ltbench.executors import nursery
from ltbench.plugins.manager import KINDS, get_plugins
from ltbench.plugins.registry import Entry

THIRD_PARTY = str(Path(__file__).parent / "thirdparty")

# A shell has its background jobs ignore Ctrl-C, and they pass that on to what they start; the tests
# of Ctrl-C shall find it working wherever the suite itself was started.
signal.signal(signal.SIGINT, signal.default_int_handler)

DEMANDED = os.environ.get("LTBENCH_TEST_REQUIRES", "").split(",")

# Readline, which pytest imports, tells child processes of a terminal of 80 columns that nobody has.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# For this process and for those that the tests start.
sys.path.insert(0, THIRD_PARTY)
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [THIRD_PARTY, os.environ.get("PYTHONPATH")])
)


try:
    from hypothesis import settings
except ImportError:  # the environment of the documents has none
    pass
else:
    # A machine with other work is slow, not wrong.
    settings.register_profile("patient", settings(), deadline=None)
    settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["LTBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["LTBENCH_DATA"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def _own_plugins() -> Iterator[None]:
    """Have each test find what is registered as the one before it did."""
    before = _registered()
    yield
    if _registered() != before:
        get_plugins.cache_clear()


@pytest.fixture(autouse=True)
def _no_nurseries_left() -> Iterator[None]:
    """End what a command of the test's own process started early and did not come to use."""
    yield
    while nursery._early:
        nursery._early.pop().close()


def _registered() -> list[tuple[str, Entry]]:
    return [(kinds, entry) for kinds in KINDS for entry in get_plugins()[kinds]]


@pytest.fixture(scope="session")
def command_line() -> click.Group:
    """Return the group of all commands, as ``ltbench`` builds it."""
    from ltbench.cli import main

    group = copy.copy(main.cli)
    group.commands = {}
    for name in main.COMMANDS:
        importlib.import_module(f"ltbench.cli.{name}").ltbench_commands(group)
    return group


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait for clusters, and skip those that need what is not here.

    Where ``LTBENCH_TEST_REQUIRES`` says that it was installed for them they fail instead.
    """
    items.sort(key=lambda item: item.path.parent.name not in ("clusters", "executors"))
    for item in items:
        for name, missing in lacking(item):
            if name not in DEMANDED:
                item.add_marker(pytest.mark.skip(reason=missing))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test that needs a program which was to be here."""
    for name, missing in lacking(item):
        if name in DEMANDED:
            pytest.fail(f"LTBENCH_TEST_REQUIRES names {name}, but {missing}", pytrace=False)


def lacking(item: pytest.Item) -> list[tuple[str, str]]:
    """Return what a test needs that is not here, each with the reason."""
    return [mark.args for mark in item.iter_markers("needs") if mark.args[1]]
