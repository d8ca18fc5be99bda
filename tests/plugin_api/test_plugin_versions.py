"""Which distributions are part of a run's identity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ltbench.api import Algorithm, PluginError
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.plugins.source_code import source_sha256
from ltbench.results.run import Component
from ltbench.testing import plan_small, register_small_data
from ltbench.testing.small_model import SmallBackbone
from ltbench.training.plugin_versions import check_plugin_versions, plugin_versions

SMALL = ("datasets", Component("small-mlt", {}))


class Mine(Algorithm):
    """A loss on logits (2026)."""


class Net(SmallBackbone):
    """A network (2026)."""


@pytest.fixture(autouse=True)
def _others() -> Iterator[None]:
    register_small_data()
    plugins = get_plugins()
    plugins["algorithms"].add(Entry("algorithm", "mine", Mine, "", "their-loss", "1.5"))
    plugins["backbones"].add(Entry("backbone", "net", Net, "", "their-net", "2.0"))
    yield
    get_plugins.cache_clear()


def algorithm(name: str, **hparams: object) -> tuple[str, Component]:
    return "algorithms", Component(name, hparams)


def test_ltbenchs_own_version_is_left_out():
    assert plugin_versions([algorithm("erm"), SMALL], "digits-cnn") == {}


def test_algorithms_stages_data_sets_and_backbones_count():
    used = plugin_versions(
        [algorithm("mine"), ("stages", Component("crt")), ("datasets", Component("tiny-mlt"))],
        "net",
    )
    code = source_sha256(__name__)
    tiny = f"1.0 {source_sha256('tiny_mlt_dataset')}"
    assert used == {"their-loss": f"1.5 {code}", "their-net": f"2.0 {code}", "tiny-mlt": tiny}


def test_a_backbone_that_is_a_model_of_timm_has_no_distribution():
    assert plugin_versions([algorithm("erm"), SMALL], "resnet10t") == {}


def test_a_loss_inside_a_method_counts():
    assert plugin_versions([algorithm("coral", loss="mine"), SMALL], "digits-cnn") == {
        "their-loss": f"1.5 {source_sha256(__name__)}"
    }
    assert plugin_versions([algorithm("coral", loss="ldam[s=10]"), SMALL], "digits-cnn") == {}


def test_two_files_of_one_name_both_count():
    plugins = get_plugins()
    plugins["algorithms"].add(Entry("algorithm", "a", Mine, "", "idea.py", "aaa"))
    plugins["backbones"].add(Entry("backbone", "b", Net, "", "idea.py", "bbb"))
    assert plugin_versions([algorithm("a"), SMALL], "b") == {"idea.py": "aaa+bbb"}


def test_a_plan_holds_them_and_first_party_runs_have_none():
    code = source_sha256(__name__)
    assert plan_small("mine").identity()["plugins"] == {"their-loss": f"1.5 {code}"}
    assert "plugins" not in plan_small("boda+crt").identity()


def test_another_version_where_it_runs_is_refused():
    spec = plan_small("mine")
    check_plugin_versions(spec)
    check_plugin_versions(replace(spec, plugins={"their-loss": "1.5"}))  # of an older ltbench
    with pytest.raises(PluginError, match=r"their-loss was 1\.4 when the run was planned"):
        check_plugin_versions(replace(spec, plugins={"their-loss": "1.4"}))
    with pytest.raises(PluginError, match=r"their-loss was absent when .* and is 1\.5"):
        check_plugin_versions(replace(spec, plugins={}))
