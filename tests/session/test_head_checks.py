"""What of a backbone's options for the classifier is refused, before any training."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from ltbench.errors import UsageError
from ltbench.session.plan import Request, plan_runs

CNN = "digits-cnn"


def plan(method: str, backbone: str | None = None, dataset: str = "digits-mini-mlt") -> None:
    plan_runs(
        Request([method], [dataset], [0], "fp32", Path("/nowhere"), {"steps": 2}, backbone=backbone)
    )


@pytest.mark.parametrize(
    ("method", "options", "says"),
    [
        ("ldam", "head=cosine", "'ldam' does not honour head=cosine, for its 'make_classifier'"),
        ("bcl", "init=class-mean", "'bcl' does not honour init=class-mean"),
        ("balpoe", "head=cosine,init=class-mean", "honour head=cosine,init=class-mean"),
        ("mtl", "head=cosine", "'mtl' does not honour"),
        ("coral[loss=ldam]", "head=cosine", "'ldam' does not honour head=cosine"),
        ("linear-probe", "init=class-mean", "'linear-probe' does not honour init=class-mean"),
        ("erm", "init=text", "needs names of classes, and those of 'digits-mini-mlt' are numbers"),
        ("clip-zeroshot", "", "'clip-zeroshot' needs names of classes"),
        ("erm", "scale=3", "goes with head=cosine"),
        ("erm", "prompt='a {}'", "goes with init=text"),
        ("erm", "head=cosine[scale=0]", "the least is 0.001"),
        ("erm", "init=text,prompt=moth", "has no place for the name of a class"),
        ("erm", "init=text,prompt='{}|moth'", "has no place for the name of a class"),
        ("clip-zeroshot[prompt=moth]", "", "has no place for the name of a class"),
        ("erm", "init=texts", "choose one of random, class-mean, text"),
        ("linear-probe@ema", "", "'linear-probe' is not trained, so there is nothing that '@ema'"),
        ("erm+crt+posthoc-la@ema", "", "type it behind what is"),
    ],
)
def test_it_is_refused(method, options, says) -> None:
    pytest.importorskip("open_clip")
    with pytest.raises(UsageError, match=says) as caught:
        plan(method, f"{CNN}[{options}]" if options else None)
    assert len(str(caught.value).splitlines()) == 1


def test_what_trains_nothing_of_the_network_cannot_adapt_it() -> None:
    with pytest.raises(UsageError, match="trains nothing of the network, so that adapt=bitfit"):
        plan("linear-probe", f"{CNN}[adapt=bitfit]")
    plan("linear-probe", f"{CNN}[adapt=head]")
    with pytest.raises(UsageError, match=r"'linear-probe\+crt' trains nothing of the network"):
        plan("linear-probe+crt", f"{CNN}[adapt=bitfit]")


def test_a_later_stage_may_train_what_is_adapted() -> None:
    plan("linear-probe+finetune", f"{CNN}[adapt=bitfit]")
    plan("linear-probe+crt+finetune", f"{CNN}[adapt=bitfit]")


def test_without_the_extra_it_says_how_to_install_it(monkeypatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "open_clip" else found(name)
    )
    with pytest.raises(UsageError, match=r"pip install 'ltbench\[clip\]'"):
        plan("erm", "vit_base_patch16_clip_224.openai[init=text]")


@pytest.mark.parametrize("method", ["erm", "bsoftmax", "focal", "coral", "dann", "erm+crt", "boda"])
def test_every_algorithm_of_the_suites_classifier_takes_them(method) -> None:
    plan(method, f"{CNN}[head=cosine,init=class-mean]")
