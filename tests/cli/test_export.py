"""``ltbench export``: what it writes answers as the run's model does, away from ltbench."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

import ltbench.session.export as exporting  # noqa: E402
from ltbench.cli.export import export  # noqa: E402
from ltbench.cli.main import cli  # noqa: E402
from ltbench.cli.run import run as train  # noqa: E402
from ltbench.errors import UsageError  # noqa: E402
from ltbench.results.component import Component  # noqa: E402
from ltbench.results.index import read_runs  # noqa: E402
from ltbench.session.export_sample import Sample  # noqa: E402
from ltbench.session.temperature import Temperature  # noqa: E402
from ltbench.training.trained_model import load_trained  # noqa: E402

NAMES = ("a b", "蛾 [x]", "Ünï")
COMMON = (
    "--seeds 1 --steps 4 --eval-every 2 --lr 0.01 --batch-size 8 --no-pretrained"
    " --no-leaderboard --precision fp32"
)
FILES = {"MODEL_CARD.md", "export.json", "labels.txt", "model.onnx"}


@pytest.fixture(scope="module")
def moths(tmp_path_factory) -> Path:
    """Train networks of several kinds on pictures with odd names; return the folder of all."""
    root = tmp_path_factory.mktemp("moths")
    rng = np.random.default_rng(0)
    for k, name in enumerate(NAMES):
        folder = root / "photos" / name
        folder.mkdir(parents=True)
        for i in range(12 - 3 * k):
            image = rng.integers(0, 120, (30 + 4 * i, 40, 3), dtype=np.uint8)
            image[..., k] += 120
            Image.fromarray(image).save(folder / f"no {i} ({k}).{'PNG' if i % 2 else 'jpg'}")
    dataset = f"image-folder[root={root / 'photos'}]"
    for words in (
        "--algo balpoe --backbone digits-cnn-narrow --image-size 28 --out narrow",
        "--algo ldam[normalized=true],erm+tau-norm+posthoc-la --backbone test_resnet --image-size"
        " 64 --evaluation crop --interpolation bicubic --out resnet",
        "--algo erm+lws --backbone test_vit --image-size 32 --out vit",
        "--algo erm --backbone test_vit[adapt=lora,rank=2] --image-size 32 --out lora",
        "--algo erm --backbone test_vit[adapt=vpt-deep] --image-size 32 --out prompts",
    ):
        *most, out = f"run {COMMON} {words}".split()
        call(*most, str(root / out), "--dataset", dataset)
    return root


def call(*words: str, code: int = 0):
    for command in (export, train):
        if command.name not in cli.commands:
            cli.add_command(command)
    found = CliRunner().invoke(cli, list(words))
    assert found.exit_code == code, found.output
    return found


def only_run(folder: Path, method: str = "") -> Path:
    found = [run for run in read_runs(folder) if run.status == "done" and method in run.method]
    (record,) = found
    return Path(record.path)


def pictures(moths: Path) -> list[np.ndarray]:
    return [
        np.asarray(Image.open(path).convert("RGB"))
        for path in sorted((moths / "photos").rglob("*"))
        if path.is_file()
    ]


def probabilities(model, images, temperature: float) -> np.ndarray:
    import torch

    x = torch.stack([model.transform(image) for image in images])
    return (model.logits(x).double() / temperature).softmax(1).numpy()


def onnx_session(folder: Path):
    return onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize(
    ("where", "method", "timm"),
    [
        ("narrow", "balpoe", False),
        ("resnet", "erm", True),
        ("resnet", "ldam", False),
        ("vit", "erm", True),
        ("lora", "erm", True),
        ("prompts", "erm", False),
    ],
)
def test_what_is_written_answers_as_the_model(moths, tmp_path, where, method, timm):
    run, out = only_run(moths / where, method), tmp_path / "new" / "out"
    said = call("export", str(run), "-o", str(out))
    assert "test images as the model does" in said.output
    wanted = FILES | ({"model.safetensors", "config.json"} if timm else set())
    assert {path.name for path in out.iterdir()} == wanted
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    model, session = load_trained(run), onnx_session(out)
    heat = float(
        {p.key: p.value for p in onnx.load(out / "model.onnx").metadata_props}["temperature"]
    )
    images = pictures(moths)
    expected = probabilities(model, images, heat)
    found = [session.run(["probabilities"], {"images": image[None]})[0][0] for image in images]
    assert np.abs(np.stack(found) - expected).max() < 1e-4
    same = np.stack([images[0], images[0][::-1]])
    both = session.run(["probabilities"], {"images": same})[0]
    assert np.abs(both - probabilities(model, list(same), heat)).max() < 1e-4
    assert (out / "labels.txt").read_text(encoding="utf-8").splitlines() == list(model.classes)
    if not timm:
        assert "No model of timm: " in said.output


@pytest.mark.parametrize("where", ["resnet", "vit", "lora"])
def test_timm_loads_the_folder(moths, tmp_path, where):
    import timm
    import torch

    run, out = only_run(moths / where, "erm"), tmp_path / "蛾 out"
    call("export", str(run), "-o", str(out))
    model = load_trained(run)
    network = timm.create_model(f"local-dir:{out}", pretrained=True).eval()
    x = torch.stack([model.transform(image) for image in pictures(moths)])
    with torch.no_grad():
        assert torch.allclose(network(x), model.logits(x), atol=1e-4)
    data = timm.data.resolve_model_data_config(network)
    assert data["input_size"] == (3, model.facts.size, model.facts.size)
    assert data["mean"] == pytest.approx(model.facts.mean)
    assert data["interpolation"] == model.evaluation.interpolation
    assert data["crop_mode"] == ("center" if where == "resnet" else "squash")
    assert network.pretrained_cfg["label_names"] == list(model.classes)


def test_the_card_is_one_of_the_hub_and_says_what_was_measured(moths, tmp_path):
    from huggingface_hub import ModelCard

    run, out = only_run(moths / "vit"), tmp_path / "out"
    call("export", str(run), "-o", str(out))
    card = ModelCard.load(out / "MODEL_CARD.md")
    assert card.data.library_name == "timm"
    result = json.loads((run / "result.json").read_text())
    found = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert found == {name: v for name, v in result["test"].items() if v is not None}
    spec = json.loads((run / "spec.json").read_text())
    text = card.text
    for words in (spec["hash"], "Intended use and limits", "| 蛾 \\[x\\] |", "--lr 0.01", "seed"):
        assert words in text
    train = np.array(spec["data"]["counts"]["train"])
    assert f"| all | {train.sum()} |" in text
    assert result["environment"]["torch"].partition("+")[0] in text


def test_licence_and_citation_are_the_data_sets(moths):
    found = exporting.Export(Path(), "", Sample(()), 0.0, Temperature())
    run = only_run(moths / "vit")
    model = load_trained(run)
    known = replace(model, spec=replace(model.spec, dataset=Component("pacs-mlt", {})))
    text = exporting._card(run, known, found, Path("nowhere"))
    assert "research use" in text
    assert "> Li et al., " in text


def test_without_the_data_set_made_up_images_are_taken(moths, tmp_path):
    root = tmp_path / "moths"
    shutil.copytree(only_run(moths / "narrow"), root)
    spec = json.loads((root / "spec.json").read_text())
    spec["places"]["root"] = str(tmp_path / "gone")
    (root / "spec.json").write_text(json.dumps(spec))
    found = call("export", str(root), "-o", str(tmp_path / "out"))
    assert "No test image could be used: " in found.output
    assert "made-up images" in (tmp_path / "out" / "MODEL_CARD.md").read_text()


def edited(path: Path, change) -> None:
    model = onnx.load(path)
    largest = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    values = change(onnx.numpy_helper.to_array(largest).copy())
    largest.CopyFrom(onnx.numpy_helper.from_array(values, largest.name))
    onnx.save(model, path)


@pytest.mark.parametrize("which", ["onnx", "onnx-nan", "timm", "timm-config", "not-onnx"])
def test_what_answers_otherwise_is_not_left(moths, tmp_path, monkeypatch, which):
    from safetensors.torch import load_file, save_file

    def spoil(write):
        def spoilt(model, folder, *more):
            write(model, folder, *more)
            if which == "not-onnx":
                (folder / "model.onnx").write_bytes(b"no graph")
            elif which.startswith("onnx"):
                change = 1.5 if which == "onnx" else np.nan
                edited(folder / "model.onnx", lambda values: values * change)
            elif which == "timm":
                state = load_file(folder / "model.safetensors")
                name = max(state, key=lambda one: state[one].numel())
                save_file(state | {name: state[name] * 1.5}, folder / "model.safetensors")
            else:
                config = json.loads((folder / "config.json").read_text())
                config["num_classes"] = 7
                (folder / "config.json").write_text(json.dumps(config))

        return spoilt

    name = "write_timm" if "timm" in which else "write_onnx"
    monkeypatch.setattr(exporting, name, spoil(getattr(exporting, name)))
    found = call("export", str(only_run(moths / "vit")), "-o", str(tmp_path / "out"), code=2)
    assert "nothing was exported: " in found.output
    assert list(tmp_path.iterdir()) == []


def test_rounding_ends_at_a_ten_thousandth():
    wanted = np.array([[0.6, 0.3, 0.1], [0.35, 0.35, 0.3]])

    def differing(by: float) -> np.ndarray:
        return wanted + np.array([[0, 0, 0], [-by, by, 0]])

    assert exporting._checked(differing(0.9e-4), wanted, "it") == pytest.approx(0.9e-4)
    said = r"it answers otherwise .* up to 0\.0002 in probability and with another class for 1 of 2"
    with pytest.raises(UsageError, match=said):
        exporting._checked(differing(2e-4), wanted, "it")
    with pytest.raises(UsageError, match="by up to inf in probability"):
        exporting._checked(wanted[:1], wanted, "it")


def test_a_run_whose_test_was_answered_otherwise_is_refused(moths, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(only_run(moths / "narrow"), run)
    with np.load(run / "predictions.npz") as arrays:
        kept = dict(arrays)
    kept["prediction"] = (kept["prediction"] + 1) % 3
    np.savez(run / "predictions.npz", **kept)
    found = call("export", str(run), "-o", str(tmp_path / "out"), code=2)
    assert "otherwise than in the run's test" in " ".join(found.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_is_in_the_way(moths, tmp_path):
    run, out = str(only_run(moths / "narrow")), tmp_path / "out"
    call("export", run, "-o", str(out))
    first = (out / "export.json").stat().st_ino
    found = call("export", run, "-o", str(out), code=2)
    assert "is an earlier export: --overwrite replaces it" in found.output
    assert (out / "export.json").stat().st_ino == first
    call("export", run, "-o", str(out), "--overwrite")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (out / "notes.txt").write_text("mine")
    for place in (out, tmp_path, tmp_path / "out" / "notes.txt"):
        found = call("export", run, "-o", str(place), "--overwrite", code=2)
        assert "is no earlier export alone" in found.output
    assert (out / "notes.txt").read_text() == "mine"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    found = call("export", run, "-o", str(tmp_path / "link"), "--overwrite", code=2)
    assert "is no earlier export alone" in found.output


def test_an_interruption_leaves_nothing(moths, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    call("export", str(only_run(moths / "narrow")), "-o", str(out))
    before = (out / "model.onnx").read_bytes()
    monkeypatch.setattr(exporting, "_compare", stopped)
    with pytest.raises(KeyboardInterrupt):
        exporting.export_run(only_run(moths / "narrow"), out, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (out / "model.onnx").read_bytes() == before


def test_a_missing_extra_is_one_sentence(monkeypatch):
    import sys

    from ltbench.training.onnx_export import check_onnx

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"pip install 'ltbench\[onnx\]'"):
        check_onnx()


def test_runs_that_have_no_network(moths, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(only_run(moths / "narrow"), run)
    (run / "result.json").unlink()
    (run / "error.json").write_text('{"status": "failed", "error": "CUDA out of memory"}')
    found = call("export", str(run), "-o", str(tmp_path / "out"), code=2)
    assert "failed (CUDA out of memory)" in " ".join(found.output.split())
    found = call("export", "nowhere", "-o", str(tmp_path / "out"), code=2)
    assert "'nowhere' is no folder of a run" in found.output
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
