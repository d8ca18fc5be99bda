"""Whole runs of which a part of the network is trained: resumed, staged, modified, looked up."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from run_answers import answers

from ltbench.cli.show import show
from ltbench.data.catalogue import open_dataset
from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.names import parse_name
from ltbench.report.leaderboard import load_content
from ltbench.report.sizes import sizes_note
from ltbench.report.wording import footnotes
from ltbench.results.folder import RunFolder
from ltbench.results.index import read_runs
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training import loop
from ltbench.training.checkpoint import load_best, load_checkpoint
from ltbench.training.frozen_network import frozen_network
from ltbench.training.job import Job
from ltbench.training.run import execute
from ltbench.training.trained_model import load_trained

VIT = "test_vit"
SHORT = {"augmentation": "none", "steps": 4, "eval_every": 2, "batch_per_domain": 4,
         "image_size": 32}  # fmt: skip


def planned(
    method: str = "erm", backbone: str = f"{VIT}[adapt=lora]", weights: Path | None = None,
    **settings: Any,
) -> RunSpec:  # fmt: skip
    request = Request([method], ["tiny-mlt"], [0], "fp32", Path(), SHORT | settings,
                      backbone=backbone, weights=weights)  # fmt: skip
    (spec,) = plan_runs(request).specs
    return spec


def shown(folder: Path) -> str:
    result = CliRunner().invoke(show, [str(folder)], catch_exceptions=False)
    assert result.exit_code == 0
    return " ".join(result.output.split())


def executed(spec: RunSpec, folder: Path, weights: Path | None = None, steps: int = 0) -> Job:
    job = Job(spec, folder, Path(), weights=weights)
    polls = iter(range(10**9))
    execute(job, lambda _: None, lambda: bool(steps) and next(polls) + 1 >= steps)
    return job


@pytest.mark.parametrize(("method", "backbone"), [
    ("erm+crt", f"{VIT}[adapt=lora]"),
    ("erm@ema+tau-norm", f"{VIT}[adapt=vpt-deep]"),
    ("bsoftmax", f"{VIT}[adapt=vpt-shallow]"),
    ("coral@sam", f"{VIT}[adapt=adaptformer]"),
    ("boda", "test_resnet[adapt=bitfit]"),
    ("balpoe[experts=2]", f"{VIT}[adapt=lora]"),
    ("erm+weight-balancing", f"{VIT}[adapt=layernorm]"),
    ("erm", f"{VIT}[adapt=head]"),
])  # fmt: skip
def test_a_run_that_is_broken_off_ends_the_same(tmp_path, method, backbone) -> None:
    spec = planned(method, backbone)
    whole = carry_out(spec, tmp_path / "whole", Path())
    check_same(carry_out(spec, tmp_path / "broken", Path(), (1, 5)), whole, "a resumed run")
    assert whole.predictions["prediction"].size


def test_a_stage_behind_a_probe_trains_the_adapters(tmp_path) -> None:
    spec = planned("linear-probe+finetune")
    whole = carry_out(spec, tmp_path / "whole", Path())
    check_same(carry_out(spec, tmp_path / "broken", Path(), (2,)), whole, "a resumed run")
    added = [value for name, value in whole.model.items() if name.endswith(".b")]  # from 0
    assert added
    assert all(value.any() for value in added)


def test_checkpoints_hold_what_was_trained(tmp_path) -> None:
    full = executed(planned(backbone=VIT), tmp_path / "full")
    lora = executed(planned(), tmp_path / "lora")
    best = {name: load_best(RunFolder(job.folder).best).model
            for name, job in (("full", full), ("lora", lora))}  # fmt: skip
    frozen = sum(p.numel() for p in build_backbone(VIT, (3, 32, 32), False).parameters())
    sizes = {name: sum(v.numel() for v in state.values()) for name, state in best.items()}
    head = sum(v.numel() for n, v in best["lora"].items() if n.startswith("classifier"))
    assert sizes["full"] == frozen + head
    own = {n for n in best["lora"] if n.startswith("backbone.")}
    assert own
    assert all(n.endswith((".a", ".b", "_extra_state")) for n in own)
    on_disk = [RunFolder(job.folder).best.stat().st_size for job in (full, lora)]
    assert on_disk[1] < on_disk[0] / 5
    broken = executed(planned(), tmp_path / "broken", steps=2)
    found = load_checkpoint(RunFolder(broken.folder).latest)
    assert set(found.model) == set(best["lora"])


def test_results_count_what_is_trained(tmp_path) -> None:
    results = {}
    for kind in ("full", "head", "lora"):
        job = executed(planned("erm+crt", f"{VIT}[adapt={kind}]"), tmp_path / kind)
        results[kind] = json.loads(RunFolder(job.folder).result.read_text())
    network = sum(p.numel() for p in build_backbone(VIT, (3, 32, 32), False).parameters())
    heads = results["full"]["parameters"] - network
    assert results["full"]["trainable_parameters"] == results["full"]["parameters"]
    assert results["head"]["parameters"] == network + heads
    assert results["head"]["trainable_parameters"] == heads
    added = 6 * 2 * (64 * 4 + 4 * 64)  # blocks, queries and values, A and B
    assert results["lora"]["parameters"] == network + heads + added
    assert results["lora"]["trainable_parameters"] == heads + added


def test_the_frozen_part_is_checked_where_a_run_goes_on(tmp_path) -> None:
    weights = tmp_path / "weights.pt"
    torch.manual_seed(1)
    torch.save(build_backbone(VIT, (3, 32, 32), False).model.state_dict(), weights)
    spec = planned(weights=weights)
    whole = executed(spec, tmp_path / "whole", weights)
    broken = executed(spec, tmp_path / "broken", weights, steps=2)
    executed(spec, tmp_path / "broken", weights)
    assert answers(whole) == answers(broken)
    other = executed(spec, tmp_path / "other", weights, steps=2)
    torch.save(build_backbone(VIT, (3, 32, 32), False).model.state_dict(), weights)
    executed(spec, tmp_path / "other", weights)
    error = json.loads((other.folder / "error.json").read_text())["error"]
    assert "the frozen part of test_vit[adapt=lora] is not what it was" in error
    assert "\n" not in error


def check_loaded(job: Job) -> None:
    """Check that the model of a run gives the test images the answers of its test."""
    trained = load_trained(job.folder)
    dataset, split = open_dataset(parse_name("tiny-mlt"), Path())
    pixels = [dataset.decoder(split)(row) for row in split.rows("test")]
    sizes = torch.tensor([image.shape[:2] for image in pixels])
    squares = torch.stack([trained.square(image) for image in pixels])
    found = trained.logits(trained.inputs(squares, sizes)).softmax(1).numpy()
    with np.load(job.folder / "predictions.npz") as arrays:
        assert (found.argmax(1) == arrays["prediction"]).all()
        assert found.max(1) == pytest.approx(arrays["confidence"], abs=1e-5)


def test_models_that_were_adapted_from_a_file_are_loaded_where_it_is(tmp_path) -> None:
    weights = tmp_path / "weights.pt"
    torch.manual_seed(1)
    torch.save(build_backbone(VIT, (3, 32, 32), False).model.state_dict(), weights)
    job = executed(planned(weights=weights), tmp_path / "run", weights)
    check_loaded(job)
    weights.rename(tmp_path / "away.pt")
    with pytest.raises(UsageError, match=r"weights\.pt does not hold the weights that test_vit"):
        load_trained(job.folder)


def test_models_that_were_adapted_from_named_weights_are_loaded(tmp_path, monkeypatch) -> None:
    def build(name: str, shape: tuple[int, int, int], pretrained: bool, *more: Any) -> Any:
        if pretrained:
            torch.manual_seed(1)  # the weights of this name
        return build_backbone(name, shape, False, *more)

    monkeypatch.setattr("ltbench.training.model.build_backbone", build)
    spec = planned()
    spec = replace(spec, backbone=replace(spec.backbone, pretrained=True))
    check_loaded(executed(spec, tmp_path / "run"))


@pytest.fixture
def found(monkeypatch):
    """Collect what each stage looks up."""
    seen = []

    def note(*args):
        seen.append(frozen_network(*args))
        return seen[-1]

    monkeypatch.setattr(loop, "frozen_network", note)
    return seen


def check_looked_up(spec, folder, monkeypatch, found) -> None:
    """Check that a run looks its network's answers up, and ends as one that asks every time."""
    one = carry_out(spec, folder / "one", Path())
    assert all(found)
    monkeypatch.setattr(loop, "frozen_network", lambda *args: None)
    other = carry_out(spec, folder / "other", Path())
    for name, tensor in one.model.items():
        assert torch.allclose(tensor, other.model[name], rtol=1e-3, atol=1e-5), name


def test_where_the_head_alone_is_trained_the_network_sees_each_image_once(
    tmp_path, monkeypatch, found
) -> None:
    spec = planned("erm", f"{VIT}[adapt=head]", steps=12)
    check_looked_up(spec, tmp_path, monkeypatch, found)


@pytest.mark.parametrize(("method", "network"), [
    ("miro", "test_resnet"), ("miro", "digits-cnn"),
    ("tally[warm_up=0]", VIT), ("tally[warm_up=0]", "digits-cnn"),
])  # fmt: skip
def test_a_method_that_looks_into_a_frozen_network_sees_its_layers_in_each_step(
    tmp_path, monkeypatch, found, method, network
) -> None:
    """Where answers are known it is asked anew: a hook sees nothing of what is looked up."""
    spec = planned(method, f"{network}[adapt=head]", steps=12)
    check_looked_up(spec, tmp_path, monkeypatch, found)


def test_nothing_is_looked_up_where_adapters_learn_or_somebody_looks_inside(
    tmp_path, found
) -> None:
    carry_out(planned("erm", steps=12), tmp_path / "lora", Path())
    model_hook = torch.nn.Module.register_forward_hook

    class Looking:
        def __call__(self, *args: Any) -> None:
            return None

    def looking(model: Any, *args: Any) -> Any:
        handle = model_hook(next(m for m in model.backbone.modules()), Looking())
        try:
            return frozen_network(model, *args)
        finally:
            handle.remove()

    loop.frozen_network, before = lambda *a: found.append(looking(*a)), loop.frozen_network
    try:
        carry_out(planned("erm", f"{VIT}[adapt=head]", steps=12), tmp_path / "head", Path())
    finally:
        loop.frozen_network = before
    assert found
    assert not any(found)


@pytest.mark.parametrize(("backbone", "settings", "sentence"), [
    ("digits-cnn[adapt=lora]", {}, "adapt=lora trains attention .* 'digits-cnn' has none"),
    ("digits-cnn[adapt=vpt-deep]", {}, "adapt=vpt-deep trains .* 'digits-cnn' has none"),
    (f"{VIT}[adapt=lora]", {"drop_path": 0.1}, "drop_path=0.1 drops paths .* evaluation mode"),
    (f"{VIT}[adapt=head]", {"layer_decay": 0.5}, "layer_decay=0.5 is about the layers"),
    (f"{VIT}[adapt=head]", {"backbone_lr": 0.5}, "backbone_lr=0.5 is about the layers"),
])  # fmt: skip
def test_what_does_not_go_together_is_said_before_training(backbone, settings, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        planned("erm", backbone, **settings)
    planned("erm", backbone.partition("[")[0], **{k: v for k, v in settings.items()
                                                 if "digits" not in backbone})  # fmt: skip


def test_an_algorithm_that_trains_the_network_alone_says_so_with_a_frozen_one(tmp_path) -> None:
    job = executed(planned("sagnet", f"{VIT}[adapt=head]"), tmp_path / "run")
    error = json.loads((job.folder / "error.json").read_text())
    assert "SagNet trains a part by an optimiser of its own" in error["error"]
    assert error["step"] == 0


def test_boards_and_pages_say_how_much_is_trained(tmp_path) -> None:
    for method in ("erm", "balpoe[experts=2]"):
        spec = planned(method, f"{VIT}[adapt=bitfit]")
        executed(spec, spec.folder(tmp_path))
    (board,) = load_content(tmp_path).boards
    (note,) = sizes_note(board)
    counts = {run.label: (run.trainable_parameters, run.parameters) for run in read_runs(tmp_path)}
    for label, (trained, whole) in counts.items():
        assert f"{label} {trained:,.0f} of {whole:,.0f}" in note
        assert trained < whole / 10
    assert note in footnotes(board)
    assert note in footnotes(board, explain=True)
    assert f"{VIT}[adapt=bitfit]" in board.table.heading
    page = shown(spec.folder(tmp_path))
    assert re.search(r"[\d,]+ parameters, [\d,]+ of them trained", page)
    assert "test_vit[adapt=bitfit], from scratch" in page


def test_nothing_is_said_where_all_is_trained(tmp_path) -> None:
    spec = planned("erm", VIT)
    executed(spec, spec.folder(tmp_path))
    (board,) = load_content(tmp_path).boards
    assert not sizes_note(board)
    assert "them trained" not in shown(spec.folder(tmp_path))


def test_rates_and_layers_of_what_is_trained(tmp_path) -> None:
    spec = planned("erm", layer_decay=0.5, backbone_lr=0.1, decay_weights_only=True)
    assert carry_out(spec, tmp_path / "run", Path()).predictions["prediction"].size
