"""The site in a browser: sorting, filtering, comparing, by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chromium import browser, needs_browser
from site_boards import HOSTILE, write_boards

from ltbench.report.pages.build import site_files
from ltbench.report.pages.folder import write_site

__all__ = ["browser"]

pytestmark = needs_browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    write_site(site_files(write_boards(root), title="Boards"), root / "out")
    return root / "out"


def rows(browser: Any, table: int = 0) -> list[str]:
    """Return the first cells of the rows that are shown."""
    script = (
        "return [...document.querySelectorAll('table')[arguments[0]].tBodies[0].rows]"
        ".filter(row => row.offsetHeight).map(row => row.cells[0].innerText)"
    )
    return browser.execute_script(script, table)


def choose(browser: Any, element: Any, value: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(element).select_by_value(value)


def test_a_board_is_filtered_by_words_family_and_badge_and_stays_sorted(
    browser: Any, site: Path
) -> None:
    browser.get((site / "boards" / "digits.html").as_uri())
    every = rows(browser)
    assert set(every) >= {"boda", "erm", "erm+crt", "focal", "bsoftmax", HOSTILE}
    form = browser.find_element("css selector", ".filter")
    words, said = (
        form.find_element("css selector", "input"),
        form.find_element("tag name", "output"),
    )
    words.send_keys("ERM 3/3")
    assert rows(browser) == [name for name in every if name.startswith("erm")]
    assert said.text == f"2 of {len(every)}"
    words.clear()
    words.send_keys(" ")
    family, badge, _ = form.find_elements("css selector", "select")
    choose(browser, family, "longtail")
    assert set(rows(browser)) == {"focal", "bsoftmax"}
    choose(browser, family, "")
    choose(browser, badge, "re-run")
    assert rows(browser) == ["boda"]
    choose(browser, badge, "")
    browser.find_elements("css selector", "thead button")[0].click()
    assert rows(browser) == sorted(every, key=str.lower)
    words.send_keys("no such row")
    assert rows(browser) == []


def test_two_methods_are_chosen_and_the_address_names_them(browser: Any, site: Path) -> None:
    page = (site / "compare" / "digits.html").as_uri()
    browser.get(page)
    every = rows(browser)
    assert len(every) == 15
    first, second = browser.find_elements("css selector", "#pair select")
    choose(browser, first, "erm")
    assert len(rows(browser)) == 5
    choose(browser, second, "boda")
    assert rows(browser) == ["boda"]
    assert rows(browser, 1) == ["boda", "erm"]
    address = browser.current_url
    assert address.endswith("#erm&boda")
    browser.get("about:blank")
    browser.get(address)
    assert rows(browser) == ["boda"]
    for other in ("#part-1", "#erm&nobody", "#%", "#" + "x" * 9):
        browser.get("about:blank")
        browser.get(page + other)
        assert len(rows(browser)) in (5, 15)
    first, second = browser.find_elements("css selector", "#pair select")
    choose(browser, first, HOSTILE)
    choose(browser, second, "erm")
    assert len(rows(browser)) == 1
    assert rows(browser)[0] in (HOSTILE, "erm")


def test_everything_is_reached_by_keyboard(browser: Any, site: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.get((site / "boards" / "digits.html").as_uri())

    def tab() -> Any:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        return browser.switch_to.active_element

    assert tab().get_attribute("class") == "skip"
    seen = []
    for _ in range(40):
        here = tab()
        seen.append((here.tag_name, here.text.partition("\n")[0] or here.accessible_name))
        if here.tag_name == "button" and here.text.startswith("acc\naverage"):
            break
    else:
        pytest.fail(str(seen))
    tags = [tag for tag, _ in seen]
    assert tags.index("input") < tags.index("select") < len(tags)
    assert ("a", "Compare two methods") in seen
    assert ("input", "Rows with") in seen
    here.send_keys(Keys.ENTER)
    head = here.find_element("xpath", "..")
    assert head.get_attribute("aria-sort") == "ascending"
    assert browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", here) == (
        "solid"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_500_pixels_or_says_an_error(
    browser: Any, site: Path, scheme: str
) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    size = {"width": 500, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for page in sorted(site.rglob("*.html")):
            browser.get(page.as_uri())
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= browser.execute_script("return innerWidth"), page
        assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_without_scripts_tables_are_whole_and_nothing_promises_more(
    browser: Any, site: Path
) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((site / "compare" / "digits.html").as_uri())
        body = browser.find_elements("css selector", "table tbody")
        assert [len(part.find_elements("css selector", "tr")) for part in body] == [15, 6]
        assert all(row.is_displayed() for row in body[0].find_elements("css selector", "tr"))
        assert not browser.find_element("id", "pair").is_displayed()
        browser.get((site / "boards" / "digits.html").as_uri())
        assert not browser.find_element("css selector", ".filter").is_displayed()
        assert browser.find_element("link text", "Scores, CSV").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_of_a_filtered_table_the_keyboard_walks_the_rows_that_are_shown(
    browser: Any, site: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get((site / "boards" / "digits.html").as_uri())
    words = browser.find_element("css selector", ".filter input")
    first = browser.find_element("css selector", "td[tabindex='0']")
    words.send_keys("boda" if "erm" in first.find_element("xpath", "..").text else "erm")
    shown = rows(browser)
    stops = browser.find_elements("css selector", "table:first-of-type td[tabindex='0']")
    visible = [one for one in stops if one.is_displayed()]
    assert visible[0].find_element("xpath", "../*[1]").text == shown[0]
    browser.execute_script("arguments[0].focus()", visible[0])
    for row in shown[1:]:
        browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
        assert browser.switch_to.active_element.find_element("xpath", "../*[1]").text == row
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert browser.switch_to.active_element.is_displayed()
