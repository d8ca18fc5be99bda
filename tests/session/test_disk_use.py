"""What is said of the disk before a sweep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltbench.results.logits import expected_bytes, kept_logits, write_logits
from ltbench.session.disk_use import disk_use, logits_bytes
from ltbench.session.plan import Plan, Request, plan_runs


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    request = Request(["erm"], ["tiny-mlt"], range(3), "fp32", tmp_path, {})
    return replace(plan_runs(request), out=tmp_path)


def with_images(plan: Plan, images: int, classes: int) -> Plan:
    counts = {part: [[images // classes] * classes] for part in ("train", "val", "test")}
    data = {**plan.specs[0].data, "counts": counts, "classes": ["c"] * classes}
    return replace(plan, specs=tuple(replace(spec, data=data) for spec in plan.specs))


def test_small_sweeps_say_nothing_and_large_ones_how_much(plan):
    assert disk_use(plan) == []
    (sentence,) = disk_use(with_images(plan, 20_000, 1000))
    assert "about 241 MB" in sentence  # 3 runs of 40,000 images
    assert "clean" in sentence
    (sentence,) = disk_use(replace(with_images(plan, 20_000, 1000), sweep_size=16))
    assert "about 3.9 GB" in sentence


def test_runs_that_are_done_do_not_count(plan):
    large = with_images(plan, 20_000, 1000)
    before = logits_bytes(large)
    folder = large.specs[0].folder(plan.out)
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{}")
    assert logits_bytes(large) == pytest.approx(before * 2 / 3)


@pytest.mark.parametrize("classes", [10, 300, 2000])
def test_what_is_said_is_what_is_written(tmp_path, classes):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(800, classes)) * 3, rng.integers(classes, size=800)
    names = np.array([f"folder_{c:04}/image_{i:06}.jpg" for i, c in enumerate(y)])
    path = tmp_path / "logits.npz"
    write_logits(path, {"test": kept_logits(z, y, y % 3, names)})
    assert path.stat().st_size == pytest.approx(expected_bytes(800, classes), rel=0.35)
