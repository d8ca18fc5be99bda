"""Tiny trees in the published formats, and a run of three steps on a data set."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from ltbench.api import Dataset, Facts, Split
from ltbench.cli.data import data
from ltbench.cli.main import cli
from ltbench.data.catalogue import open_dataset
from ltbench.data.store import open_store
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.names import parse_name

Tree = Callable[..., None]

# For the writers that the tests of this folder share.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LTBENCH_DATA", str(tmp_path / "data"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def write_image() -> Callable[[Path], None]:
    """Write a small noisy JPEG (or whatever the name says) that depends on its name."""

    def write(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = sum(path.name.encode())
        pixels = np.random.default_rng(seed).integers(0, 256, (24, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)

    return write


@dataclass
class Mirror:
    """A folder that is served on this machine, in place of the addresses in the registry.

    Attributes:
        folder: the files to serve.
        url: its address.
        asked: the paths that were asked for, in order.
        patch: undoes itself after the test.
    """

    folder: Path
    url: str
    asked: list[str]
    patch: pytest.MonkeyPatch

    def stand_for(self, name: str, **changes: Any) -> Facts:
        """Let the sources of a data set point here, with the checksums of what lies here.

        Each file has a first mirror that does not have it. ``changes`` replace other facts: fewer
        images have other counts.
        """
        facts = registry_facts(name)
        local = dataclasses.replace(facts, sources=tuple(map(self._local, facts.sources)))
        local = dataclasses.replace(local, **changes)
        self.patch.setattr("ltbench.plugins.dataset.registry_facts", lambda _: local)
        return local

    def _local(self, source: dict[str, Any]) -> dict[str, Any]:
        file = source["file"]
        urls = [f"{self.url}/gone/{file}", f"{self.url}/{file}"]
        path = self.folder / file
        content = path.read_bytes() if path.exists() else b""
        known = {k: hashlib.new(k, content).hexdigest() for k in ("sha256", "md5")}
        known["size"] = len(content)
        return {**source, "urls": urls, **{k: known[k] for k in known.keys() & source.keys()}}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """Serve a folder on this machine."""
    folder, asked = tmp_path / "mirror", []
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_: object) -> None:
            asked.append(self.path)

        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield Mirror(folder, f"http://127.0.0.1:{server.server_address[1]}", asked, monkeypatch)
        server.shutdown()


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the checksums out of the registry, for files of the published size but not content."""

    def unsigned(name: str) -> Facts:
        facts = registry_facts(name)
        sources = tuple({k: v for k, v in s.items() if k != "md5"} for s in facts.sources)
        details = copy.deepcopy(facts.details)
        details.get("layout", {}).pop("md5", None)
        return dataclasses.replace(facts, sources=sources, details=details)

    monkeypatch.setattr("ltbench.plugins.dataset.registry_facts", unsigned)


@pytest.fixture
def ltbench() -> Callable[..., Result]:
    """Type ``ltbench data …`` and check the code it leaves with."""

    def typed(*arguments: str, code: int = 0) -> Result:
        if "data" not in cli.commands:
            cli.add_command(data)
        result = CliRunner().invoke(cli, ["data", *arguments])
        assert result.exit_code == code, result.output
        assert code or not result.exception, result.exception
        return result

    return typed


@pytest.fixture
def open_named(data_dir: Path) -> Callable[[str], tuple[Dataset, Split]]:
    return lambda name: open_dataset(parse_name(name), data_dir)


@pytest.fixture
def train(data_dir: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Plan, decode, train three steps on small images, evaluate; returns ``result.json``."""

    def three_steps(name: str, algo: str = "erm", **request: Any) -> dict[str, Any]:
        from ltbench.session.plan import Request, plan_runs
        from ltbench.training.job import Job
        from ltbench.training.run import execute

        overrides = {"steps": 3, "batch_per_domain": 2, "image_size": 32}
        request = {"backbone": "resnet32", "pretrained": False, **request}
        overrides |= request.pop("overrides", {})
        asked = Request([algo], [name], [0], "fp32", data_dir, overrides, **request)
        plan = plan_runs(asked)
        for dataset, split in plan.datasets:
            open_store(dataset, split)
        (spec,) = plan.specs
        folder = spec.folder(tmp_path / "runs")
        result = execute(Job(spec, folder, data_dir, "cpu", 1), lambda _: None, lambda: False)
        assert "error" not in result, result["traceback"]
        assert json.loads((folder / "result.json").read_text())["test"] == result["test"]
        return result

    return three_steps
