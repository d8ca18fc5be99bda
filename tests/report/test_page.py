"""The HTML page: self-contained, honest, and usable in a browser by mouse and keyboard."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from chromium import SCREENS, browser, check_fits, needs_browser
from synthetic_runs import write_run

from ltbench.plugins.manager import Plugins, get_plugins
from ltbench.report import figures, report_page
from ltbench.report.leaderboard import load_content
from ltbench.report.provenance import run_commands
from ltbench.report.render import html
from ltbench.report.report_page import write_report
from ltbench.report.section import Report, Section
from ltbench.report.verdict import verdict

__all__ = ["browser"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for algo, skill in (("erm", 0.5), ("boda", 0.8), ("focal", 0.52)):
        for seed in range(3):
            write_run(root, algo=algo, seed=seed, skill=skill, per_class=4)
    write_run(root, algo="never", error="diverged")
    return root


def test_the_switch_of_domains_names_them_as_they_are() -> None:
    part = Section("errors", domain="a  b ")
    assert '<option value="a  b ">a  b </option>' in html(Report((part,)))


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("page") / "deep" / "report.html"
    write_report(load_content(runs), output, title="A <title> & more", command="ltbench report x")
    return output


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.addresses += [given[k] or "" for k in ("src", "href") if k in given]
        if tag == "img":
            self.pictures.append(given.get("alt") or "")
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_asks_nothing_of_any_network(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert all(address.startswith(("data:", "#")) for address in tags.addresses)
    assert not re.search(r"@import|url\((?!data:)", text)
    assert "default-src 'none'" in text
    assert "A &lt;title&gt; &amp; more" in text
    assert len(tags.pictures) == 7
    widths = [int(width) for width in re.findall(r'<img [^>]*width="(\d+)"', text)]
    # Letters of 7 points would otherwise be as small as on paper.
    assert len(widths) == 7
    assert max(widths) == 980
    assert all(tags.pictures)


def test_the_page_holds_statistics_environment_and_commands(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for words in (
        "seed 0: ",
        "<caption>ANOVA: do the methods differ at all?",
        ">acc worst</th>",
        "never (1 diverged)",
        "ltbench run --algo boda",
        "ltbench report x",
        '<td data-value="2.11.0"',
        "9 runs of 4 methods on 1 data set",
    ):
        assert words in text, words


def test_a_figure_that_nobody_draws_is_passed_over_with_a_sentence(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = Plugins()
    for entry in get_plugins()["figures"]:
        if entry.name == "violin":
            plugins["figures"].add(replace(entry, target=lambda data, choices: 1 / 0))
        elif entry.name != "heatmap":
            plugins["figures"].add(entry)
    monkeypatch.setattr(report_page, "get_plugins", lambda: plugins)
    monkeypatch.setattr(figures, "get_plugins", lambda: plugins)
    output = tmp_path / "page.html"
    write_report(load_content(runs), output, title="T", command="ltbench report x")
    text = output.read_text(encoding="utf-8")
    assert "No plugin that is installed draws &#39;heatmap&#39;." in text
    assert "failed: ZeroDivisionError" in text
    assert 'download="convergence.csv"' in text
    assert 'download="heatmap.csv"' not in text


def test_the_verdict_claims_what_the_tests_do(runs: Path, tmp_path: Path) -> None:
    board = load_content(runs).boards[0]
    sentences = " ".join(verdict(board))
    claimed = [
        row.label for row in board.rows
        if row.comparisons and row.comparisons["accuracy_average"].claimed
    ]  # fmt: skip
    assert sentences.startswith("The highest domain-average accuracy is that of boda:")
    for name in claimed:
        assert re.search(rf"Domain-average accuracy: better than erm: .*{name}", sentences)
    for seed in range(3):
        for algo in ("erm", "same"):
            write_run(tmp_path, algo=algo, skill=0.5, seed=seed, arrays=False)
    assert "Not all methods are equal in domain-average accuracy (ANOVA, p" in sentences
    none = " ".join(verdict(load_content(tmp_path).boards[0]))
    assert "No difference in domain-average accuracy" in none
    assert "was shown (ANOVA, p = " in none


def test_a_verdict_of_one_seed_or_none_claims_nothing(tmp_path: Path) -> None:
    write_run(tmp_path, arrays=False, finished=False)
    assert verdict(load_content(tmp_path).boards[0]) == ["No run of this table is done."]
    write_run(tmp_path, arrays=False)
    write_run(tmp_path, algo="boda", arrays=False)
    assert "cannot be told" in " ".join(verdict(load_content(tmp_path).boards[0]))


def test_the_command_names_what_was_run(tmp_path: Path) -> None:
    for seed in (0, 3):
        write_run(tmp_path, algo="boda", label="boda[weight=0.5]", seed=seed, arrays=False,
                  options={"ratio": 50})  # fmt: skip
    command = run_commands(load_content(tmp_path).boards[0])[0]
    assert "--algo 'boda[weight=0.5]'" in command
    assert "--dataset 'digits-mini-mlt[ratio=50]' --seeds 0,3 --backbone digits-cnn" in command


def column(browser: Any, number: int) -> list[str]:
    rows = "[...document.querySelector('table').tBodies[0].rows]"
    return browser.execute_script(f"return {rows}.map(r => r.cells[{number}].innerText)")


@needs_browser
def test_a_click_on_a_heading_sorts_and_missing_values_stay_below(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    before = column(browser, 0)
    assert before[0] == "boda"
    assert before[-1] == "never"
    heads = browser.find_elements("css selector", "table:first-of-type thead button")
    heads[0].click()
    assert column(browser, 0) == sorted(before)
    assert heads[0].find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    for click, reverse in ((1, True), (2, False)):
        heads[4].click()
        values = [float(text.split()[0]) for text in column(browser, 4) if text != "—"]
        assert values == sorted(values, reverse=reverse), click
        assert column(browser, 0)[-1] == "never"
    assert heads[0].find_element("xpath", "..").get_attribute("aria-sort") is None


@needs_browser
def test_keys_walk_the_table_and_show_the_seeds(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(page.as_uri())
    cell = browser.find_element("css selector", "td[tabindex='0']")
    browser.execute_script("arguments[0].focus()", cell)
    tip = browser.find_element("id", "tip")
    assert tip.is_displayed()
    first = tip.text
    assert first.splitlines()[0].startswith("seed 0: ")
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert tip.text != first
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()


@needs_browser
def test_light_and_dark(browser: Any, page: Path) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    seen = set()
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.get(page.as_uri())
        seen.add(browser.execute_script(paper))
        browser.find_element("id", "theme").click()
        assert browser.execute_script(paper) != browser.execute_script(
            "const r = document.documentElement; r.dataset.theme = arguments[0]; " + paper, scheme
        )
    assert len(seen) == 2


@needs_browser
@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_the_page_fits_the_screen(browser: Any, page: Path, scheme: str, width: int) -> None:
    check_fits(browser, page.as_uri(), scheme, width)


@needs_browser
def test_nothing_goes_wrong_in_the_browser(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= browser.execute_script("return innerWidth")
    loaded = "return [...document.images].every(i => i.complete && i.naturalWidth > 50)"
    assert browser.execute_script(loaded)
