"""Numbers, names and pictures on the page of errors, computed again from ``predictions.npz``."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltbench.report.errors_page import errors_report
from ltbench.report.page import page as write
from ltbench.report.run_errors import read_errors
from ltbench.report.thumbnails import Thumbnails
from ltbench.testing import write_run

DOMAINS = ("forest", "town", "coast")
CLASSES = 5


def pixels(image: int) -> np.ndarray:
    """Return a picture whose size tells which image it is."""
    return np.full((4 + image % 11, 4 + image // 11, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    """Return the folder of a run that is wrong in many ways, and its page."""
    from ltbench.data.tested_images import TestedImages

    root = tmp_path_factory.mktemp("wrong")
    folder = write_run(root, classes=CLASSES, domains=DOMAINS, per_class=8, skill=0.45)
    for name, key in (("predictions.npz", "class"), ("logits.npz", "test_class")):
        with np.load(folder / name) as kept:
            arrays = dict(kept)
        arrays[key][::7] = 0  # so that classes have different numbers of images
        np.savez(folder / name, **arrays)
    found = read_errors(folder)
    thumbnails = Thumbnails(TestedImages(found.names, "", pixels), 10**7)
    return folder, write(errors_report(found, thumbnails, command="ltbench errors"))


def section_of(page: str, heading: str) -> str:
    """Return the part of a page below a heading."""
    found = re.search(rf'<h2 id="head-\d+">{heading}</h2>(.*?)</section>', page, re.S)
    assert found, heading
    return found[1]


def rows_of(section: str) -> list[list[str]]:
    """Return the cells of a section's table."""
    body = section.partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")[:-1]]


def answers(folder: Path, domain: str) -> dict[str, np.ndarray]:
    """Return places, classes, answers and confidence of a domain's test images, or of all."""
    with np.load(folder / "predictions.npz") as kept:
        arrays = dict(kept)
    chosen = np.full(len(arrays["class"]), True)
    if domain:
        chosen = arrays["domain"] == DOMAINS.index(domain)
    places = np.flatnonzero(chosen)
    return {"place": places, **{name: values[places] for name, values in arrays.items()}}


def heading(title: str, domain: str) -> str:
    return f"{title}, {domain}" if domain else title


@pytest.mark.parametrize("domain", ["", *DOMAINS])
def test_the_most_confused_pairs_are_those_of_the_answers(made, domain):
    folder, page = made
    of = answers(folder, domain)
    pairs = list(zip(of["class"].tolist(), of["prediction"].tolist(), strict=True))
    counts, sizes = Counter(pairs), Counter(of["class"].tolist())
    wrong = {pair: number for pair, number in counts.items() if pair[0] != pair[1]}
    assert len(set(wrong.values())) > 2
    section = section_of(page, heading("Most confused classes", domain))
    rows = rows_of(section)
    shown = [tuple(int(name.removeprefix("class ")) for name in row[:2]) for row in rows]
    assert len(shown) == len(set(shown)) == min(20, len(wrong))
    assert set(shown) <= set(wrong)
    for (y, guess), row in zip(shown, rows, strict=True):
        share = 100 * wrong[y, guess] / sizes[y]
        assert row[2:] == [str(wrong[y, guess]), f"{share:.1f}", str(counts[guess, y])]
    assert any(row[4] not in (row[2], "0") for row in rows)
    order = [(wrong[pair], wrong[pair] / sizes[pair[0]]) for pair in shown]
    assert order == sorted(wrong_order(wrong, sizes), reverse=True)[: len(shown)]

    heads = re.findall(r"<h3>(.*?)</h3>", section)
    assert heads == [
        f"class {y} taken for class {guess}: {row[2]} image{'s' * (row[2] != '1')}, "
        f"{row[3]} % of the class"
        for (y, guess), row in zip(shown[:10], rows, strict=False)
    ]
    galleries = re.findall(r'<ul class="gallery">(.*?)</ul>', section, re.S)
    for (y, guess), gallery in zip(shown[:10], galleries, strict=True):
        hit = np.flatnonzero((of["class"] == y) & (of["prediction"] == guess))
        hit = hit[np.argsort(-of["confidence"][hit], kind="stable")][:4]
        check_gallery(gallery, of, hit)


def wrong_order(wrong: dict[tuple[int, int], int], sizes: Counter) -> list[tuple[int, float]]:
    return [(number, number / sizes[y]) for (y, _), number in wrong.items()]


def check_gallery(gallery: str, of: dict[str, np.ndarray], hit: np.ndarray) -> None:
    """Check names, sureness and pictures of a gallery."""
    places = of["place"][hit].tolist()
    names = [f"test/{place}.png" for place in places]
    assert re.findall(r"<small>(.*?)</small>", gallery) == names
    assert re.findall(r'alt="(.*?)"', gallery) == names
    sure = re.findall(r"([\d.]+) % sure", gallery)
    assert sure == [f"{100 * float(p):.1f}" for p in of["confidence"][hit]]
    pictures = [
        Image.open(io.BytesIO(base64.b64decode(text)))
        for text in re.findall(r"base64,([^\"]+)", gallery)
    ]
    assert [(p.height, p.width) for p in pictures] == [pixels(n).shape[:2] for n in places]


@pytest.mark.parametrize("domain", ["", *DOMAINS])
def test_the_classes_have_the_numbers_of_their_domain(made, domain):
    folder, page = made
    of, trained = answers(folder, domain), read_errors(folder).answers.counts
    counts = trained[DOMAINS.index(domain)] if domain else trained.sum(axis=0)
    expected = {}
    for c in range(CLASSES):
        hits = int(((of["class"] == c) & (of["prediction"] == c)).sum())
        actual, taken = int((of["class"] == c).sum()), int((of["prediction"] == c).sum())
        expected[f"class {c}"] = [
            f"{100 * hits / actual:.1f}",
            f"{100 * hits / taken:.1f}",
            f"{200 * hits / (actual + taken):.1f}",
            str(actual),
            str(counts[c]),
        ]
    rows = rows_of(section_of(page, heading("Classes", domain)))
    assert {row[0]: row[1:6] for row in rows} == expected
    recalls = [float(row[1]) for row in rows]
    assert recalls == sorted(recalls)
