"""What a run keeps of its logits: rounding, the top 50, and files from anybody."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from ltbench.errors import DataError
from ltbench.results.logits import LOGITS, Logits, kept_logits, read_logits, write_logits

RNG = np.random.default_rng(0)


def make(rows=40, classes=7, scale=4.0) -> tuple[np.ndarray, Logits]:
    z = RNG.normal(size=(rows, classes)).astype(np.float32) * scale + 1000
    y, d = RNG.integers(classes, size=rows), RNG.integers(3, size=rows)
    names = np.array([f"photo/hÿ-{i}.jpg" for i in range(rows)])
    return z, kept_logits(z, y, d, names)


def write(folder: Path, **parts: Logits) -> Path:
    folder.mkdir(exist_ok=True)
    write_logits(folder / LOGITS, parts)
    return folder


def test_what_is_written_is_read(tmp_path):
    (z, test), (_, val) = make(), make(rows=12)
    folder = write(tmp_path, test=test, val=val)
    for part, expected in (("test", test), ("val", val)):
        found = read_logits(folder, part)
        for name in ("logits", "classes", "domains", "images"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert (found.top, found.width, len(found)) == (None, 7, len(expected.classes))
    assert (test.logits.max(1) == 0).all()
    assert np.allclose(test.probabilities(), softmax(z.astype(float), axis=1), rtol=0.01)
    assert np.array_equal(test.logits.argmax(1), z.argmax(1))


def test_without_validation_images_there_are_no_rows(tmp_path):
    none = kept_logits(np.zeros((0, 7)), np.zeros(0, int), np.zeros(0, int), np.zeros(0, "U3"))
    found = read_logits(write(tmp_path, test=make()[1], val=none), "val")
    assert len(found) == 0
    assert found.probabilities().shape == (0, 7)


@pytest.mark.parametrize("classes", [1001, 2500])
def test_of_more_than_a_thousand_classes_the_top_fifty_say_what_the_softmax_says(tmp_path, classes):
    z, kept = make(rows=30, classes=classes, scale=3.0)
    assert kept.logits.shape == (30, 50)
    found = read_logits(write(tmp_path, test=kept, val=kept), "test")
    expected, ours = softmax(z.astype(float), axis=1), found.probabilities()
    assert ours.shape == expected.shape
    assert np.allclose(ours.sum(1), 1)
    assert np.array_equal(found.top, np.argsort(-z, axis=1, kind="stable")[:, :50])
    kept_of = np.take_along_axis(expected, found.top.astype(int), axis=1)
    assert np.allclose(np.take_along_axis(ours, found.top.astype(int), axis=1), kept_of, rtol=0.02)
    rest = (1 - kept_of.sum(1)) / (classes - 50)
    spread = ours.copy()
    np.put_along_axis(spread, found.top.astype(int), np.nan, axis=1)
    assert np.allclose(np.nanmax(spread, axis=1), np.nanmin(spread, axis=1))
    assert np.allclose(np.nanmax(spread, axis=1), rest, rtol=0.1, atol=1e-9)


def test_a_thousand_classes_are_kept_whole():
    assert make(rows=3, classes=1000)[1].logits.shape == (3, 1000)


def test_a_certain_model_has_probabilities_of_one_and_none_that_is_not_a_number():
    z = np.zeros((2, 1200))
    z[:, 3] = 1e6
    z[1, 4:900] = -np.inf
    kept = kept_logits(z, np.zeros(2, int), np.zeros(2, int), np.array(["a", "b"]))
    assert np.allclose(kept.probabilities()[:, 3], 1)
    few = kept_logits(z[:, :9], np.zeros(2, int), np.zeros(2, int), np.array(["a", "b"]))
    assert np.isfinite(few.logits).all()
    assert np.allclose(few.log_probabilities()[:, 3], log_softmax(z[:, :9], axis=1)[:, 3])


def test_a_run_without_logits_says_how_to_have_them(tmp_path):
    with pytest.raises(DataError, match=r"keeps no logits.*run it again"):
        read_logits(tmp_path, "test")


def hostile(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return archives that differ from a good one in one array each."""
    nan, top = arrays["test_logits"].copy(), arrays["test_top"].copy()
    nan[0, 0] = np.nan
    top[0, 0] = top[0, 1]
    no_text = arrays["test_image"].copy()
    no_text.view(np.uint32)[0] = 2**31
    changes = {
        "a row fewer": {"test_logits": arrays["test_logits"][:-1]},
        "one dimension": {"test_logits": arrays["test_logits"].ravel()},
        "whole logits": {"test_logits": arrays["test_logits"].astype(int)},
        "nan": {"test_logits": nan},
        "huge logits": {"test_logits": arrays["test_logits"].astype(float) - 1e9},
        "a pickle": {"test_image": arrays["test_image"].astype(object)},
        "names as numbers": {"test_image": np.arange(len(no_text))},
        "no text": {"test_image": no_text},
        "big-endian": {"test_image": arrays["test_image"].astype(">U20")},
        "fewer names": {"test_image": arrays["test_image"][:-1]},
        "a class too many": {"test_class": arrays["test_class"] + 1100},
        "negative": {"test_domain": arrays["test_domain"] - 5},
        "classes as reals": {"test_class": arrays["test_class"] + 0.5},
        "absurd domains": {"test_domain": arrays["test_domain"] + 150_000},
        "a class twice": {"test_top": top},
        "top out of range": {"test_top": arrays["test_top"] + 1100},
        "top of another shape": {"test_top": arrays["test_top"][:, :-1]},
        "a sum too small": {"test_log_sum_exp": arrays["test_log_sum_exp"] - 9},
        "a sum of nan": {"test_log_sum_exp": arrays["test_log_sum_exp"] * np.nan},
        "too few classes": {"class_count": np.array([20])},
        "too many classes": {"class_count": np.array([2**62])},
        "several counts": {"class_count": np.array([1100, 1100])},
    }
    made = {name: {**arrays, **change} for name, change in changes.items()}
    for gone in ("test_logits", "test_class", "test_image", "test_log_sum_exp", "class_count"):
        made[f"without {gone}"] = {k: v for k, v in arrays.items() if k != gone}
    return made


def test_files_from_anybody_are_judged_field_by_field(tmp_path):
    write(tmp_path, test=make(classes=1100)[1])
    good = dict(np.load(tmp_path / LOGITS))
    read_logits(tmp_path, "test")
    for name, arrays in hostile(good).items():
        np.savez(tmp_path / LOGITS, allow_pickle=True, **arrays)
        with pytest.raises(DataError, match=r"logits\.npz") as raised:
            read_logits(tmp_path, "test")
        assert "\n" not in str(raised.value), name
    for content in (b"", b"PK\x03\x04", b"\x80\x04N."):
        (tmp_path / LOGITS).write_bytes(content)
        with pytest.raises(DataError, match=r"logits\.npz"):
            read_logits(tmp_path, "test")
    np.savez(tmp_path / LOGITS, **good)
    with pytest.raises(DataError, match="val_logits"):
        read_logits(tmp_path, "val")


@pytest.mark.parametrize("descr", ["<f2", "<U400000"])
def test_an_archive_that_unpacks_to_gigabytes_takes_no_memory(tmp_path, descr):
    size = 2**30 // np.dtype(descr).itemsize
    shape = (size // 4, 4) if descr == "<f2" else (size,)
    header = io.BytesIO()
    layout = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, layout)
    name = "test_logits" if descr == "<f2" else "test_image"
    with (
        zipfile.ZipFile(tmp_path / LOGITS, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for _ in range(2**6):
            file.write(bytes(2**24))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"logits\.npz"):
            read_logits(tmp_path, "test")
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
