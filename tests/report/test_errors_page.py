"""``ltbench errors``: the page of what a run got wrong, in the shell and in a browser."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from chromium import SCREENS, browser, check_fits, needs_browser, screen
from click.testing import CliRunner
from PIL import Image

from ltbench.cli.errors import errors
from ltbench.cli.main import cli
from ltbench.cli.report import report
from ltbench.cli.run import run as train
from ltbench.report.thumbnails import overlaid
from ltbench.results.index import read_runs
from ltbench.testing import write_run
from ltbench.training.trained_model import load_trained

__all__ = ["browser"]

CLASSES = ("a b", "蛾 [x]", "<script>alert(1)<", "tick `n' dot.")
DOMAINS = ("forest", "town <i>&")


@pytest.fixture(scope="module")
def moths(tmp_path_factory) -> Path:
    """Train a run on pictures with odd names for a moment; return the folder of all."""
    root = tmp_path_factory.mktemp("moths")
    rng = np.random.default_rng(0)
    for domain in DOMAINS:
        for k, name in enumerate(CLASSES):
            folder = root / "photos" / domain / name
            folder.mkdir(parents=True)
            for i in range(12 - 2 * k):
                image = rng.integers(0, 200, (30 + i, 40, 3), dtype=np.uint8)
                image[..., k % 3] //= 2
                suffix = "PNG" if i % 2 else "jpg"
                Image.fromarray(image).save(folder / f'no {i} "><img src=x> {k}.{suffix}')
    run(
        "run --algo erm --seeds 1 --steps 3 --eval-every 3 --batch-size 8 --precision fp32 --quiet"
        " --backbone digits-cnn-narrow --no-pretrained --no-leaderboard --image-size 28",
        "--dataset", f"image-folder[root={root / 'photos'}]", "--out", str(root / "runs"),
    )  # fmt: skip
    return root


def run(words: str, *more: str, code: int = 0):
    for command in (errors, report, train):
        if command.name not in cli.commands:
            cli.add_command(command)
    found = CliRunner().invoke(cli, [*words.split(), *more])
    assert found.exit_code == code, found.output
    return found


def folder_of(moths: Path) -> Path:
    return Path(read_runs(moths / "runs")[0].path)


@pytest.fixture(scope="module")
def page(moths) -> Path:
    output = moths / "new folder" / "errors.html"
    run("errors erm@image-folder --maps --device cpu", "--runs", str(moths / "runs"),
        "-o", str(output))  # fmt: skip
    return output


class Tags(HTMLParser):
    """Collects what elements there are, and what addresses they name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.alts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.seen.append(tag)
        self.addresses += [given[key] for key in ("src", "href") if key in given]
        self.alts += [given["alt"]] if "alt" in given else []


def wrong_names(folder: Path) -> list[str]:
    """Return the images that the run got wrong, the surest first."""
    with np.load(folder / "predictions.npz") as p, np.load(folder / "logits.npz") as kept:
        wrong = np.flatnonzero(p["class"] != p["prediction"])
        order = np.argsort(-p["confidence"][wrong], kind="stable")
        return [str(name) for name in kept["test_image"][wrong[order]]]


def test_the_page_asks_nothing_of_anyone_and_names_stay_text(moths, page):
    text = page.read_text(encoding="utf-8")
    tags = Tags(text)
    assert tags.seen.count("script") == 1
    assert all(address.startswith(("data:", "#")) for address in tags.addresses)
    assert "<img src=x>" not in text
    assert "default-src 'none'" in text
    for name in (*CLASSES, *DOMAINS):
        assert html.escape(name, quote=False) in text.replace("&#39;", "'").replace("&#34;", '"')


def test_the_surest_wrong_answers_come_first_with_picture_and_map(moths, page):
    text = page.read_text(encoding="utf-8")
    part = text.partition('">Most confident wrong answers</h2>')[2].partition("</section>")[0]
    shown = [html.unescape(name) for name in re.findall(r"<small>(.*?)</small>", part)]
    assert shown == wrong_names(folder_of(moths))[:24]
    images = re.findall(r'src="data:image/webp;base64,([^"]+)"', part)
    assert len(images) == 2 * len(shown)
    with Image.open(io.BytesIO(base64.b64decode(images[0]))) as picture:
        original = Image.open(moths / "photos" / shown[0])
        ratio = original.width / original.height
        assert picture.width / picture.height == pytest.approx(ratio, abs=0.1)
        mean, expected = (np.asarray(i.convert("RGB")).mean((0, 1)) for i in (picture, original))
        assert np.abs(mean - expected).max() < 12
    assert "Grad-CAM" in text


def test_maps_of_a_transformer_are_those_of_its_last_tokens_that_count(moths, tmp_path):
    run(
        "run --algo erm --seeds 1 --steps 2 --eval-every 2 --batch-size 8 --precision fp32 --quiet"
        " --backbone test_vit --no-pretrained --no-leaderboard --image-size 64 --device cpu",
        "--dataset", f"image-folder[root={moths / 'photos'}]", "--out", str(tmp_path / "runs"),
    )  # fmt: skip
    folder, out = Path(read_runs(tmp_path / "runs")[0].path), tmp_path / "page.html"
    run("errors", str(folder), "--maps", "--device", "cpu", "-o", str(out))
    text = out.read_text(encoding="utf-8")
    assert "Grad-CAM" in text
    part = text.partition('">Most confident wrong answers</h2>')[2].partition("</section>")[0]
    names = [html.unescape(name) for name in re.findall(r"<small>(.*?)</small>", part)]
    assert names == wrong_names(folder)[:24]
    pictures = re.findall(r'src="data:image/webp;base64,([^"]+)"', part)
    assert len(pictures) == 2 * len(names)
    model = load_trained(folder)
    for name, encoded in zip(names, pictures[1::2], strict=True):
        pixels = np.asarray(Image.open(moths / "photos" / name).convert("RGB"))
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as shown:
            drawn = np.asarray(shown.convert("RGB")).astype(float)
        seen = model.transform(pixels).numpy().transpose(1, 2, 0)
        seen = (255 * (seen * model.facts.std + model.facts.mean)).round().astype(np.uint8)
        strength = token_map(model, pixels)
        assert strength.shape == (4, 4)
        expected = overlaid(seen, strength)
        assert np.abs(coarse(drawn) - coarse(expected)).mean() < 4
        turned = overlaid(seen, strength[::-1, ::-1])
        assert np.abs(coarse(drawn) - coarse(turned)).mean() > 6


def coarse(pixels: np.ndarray) -> np.ndarray:
    """Return the mean colours of squares of 8 × 8 pixels, which compression leaves as they are."""
    return pixels.reshape(8, 8, 8, 8, 3).mean((1, 3))


def token_map(model, pixels: np.ndarray) -> np.ndarray:
    """Return the Grad-CAM of the answer at the last tokens that the class token attends to."""
    import torch

    (block,) = [
        module for name, module in model.algorithm.named_modules() if name.endswith("blocks.5")
    ]
    kept = []
    hook = block.norm1.register_forward_hook(lambda *given: kept.append(given[2]))
    z = model.algorithm.predict(model.transform(pixels)[None].requires_grad_())
    hook.remove()
    (gradient,) = torch.autograd.grad(z.max(), kept[0])
    tokens, slope = (one[0, -16:].detach().numpy() for one in (kept[0], gradient))
    found = np.maximum(tokens @ slope.mean(0), 0).reshape(4, 4)
    return found / found.max()


def test_each_domain_has_its_own_part(page):
    text = page.read_text(encoding="utf-8")
    for name in ("", *DOMAINS):
        assert text.count('<section id="part-') == 13
        sections = re.findall(rf'<section [^>]*data-domain="{re.escape(html.escape(name))}"', text)
        assert len(sections) == 4
    assert text.count('alt="Confusion matrix') == 3


def test_images_come_from_what_was_decoded_where_their_files_are_gone(moths, tmp_path, monkeypatch):
    moved = moths / "elsewhere"
    (moths / "photos").rename(moved)
    try:
        out = tmp_path / "page.html"
        found = run("errors", str(folder_of(moths)), "-o", str(out))
        assert "no pictures" not in found.stderr
        assert out.read_text().count('src="data:image/webp') > 20
        monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
        found = run("errors", str(folder_of(moths)), "-o", str(out))
        assert "There are no pictures, and the names of the images stand alone: " in found.stderr
        text = out.read_text()
        assert "There are no pictures" in text
        assert text.count('src="data:image/webp') == 3  # the matrices
        assert html.escape(wrong_names(folder_of(moths))[0]) in text.replace("&#34;", "&quot;")
    finally:
        moved.rename(moths / "photos")


def test_other_images_under_the_same_names_are_not_shown(moths, tmp_path, monkeypatch):
    copied = tmp_path / "moths"
    shutil.copytree(moths / "runs", copied / "runs")
    folder = folder_of(copied)
    spec = json.loads((folder / "spec.json").read_text())
    spec["identity"]["dataset"]["split"] = "0" * 64
    (folder / "spec.json").write_text(json.dumps(spec))
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    found = run("errors", str(folder), "-o", str(tmp_path / "page.html"))
    assert "have changed since the run was tested" in found.stderr


def test_the_report_shows_the_same_of_the_first_method(moths, tmp_path):
    out = tmp_path / "report.html"
    run("report --resamples 0", str(moths / "runs"), "-o", str(out))
    text = out.read_text(encoding="utf-8")
    for title in ("Most confused classes", "Most confident wrong answers", "Classes"):
        assert re.search(f">{title} — [^<]*, erm, seed 0<", text)
    assert "Which classes the first method takes for which" in text
    part = text.partition(">Most confident wrong answers — ")[2].partition("</section>")
    assert len(re.findall(r'src="data:image/webp', part[0])) == 8
    assert "<img src=x>" not in text
    assert "Errors on test images of</label>" in text
    for domain in ("", *DOMAINS):
        shown = re.escape(html.escape(domain))
        parts = re.findall(rf'<section [^>]*data-domain="{shown}".*?</h2>', text, re.S)
        assert len(parts) == 3
        assert all(html.escape(domain) in part.partition("<h2")[2] for part in parts)
    shown = re.findall(r'<section [^>]*data-domain="".*?</section>', text, re.S)
    assert [" writes a page with more of them" in part for part in shown] == [False, False, True]


def test_an_ensemble_has_answers_and_no_network(tmp_path):
    folder = write_run(tmp_path, per_class=4)
    spec = json.loads((folder / "spec.json").read_text())
    spec["identity"]["combined"] = {"kind": "ensemble", "members": [{"seed": 0}, {"seed": 1}]}
    (folder / "spec.json").write_text(json.dumps(spec))
    out = tmp_path / "page.html"
    run("errors", str(folder), "-o", str(out))
    assert re.search(r"<small>test/\d+\.png</small>", out.read_text())
    found = run("errors", str(folder), "--maps", "--device", "cpu", code=2)
    assert "is an ensemble, which has no network of its own" in found.output


def broken(tmp_path: Path, what: str) -> Path:
    """Write a run with something wrong."""
    options = {"failed": {"error": "failed"}, "begun": {"finished": False}}
    folder = write_run(tmp_path, per_class=4, **options.get(what, {}))
    if what == "no answers":
        for name in ("predictions.npz", "logits.npz"):
            (folder / name).unlink()
    if what == "other classes":
        spec = json.loads((folder / "spec.json").read_text())
        spec["data"]["classes"] = spec["data"]["classes"][:7]
        for part, counts in spec["data"]["counts"].items():
            spec["data"]["counts"][part] = [row[:7] for row in counts]
        (folder / "spec.json").write_text(json.dumps(spec))
    return folder


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("failed", "is failed (RuntimeError: loss is NaN), so there are no answers to look at"),
        ("begun", "is unfinished, so there are no answers to look at"),
        ("no answers", "predictions.npz is missing"),
        ("other classes", "its answers are none of 7 classes in 3 domains"),
    ],
)
def test_bad_runs_are_one_sentence(tmp_path, what, sentence):
    folder = broken(tmp_path, what)
    out = tmp_path / "page.html"
    found = CliRunner().invoke(cli, ["errors", str(folder), "-o", str(out)])
    said = " ".join(str(found.exception or "").split()) + " ".join(found.output.split())
    assert found.exit_code != 0
    assert sentence in said
    assert not out.exists()


def test_options_without_effect_are_refused(tmp_path):
    folder = write_run(tmp_path, per_class=2)
    found = run("errors", str(folder), "--device", "cpu", code=2)
    assert "--device says where --maps computes" in found.output
    found = run("errors nowhere --runs", str(tmp_path), code=2)
    assert "'nowhere' is no folder of a run, nor METHOD@DATASET" in found.output


@needs_browser
def test_the_switch_by_keyboard_at_500_pixels_in_the_dark(browser, page):
    with screen(browser, "dark", 500):
        browser.get(page.as_uri())
        visible = (
            "return [...document.querySelectorAll('section')].filter(s => s.offsetHeight)"
            ".map(s => s.dataset.domain ?? null)"
        )
        assert browser.execute_script(visible) == ["", "", "", "", None]
        from selenium.webdriver.common.keys import Keys

        switch = browser.find_element("id", "domain")
        assert switch.is_displayed()
        browser.execute_script("arguments[0].focus()", switch)
        for name in DOMAINS:
            browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
            assert browser.execute_script(visible) == [name] * 4 + [None]
            links = browser.find_elements("css selector", "nav li")
            assert sum(link.is_displayed() for link in links) == 5
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= browser.execute_script("return innerWidth")
        assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == (
            "rgb(13, 17, 23)"
        )
        loaded = "return [...document.images].every(i => i.complete && i.naturalWidth > 10)"
        assert browser.execute_script(loaded)
        assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


@needs_browser
@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_every_part_of_the_page_fits_the_screen(browser, page, scheme, width):
    for place in range(1 + len(DOMAINS)):
        script = (
            "const choice = document.getElementById('domain');"
            f"choice.selectedIndex = {place}; choice.dispatchEvent(new Event('change'))"
        )
        check_fits(browser, page.as_uri(), scheme, width, script)


@needs_browser
@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_the_report_with_pictures_fits_the_screen(browser, moths, tmp_path, scheme, width):
    out = tmp_path / "report.html"
    run("report --resamples 0", str(moths / "runs"), "-o", str(out))
    check_fits(browser, out.as_uri(), scheme, width)


@needs_browser
def test_a_click_sorts_the_classes(browser, page):
    browser.get(page.as_uri())
    table = browser.find_elements("css selector", "section:not([hidden]) table")[1]
    head = table.find_elements("css selector", "thead button")[0]
    head.click()
    names = [row.text for row in table.find_elements("css selector", "tbody th")]
    assert names == sorted(names, key=lambda name: name.lstrip("<").lower())


def test_the_page_of_345_classes_in_six_domains_stays_small(tmp_path):
    from ltbench.data.tested_images import TestedImages
    from ltbench.report.errors_page import PICTURES_ROOM, errors_report, shown_images
    from ltbench.report.page import page as write
    from ltbench.report.run_errors import read_errors
    from ltbench.report.thumbnails import Thumbnails

    folder = write_run(
        tmp_path, classes=345, domains=[f"domain {d}" for d in range(6)], per_class=3, skill=0.4
    )
    found = read_errors(folder)
    rng = np.random.default_rng(0)

    def noise(image: int) -> np.ndarray:  # which no format makes small
        return rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)

    images = TestedImages(found.names, "", noise)
    chosen = shown_images(found)
    maps = {image: noise(image) for image in chosen}
    thumbnails = Thumbnails(images, PICTURES_ROOM // 3, maps)
    text = write(errors_report(found, thumbnails, command="ltbench errors"))
    assert len(text.encode()) < 10_000_000 - 2 * PICTURES_ROOM // 3
    assert thumbnails.spent
    assert "Some images stand without a picture" in text
    assert text.count('alt="Confusion matrix') == 7
