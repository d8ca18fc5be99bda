"""The pages on long-tail algorithms and stages name every one, and their costs are true."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from ltbench_longtail.plugin import ALGORITHMS
from ltbench_stages.plugin import STAGES

from ltbench.evaluation.cost import multiply_adds, parameter_count
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import parse_name
from ltbench.testing import train_info

DOCS = Path(__file__).parents[3] / "docs" / "algorithms"
LONG_TAIL = (DOCS / "longtail.md").read_text(encoding="utf-8")
SIZES = {"digits-cnn": (28, 10), "resnet50": (224, 65)}
COST = re.compile(r"^\| `([^`]+)` \| ([\w-]+), \d+ classes \| ([\d.]+) \| (\d+) \|$", re.M)


@pytest.mark.parametrize(("page", "table"), [("longtail", ALGORITHMS), ("stages", STAGES)])
def test_every_name_has_its_row(page: str, table: dict[str, tuple[str, str]]) -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \|", text.partition("## Cost")[0], re.M)
    assert sorted(rows) == sorted(table)


@pytest.mark.parametrize(("name", "backbone", "millions", "macs"), COST.findall(LONG_TAIL))
def test_costs_are_those_measured(name: str, backbone: str, millions: str, macs: str) -> None:
    size, classes = SIZES[backbone]
    info = replace(train_info([[5] * classes]), image_shape=(3, size, size))
    parsed = parse_name(name)
    cls = get_plugins()["algorithms"].get(parsed.name).load()
    hparams = cls.HParams.from_options(parsed.options, name)
    model = cls(build_backbone(backbone, info.image_shape, False), info, hparams)
    assert f"{parameter_count(model) / 1e6:.2f}" == millions
    assert f"{multiply_adds(model) / 1e6:.0f}" == macs
