"""A browser for tests of pages, where one is installed."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def screen(window: Any, scheme: str, width: int) -> Iterator[None]:
    """Give the browser a screen of a width in pixels, and a wish for ``light`` or ``dark``."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


SCREENS = [(scheme, width) for scheme in ("light", "dark") for width in (500, 1280)]


def check_fits(window: Any, address: str, scheme: str, width: int, script: str = "") -> None:
    """Check that a page is in the colours that are wished for, fits, and has no errors to say.

    Args:
        window: the browser.
        address: of the page.
        scheme: ``light`` or ``dark``.
        width: of the screen in pixels.
        script: what is done on the page before it is measured.
    """
    with screen(window, scheme, width):
        window.get_log("browser")
        window.get(address)
        window.execute_script(script)
        assert window.execute_script("return innerWidth") == width
        assert window.execute_script("return document.documentElement.scrollWidth") <= width
        color = window.execute_script("return getComputedStyle(document.body).backgroundColor")
        red = int(color.partition("(")[2].partition(",")[0])
        assert (red > 127) == (scheme == "light"), color
        assert window.execute_script(
            "return [...document.images].filter(i => i.offsetHeight)"
            ".every(i => i.complete && i.naturalWidth)"
        )
        assert [said for said in window.get_log("browser") if said["level"] == "SEVERE"] == []
