"""The conformance kit as a pytest plugin: ``pytest --ltbench NAME`` is one test for each point.

It is loaded whenever pytest starts, so that nothing here imports torch, or ltbench's plugins,
before it is asked to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ltbench.testing.point import Point, Subject
    from ltbench.testing.small_run import Outcome


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("ltbench").addoption(
        "--ltbench",
        action="append",
        default=[],
        metavar="NAME",
        help="test what ltbench asks of this plugin, or of all plugins of this package; repeatable",
    )


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add one test for each point of each plugin that was named."""
    for name in config.getoption("--ltbench"):
        collector = Kit.from_parent(session, name=f"ltbench {name}", text=name)
        items.extend(collector.collect())


class Kit(pytest.Collector):
    """The points of one name."""

    def __init__(self, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def collect(self) -> Iterator[PointItem]:
        """Yield one test for each point.

        Raises:
            UsageError: there is no such plugin.
        """
        from ltbench.errors import LtbenchError
        from ltbench.testing.conformance import find_points, find_subjects, prepare
        from ltbench.testing.point import Subject

        try:
            found = find_subjects(self.text)
        except LtbenchError as error:
            raise pytest.UsageError(f"--ltbench {self.text}: {error}") from None
        prepare()
        for entry, text in found:
            subject = Subject(entry, text, Path())
            for point in find_points(entry.kind):
                yield PointItem.from_parent(
                    self, name=f"{text}[{point.name}]", subject=subject, point=point
                )


class PointItem(pytest.Item):
    """One point of one plugin."""

    def __init__(self, subject: Subject, point: Point, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject, self.point = subject, point

    def runtest(self) -> None:
        """Ask the point, in a folder that lies with pytest's other temporary ones."""
        from dataclasses import replace

        from ltbench.testing.point import FAILED, SKIPPED, ask

        base = self.config._tmp_path_factory.mktemp("ltbench")  # type: ignore[attr-defined]
        result = ask(self.point, replace(self.subject, folder=base))
        if result.status == SKIPPED:
            pytest.skip(result.cause)
        if result.status == FAILED:
            raise PointFailed(result.cause)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say what the point asks for and why it failed, without a traceback of the kit."""
        if isinstance(excinfo.value, PointFailed):
            return f"{self.point.sentence}: failed\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return how the test is called in reports."""
        return self.path, None, f"{self.subject.text}: {self.point.sentence}"


class PointFailed(Exception):
    """A point failed; the message says why."""


@pytest.fixture
def ltbench_dataset() -> str:
    """The name of a tiny data set: three domains, five classes, images of random noise."""
    from ltbench.testing.small_data import NAME, register_small_data

    register_small_data()
    return NAME


@pytest.fixture
def ltbench_run(tmp_path: Path) -> Callable[..., Outcome]:
    """A function that runs ``algorithm[+stage]`` on the tiny data set and returns what came of it.

    Its options are those of :func:`ltbench.testing.run_small`: ``domains``, ``seed``, ``stops``.
    """
    from ltbench.testing.small_run import run_small

    count = iter(range(1_000_000))

    def run(name: str, **options: Any) -> Outcome:
        return run_small(name, tmp_path / f"run-{next(count)}", **options)

    return run
