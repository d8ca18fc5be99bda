"""Models of the Hugging Face hub: from the cache without a network, else one sentence at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from hub_cache import COMMIT, MODEL, PREPROCESSING, config, write_repository
from huggingface_hub import constants

from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone, check_backbone, pinned_backbone
from ltbench.models.hub import cached_names, is_hub_name
from ltbench.models.timm_source import timm_source
from ltbench.session.plan import Request, plan_runs

NAME = "hf-hub:tester/tiny"
PINNED = f"{NAME}@{COMMIT}"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    # A look at the network is a failure of the test.
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return folder


def specification(**options):
    request = Request(["erm"], ["tiny-mlt"], [0], "fp32", Path("/nowhere"), **options)
    (spec,) = plan_runs(request).specs
    return spec


def test_what_is_in_the_cache_is_used(hub: Path) -> None:
    state = write_repository(hub, "tester/tiny")
    model = build_backbone(NAME, (3, 32, 32), pretrained=True)
    assert torch.equal(model.model.state_dict()["conv1.0.weight"], state["conv1.0.weight"])
    assert model.preprocessing.mean == tuple(PREPROCESSING["mean"])
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, model.num_features)
    fresh = build_backbone(NAME, (3, 32, 32), pretrained=False)
    assert not torch.equal(fresh.model.conv1[0].weight, state["conv1.0.weight"])
    grey = build_backbone(NAME, (1, 32, 32), pretrained=True)
    summed = state["conv1.0.weight"].sum(1, keepdim=True)
    assert torch.allclose(grey.model.conv1[0].weight, summed, atol=1e-5)


def test_weights_of_timms_own_come_from_the_cache_too(hub: Path) -> None:
    state = write_repository(hub, f"timm/{MODEL}.r160_in1k")
    whole = build_backbone(MODEL, (3, 32, 32), pretrained=True).model.state_dict()
    assert all(torch.equal(whole[key], state[key]) for key in whole)


def test_a_run_holds_the_commit_and_the_preprocessing(hub: Path) -> None:
    write_repository(hub, "tester/tiny")
    spec = specification(backbone=NAME)
    assert spec.backbone.name == PINNED
    assert spec.backbone.pretrained  # who names weights means them
    assert spec.backbone.preprocessing == {**PREPROCESSING, "interpolation": "bicubic"}
    assert specification(backbone=PINNED).hash == spec.hash
    assert specification(backbone=f"{NAME}@main").hash == spec.hash
    scratch = specification(backbone=NAME, pretrained=False)
    assert (scratch.backbone.pretrained, scratch.backbone.preprocessing) == (False, {})
    typed = specification(protocol=f"[backbone='{NAME}',pretrained=false]")
    assert typed.hash == scratch.hash


def test_another_commit_is_another_run(hub: Path) -> None:
    write_repository(hub, "tester/tiny")
    before = specification(backbone=NAME)
    write_repository(hub, "tester/tiny", commit="f" * 40, seed=1)
    assert specification(backbone=NAME).hash != before.hash
    assert specification(backbone=PINNED).hash == before.hash


def test_names(hub: Path) -> None:
    write_repository(hub, "tester/tiny")
    assert cached_names() == [NAME]
    assert check_backbone("hf_hub:tester/tiny") == NAME
    assert is_hub_name("HF-HUB:a/b")
    assert not is_hub_name("resnet50")
    assert pinned_backbone("resnet50") == "resnet50"
    for bad in (
        "hf-hub:", "hf-hub:tiny", "hf-hub:a/b/c", "hf-hub:../b", "hf-hub:a/..", "hf-hub:a/b@",
        "hf-hub:a/b@c@d", "hf-hub:a/b\x1b[2J", "hf-hub:a/b@../c",
    ):  # fmt: skip
        with pytest.raises(UsageError, match="names no repository"):
            check_backbone(bad)
    for other in ("tester/tiny", "local-dir:/x", "https://a/b"):
        with pytest.raises(UsageError, match="hf-hub:ORGANISATION/MODEL"):
            check_backbone(other)


BAD = [
    ("{", "is not JSON"),
    ("[" * 100_000, "is not JSON"),
    ("3", "is not a JSON object"),
    ({}, "names no architecture"),
    (config(architecture="BertModel"), "names no architecture"),
    (config(architecture=["resnet18"]), "names no architecture"),
    (config(pretrained_cfg=[]), "'pretrained_cfg' is not an object"),
    (config(pretrained_cfg={"mean": [0.5] * 3}), "go together"),
    (config(pretrained_cfg={"num_classes": "7"}), "'num_classes'"),
    (config(pretrained_cfg={"input_size": [3, 10**9, 1]}), "'input_size'"),
    (config(model_args=[]), "'model_args' is not an object"),
    (config(model_args={"checkpoint_path": "/etc/passwd"}), "which is no setting"),
    (config(model_args={"pretrained_cfg": "x"}), "which is no setting"),
    (config(model_args={"__class__": 1}), "which is no setting"),
    (config(model_args={"depth": {"a": 1}}), "which is no setting"),
]


@pytest.mark.parametrize(("document", "says"), BAD)
def test_a_hostile_configuration_is_one_sentence(hub: Path, document, says) -> None:
    write_repository(hub, "tester/tiny", document)
    with pytest.raises(UsageError, match=says) as caught:
        timm_source(NAME)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_arguments_of_the_model_are_its_own(hub: Path) -> None:
    write_repository(
        hub, "tester/tiny", config(model_args={"drop_rate": 0.25, "num_classes": 9, "img_size": 99})
    )
    assert dict(timm_source(NAME).arguments) == {"drop_rate": 0.25}
    assert build_backbone(NAME, (3, 32, 32), pretrained=True).model.drop_rate == 0.25


class Answers(BaseHTTPRequestHandler):
    """Answers as the hub does where something is not to be had."""

    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        status, code = {
            "gone": (404, "RepoNotFound"),
            "private": (401, ""),
            "gated": (403, "GatedRepo"),
            "empty": (404, "EntryNotFound"),
            "old": (404, "RevisionNotFound"),
            "broken": (503, ""),
        }[self.path.split("/")[2]]
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    Answers.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def ltbench(*words: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], float]:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "ltbench", *words],
        capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=100,
    )  # fmt: skip
    return done, time.monotonic() - began


RUN = ("run", "--algo", "erm", "--dataset", "tiny-mlt", "--seeds", "1", "--out", "/nowhere")


@pytest.mark.parametrize(
    ("repository", "says"),
    [
        ("gone", "has no repository t/gone that you may read: check the name"),
        ("private", "has no repository t/private that you may read: check the name"),
        ("gated", "t/gated is there for those alone who accepted its terms"),
        ("empty", "t/empty has no config.json"),
        ("old", "t/old has no revision v1"),
        ("broken", "does not give config.json of t/broken"),
    ],
)
def test_what_the_hub_refuses_is_said_once(server, tmp_path, repository, says) -> None:
    name = f"hf-hub:t/{repository}" + ("@v1" if repository == "old" else "")
    before = len(Answers.asked)
    done, _ = ltbench(*RUN, "--backbone", name, HF_ENDPOINT=server, HF_HUB_CACHE=str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert says in line
    # Without timm's configuration there may be open_clip's.
    assert len(Answers.asked) == before + (2 if repository == "empty" else 1)


def test_without_a_connection_the_sentence_comes_at_once(tmp_path) -> None:
    """The client of the hub alone would try six times in 23 seconds, each with two lines."""
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path)}
    done, seconds = ltbench(*RUN, "--backbone", "hf-hub:t/x", **nowhere)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "config.json of t/x is not in the cache" in line
    assert "there is no connection to 127.0.0.1:9" in line
    assert "hf download t/x" in line
    assert seconds < 20  # of which the import of the client is one, on a machine with other work
    done, _ = ltbench(*RUN, "--backbone", "hf-hub:t/x", HF_HUB_OFFLINE="1", **nowhere)
    assert "HF_HUB_OFFLINE forbids to fetch it" in done.stderr


def test_pretrained_weights_that_cannot_be_had_end_the_command_before_it_starts(tmp_path) -> None:
    words = [*RUN[:-1], str(tmp_path / "out"), "--backbone", MODEL, "--pretrained", "--quiet"]
    words += ["--precision", "fp32"]
    done, _ = ltbench(*words, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_CACHE=str(tmp_path / "hub"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"the pretrained weights of backbone '{MODEL}' cannot be fetched" in line
    assert "no connection" in line
    assert "--no-pretrained" in line
    assert not list((tmp_path / "out").glob("*"))


def test_a_sweep_trains_from_the_cache_in_its_workers(hub, tmp_path) -> None:
    write_repository(hub, "tester/tiny")
    words = [*RUN[:-1], str(tmp_path / "out"), "--backbone", NAME, "--steps", "2", "--json"]
    words += ["--image-size", "32", "--precision", "fp32", "--device", "cpu"]
    done, _ = ltbench(*words, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_CACHE=str(hub))
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["runs"]
    assert found["state"] == "done"
