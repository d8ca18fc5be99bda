"""What was measured is kept in the cache folder, and believed only where it is whole."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from ltbench.executors import measured
from ltbench.executors.measured import Answer, Question
from ltbench.results.arithmetic import EVERY, PLAIN

FP32_LAST, BF16, BF16_LAST = EVERY[1:]
QUESTION = Question(
    processor="AMD EPYC 0123456789ab", device="cpu", torch="2.15.0", threads=1, backbone="net",
    image_shape=(3, 28, 28), images=128, optimizer="adam", drop_path=0.0,
    ways=tuple(map(str, EVERY)),
)  # fmt: skip


def answer(question=QUESTION, **ratios):
    found = dict(
        zip(EVERY, (1.0, *(ratios.get(k, 2.0) for k in ("last", "bf16", "both"))), strict=True)
    )
    return Answer(question, 32, 1, {way: 0.1 * r for way, r in found.items()}, found)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("ratios", "chosen"),
    [
        ({}, PLAIN),
        ({"last": 0.99, "bf16": 0.97, "both": 0.96}, PLAIN),  # nothing is clearly faster
        ({"last": 0.9}, FP32_LAST),
        ({"last": 0.9, "bf16": 0.88}, FP32_LAST),  # not clearly faster than the plainer one
        ({"last": 0.9, "bf16": 0.5, "both": 0.6}, BF16),
        ({"last": 0.9, "bf16": 0.5, "both": 0.3}, BF16_LAST),
        ({"bf16": 1.44, "both": 1.4}, PLAIN),  # a processor that only says that it has bf16
        ({"last": 1.3, "bf16": 0.951}, PLAIN),
    ],
)
def test_the_plainest_is_taken_unless_another_is_clearly_faster(ratios, chosen):
    assert answer(**ratios).choice() == chosen
    assert answer(**ratios).ratios[chosen] <= 1.0, "never slower than float32"


def test_of_what_was_asked_for_the_plainest_is_what_others_must_beat():
    found = answer(last=1.2, bf16=0.5, both=1.19)
    assert found.choice([FP32_LAST, BF16_LAST]) == FP32_LAST
    assert found.choice([BF16, BF16_LAST]) == BF16


def test_an_answer_is_found_again_by_its_question_alone():
    assert measured.find(QUESTION) is None
    measured.keep(answer(bf16=0.4))
    assert measured.find(QUESTION) == answer(bf16=0.4)
    for other in (
        {"threads": 2}, {"torch": "2.16.0"}, {"images": 64}, {"processor": "another"},
        {"device": "NVIDIA H100"}, {"backbone": "other"}, {"optimizer": "sgd"},
        {"image_shape": (3, 32, 32)}, {"ways": QUESTION.ways[:2]}, {"drop_path": 0.5},
    ):  # fmt: skip
        assert measured.find(replace(QUESTION, **other)) is None
    assert [file.name for file in measured.folder().iterdir()] == [QUESTION.file.name]


def test_nothing_is_said_where_it_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "file" / "below"))
    measured.keep(answer())
    assert measured.find(QUESTION) is None
    assert measured.known(QUESTION.processor) == []


def changed(document, **changes):
    """Return a document that says of itself that it is whole."""
    document = {**document, **changes}
    document.pop("check")
    return {**document, "check": measured._check(document)}


HOSTILE = {
    "empty": lambda d: "",
    "cut off": lambda d: json.dumps(d)[:-40],
    "no object": lambda d: "[1, 2]",
    "deep": lambda d: "[" * 100_000,
    "a digit fell over": lambda d: json.dumps(d).replace("0.4", "0.5", 1),
    "another format": lambda d: json.dumps(changed(d, format=2)),
    "nan": lambda d: json.dumps(changed(d, ratios={**d["ratios"], str(BF16): float("nan")})),
    "negative": lambda d: json.dumps(changed(d, ratios={**d["ratios"], str(BF16): -0.1})),
    "text": lambda d: json.dumps(changed(d, ratios={**d["ratios"], str(BF16): "0.1"})),
    "unknown way": lambda d: json.dumps(changed(d, ratios={**d["ratios"], "fp8 fast": 0.1})),
    "without float32": lambda d: json.dumps(changed(d, ratios={str(BF16): 0.1})),
    "more images": lambda d: json.dumps(changed(d, images=10**6)),
    "no images": lambda d: json.dumps(changed(d, images=True)),
    "escape": lambda d: json.dumps(changed(d, question={**d["question"], "device": "\x1b[2J"})),
    "another's": lambda d: json.dumps(changed(d, question={**d["question"], "threads": 3})),
    "huge": lambda d: json.dumps(d) + " " * 2**20,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_of_a_damaged_or_hostile_file_nothing_is_believed(case):
    measured.keep(answer(bf16=0.4))
    document = json.loads(QUESTION.file.read_text())
    QUESTION.file.write_text(HOSTILE[case](document))
    assert measured.find(QUESTION) is None
    assert measured.known(QUESTION.processor) == []
    measured.keep(answer(bf16=0.6))
    assert measured.find(QUESTION) == answer(bf16=0.6), "it is written anew"


def test_a_pipe_in_its_place_is_not_waited_for():
    measured.folder().mkdir(parents=True)
    os.mkfifo(QUESTION.file)
    assert measured.find(QUESTION) is None


def test_this_processors_are_listed_and_forgotten():
    measured.keep(answer())
    measured.keep(answer(replace(QUESTION, images=64)))
    measured.keep(answer(replace(QUESTION, processor="another")))
    assert [a.question.images for a in measured.known(QUESTION.processor)] == [64, 128]
    assert measured.forget() == 3
    assert measured.known(QUESTION.processor) == []
