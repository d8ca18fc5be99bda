"""Pickles that were changed on the way, or written to do harm, are a sentence and nothing else."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ltbench_datasets.cifar_files import read_batches
from ltbench_datasets.plain_pickles import read_plain
from published import batch, python2_pickle

from ltbench.errors import DataError

MUTATIONS = 3000
READ = """
import sys
from pathlib import Path
from ltbench_datasets.cifar_files import read_batches

read_batches([Path(sys.argv[1])], "labels", 10)
"""


class State:
    """An array with a state that NumPy itself would not have written."""

    def __init__(self, *state: object) -> None:
        self.state = state

    def __reduce__(self) -> tuple[object, ...]:
        return (*np.zeros(1, np.uint8).__reduce__()[:2], self.state)


@pytest.mark.parametrize(
    "state",
    [
        (1, (2,), np.dtype(object), False, [1, 2]),
        (1, (1 << 40,), np.dtype(np.uint8), False, b"ab"),
        (1, (-2, -1), np.dtype(np.uint8), False, b"ab"),
        (1, (2,), np.dtype(np.uint8), False, 7),
        (1, (2,), np.dtype(np.uint8), True, b"ab"),
        (1, (2,), np.dtype([("a", "u1")]), False, b"ab"),
        (1, (2,), np.dtype("V1"), False, b"ab"),
        (1, (2,), np.dtype("f4"), False, b"ab"),
        (1, 2, np.dtype(np.uint8), False, b"ab"),
        (1, (2,), None, False, b"ab"),
        (b"ab",),
    ],
)
def test_states_and_types_that_no_image_file_has(state: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="it "):
        read_plain(pickle.dumps({b"data": State(*state)}, protocol=2))


@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "<u2"])
@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_arrays_of_whole_numbers_read_as_numpy_reads_them(dtype: str, protocol: int) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)
    table = {b"data": array, "n": [1, -2, 1 << 40, True, None], b"t": ((), (1,), (1, 2, b"\xff"))}
    found = read_plain(pickle.dumps(table, protocol=protocol))
    assert (found[b"data"] == array).all()
    assert found["n"] == table["n"]
    assert found[b"t"] == table[b"t"]


def test_a_key_that_hashes_for_ever_is_refused() -> None:
    nested = b")q\x000" + b"h\x00h\x00\x86q\x000" * 60 + b"h\x00"
    began = time.monotonic()
    for content in (
        b"\x80\x02}" + nested + b"K\x01s.",
        b"\x80\x02cnumpy\ndtype\n" + nested + b"K\x00K\x01\x87R.",
        b"\x80\x02cnumpy\ndtype\n" + nested + b"\x85R.",
    ):
        with pytest.raises(ValueError, match=r"no text|no image file needs"):
            read_plain(content)
    assert time.monotonic() - began < 5


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file of which bits are turned, bytes replaced, cut out, put twice or cut off."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        # Most of a file is pixels; its opcodes stand near the ends.
        end = len(changed) if rng.random() < 0.3 else min(len(changed), 200)
        place = int(rng.integers(0, max(1, end)))
        place = len(changed) - 1 - place if rng.random() < 0.3 else place
        kind = int(rng.integers(0, 5))
        if kind == 0:
            changed[place] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            changed[place] = int(rng.integers(0, 256))
        elif kind == 2:
            del changed[place : place + int(rng.integers(1, 9))]
        elif kind == 3:
            changed[place:place] = changed[place : place + int(rng.integers(1, 40))]
        elif rng.random() < 0.1:
            del changed[place:]
        if not changed:
            return b""
    return bytes(changed)


@pytest.mark.filterwarnings("ignore:invalid escape")
@pytest.mark.parametrize("kind", ["python 2", "protocol 0", "protocol 4"])
def test_changed_files_are_a_sentence(kind: str, tmp_path: Path) -> None:
    table, path = batch(1, 10, b"labels"), tmp_path / "batch"
    protocol = int(kind[-1])
    content = python2_pickle(table) if kind == "python 2" else pickle.dumps(table, protocol)
    rng, read, longest = np.random.default_rng(14), 0, 0.0
    for i in range(MUTATIONS):
        path.write_bytes(mutated(content, rng))
        began = time.process_time()
        with contextlib.suppress(DataError):
            images, y = read_batches([path], "labels", 10)
            assert images.shape == (len(y), 3, 32, 32), i
            read += 1
        longest = max(longest, time.process_time() - began)
    assert 0 < read < MUTATIONS
    assert longest < 5


def test_a_file_that_ends_the_process_of_numpy(tmp_path: Path) -> None:
    """A type's state without one of its parts: NumPy takes it, and reads where nothing is."""
    content = python2_pickle(batch(1, 10, b"labels"))
    assert b"U\x01|q\x11NNN" in content
    (tmp_path / "batch").write_bytes(content.replace(b"U\x01|q\x11NNN", b"U\x01|q\x11N0N"))
    command = [sys.executable, "-c", READ, str(tmp_path / "batch")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "it gives a state that no image file needs" in done.stderr
