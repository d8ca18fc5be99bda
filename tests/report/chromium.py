"""A browser for tests of pages, where one is installed."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from typing import Any

import pytest


def why_no_browser() -> str | None:
    """Return why no browser can be driven here, or ``None``."""
    if importlib.util.find_spec("selenium") is None:
        return "the package selenium is not installed"
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    reason = f"no {' and no '.join(missing)} (Debian's chromium and chromium-driver)"
    return reason if missing else None


needs_browser = pytest.mark.needs("browser", why_no_browser())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={profile}", "--window-size=1280,900",
    ):  # fmt: skip
        options.add_argument(argument)
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()
