"""MATLAB files read as SciPy reads them, and those that were changed are a sentence."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path

import numpy as np
import pytest
from ltbench_datasets.digit_files import read_digits
from ltbench_datasets.mat_files import read_arrays
from published import write_svhn
from scipy.io import loadmat, savemat
from test_plain_pickles import mutated

from ltbench.errors import DataError


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "u8"])
def test_arrays_are_those_that_scipy_reads(dtype: str, compressed: bool) -> None:
    arrays = {
        "X": np.arange(120).reshape(4, 5, 3, 2).astype(dtype),
        "y": np.arange(2).astype(dtype)[:, None],
        "text": "x" * 40,
        "more": np.zeros(3),
    }
    file = io.BytesIO()
    savemat(file, arrays, do_compression=compressed)
    expected = loadmat(io.BytesIO(file.getvalue()))
    found = read_arrays(file.getvalue(), ("X", "y"))
    assert found.keys() == {"X", "y"}
    for name, array in found.items():
        assert array.dtype == expected[name].dtype
        assert (array == expected[name]).all()
        assert array.shape == expected[name].shape


@pytest.mark.parametrize(
    "value", [np.zeros(3, complex), "text", {"a": 1}, np.array([{}, 1], dtype=object)]
)
def test_arrays_of_other_kinds_are_refused(value: object) -> None:
    file = io.BytesIO()
    savemat(file, {"X": value})
    with pytest.raises(ValueError, match=r"'X' is no array of real numbers|fill its shape"):
        read_arrays(file.getvalue(), ("X",))
    assert read_arrays(file.getvalue(), ("y",)) == {}


@pytest.mark.parametrize("compressed", [True, False])
def test_changed_files_are_a_sentence(tmp_path: Path, compressed: bool) -> None:
    """SciPy's reader ends the process on some of them."""
    write_svhn(tmp_path, train=1, test=2)
    table = loadmat(tmp_path / "test_32x32.mat")
    path, rng, read = tmp_path / "changed.mat", np.random.default_rng(3), 0
    savemat(path, {"X": table["X"], "y": table["y"]}, do_compression=compressed)
    content = path.read_bytes()
    for i in range(1500):
        path.write_bytes(mutated(content, rng))
        began = time.process_time()
        with contextlib.suppress(DataError):
            digits = read_digits("svhn", [path])
            assert digits.images.shape[1:] == (32, 32, 3) or i
            read += 1
        assert time.process_time() - began < 5
    assert 0 < read < 1500
