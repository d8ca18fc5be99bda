"""Checkpoints with flipped bits: none changes a result, and what is lost is one stage."""

from __future__ import annotations

import random

import pytest
import torch
from run_answers import answers

from ltbench.errors import DataError
from ltbench.results.documents import read_predictions
from ltbench.results.folder import RunFolder
from ltbench.training.checkpoint import (
    DamagedCheckpoint,
    load_best,
    load_checkpoint,
    resume,
    save_checkpoint,
)
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)


def stop_after(steps):
    polls = iter(range(10**9))
    return lambda: next(polls) + 1 >= steps


def flip(path, place, bit):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def content(value):
    """Return a checkpoint as something that can be compared bit by bit."""
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: content(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [content(item) for item in value]
    return content(vars(value)) if hasattr(value, "__dict__") else repr(value)


def test_no_flipped_bit_is_taken_for_what_was_written(make_job, tmp_path):
    job = make_job()
    execute(job, QUIET[0], stop_after(7))
    path = RunFolder(job.folder).latest
    whole, written = content(load_checkpoint(path)), path.read_bytes()
    draw, damaged = random.Random(0), 0
    assert "model" in torch.load(path, weights_only=True), "others read it too"
    places = [draw.randrange(len(written)) for _ in range(150)]
    # The last bytes are the directory of the archive, the first the header of its first file.
    places += [*range(200), *(len(written) - 1 - draw.randrange(3000) for _ in range(150))]
    places += range(len(written) - 100, len(written))
    for place in places:
        flip(path, place, draw.randrange(8))
        found = load_checkpoint(path)
        damaged += found is None
        assert found is None or content(found) == whole
        path.write_bytes(written)
    assert damaged > len(places) - 20, "only what marks the checksum may be lost"


def test_a_chosen_model_with_a_flipped_bit_is_refused(make_job):
    job = make_job()
    execute(job, *QUIET)
    best = RunFolder(job.folder).best
    load_best(best)
    flip(best, best.stat().st_size // 2, 0)
    with pytest.raises(DamagedCheckpoint, match=r"best\.pt is damaged"):
        load_best(best)


def test_answers_with_a_flipped_bit_are_refused(make_job):
    job = make_job()
    execute(job, *QUIET)
    path = RunFolder(job.folder).predictions
    written, draw = path.read_bytes(), random.Random(0)
    whole = {k: v.tobytes() for k, v in read_predictions(job.folder).items()}
    for _ in range(200):
        flip(path, draw.randrange(len(written)), draw.randrange(8))
        try:
            found = read_predictions(job.folder)
        except DataError:
            found = None
        assert found is None or {k: v.tobytes() for k, v in found.items()} == whole
        path.write_bytes(written)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_checkpoint_restarts_the_stage_with_a_line(make_job, damage):
    quiet, broken = make_job("erm+crt", folder="quiet"), make_job("erm+crt", folder="broken")
    execute(quiet, *QUIET)
    execute(broken, QUIET[0], stop_after(16))
    folder = RunFolder(broken.folder)
    assert load_checkpoint(folder.latest).stage == 1
    spoil(folder.latest, damage)
    events = []
    execute(broken, events.append, lambda: False)
    notices = [event["sentence"] for event in events if event["event"] == "notice"]
    assert notices == ["latest.pt is damaged: stage 2 begins anew"]
    assert [e["stage"] for e in events if e["event"] == "evaluated"] == ["crt"] * 4
    assert answers(quiet) == answers(broken)
    assert not folder.beginning.exists()
    assert not folder.latest.exists()


def test_where_the_beginning_is_damaged_too_the_run_begins_anew(make_job):
    quiet, broken = make_job("erm+crt", folder="quiet"), make_job("erm+crt", folder="broken")
    execute(quiet, *QUIET)
    execute(broken, QUIET[0], stop_after(16))
    folder = RunFolder(broken.folder)
    spoil(folder.latest, "flip")
    spoil(folder.beginning, "flip")
    events = []
    execute(broken, events.append, lambda: False)
    notices = [event["sentence"] for event in events if event["event"] == "notice"]
    assert notices == ["latest.pt is damaged; stage.pt is damaged: the run begins anew"]
    assert answers(quiet) == answers(broken)


def test_a_checkpoint_of_an_older_version_is_read(make_job, tmp_path):
    """It is what torch wrote, whose checksums older versions only did not look at."""
    job = make_job()
    execute(job, QUIET[0], stop_after(7))
    path = RunFolder(job.folder).latest
    state = torch.load(path, weights_only=True)
    torch.save(state, path)
    assert load_checkpoint(path).step == 7
    flip(path, path.stat().st_size // 2, 3)
    assert load_checkpoint(path) is None


def test_a_run_that_goes_on_says_nothing(make_job):
    job = make_job()
    execute(job, QUIET[0], stop_after(7))
    said = []
    checkpoint = resume(RunFolder(job.folder), 1, said.append)
    assert checkpoint.step == 7
    save_checkpoint(RunFolder(job.folder).latest, checkpoint)
    RunFolder(job.folder).log.write_text("")
    assert resume(RunFolder(job.folder), 1, said.append).step == 0
    assert said == ["log.jsonl lacks lines that latest.pt counts: the run begins anew"]


def spoil(path, damage):
    written = path.read_bytes()
    if damage == "flip":
        flip(path, len(written) // 2, 3)
    elif damage == "cut":
        path.write_bytes(written[: len(written) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        torch.save([1, 2, 3], path)
