"""What every data set does."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import subprocess
import sys
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ltbench.data.catalogue import create_dataset
from ltbench.data.locations import data_folder
from ltbench.errors import DataError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.facts import Facts
from ltbench.plugins.names import parse_name
from ltbench.plugins.split import PARTS, UNUSED, Split
from ltbench.testing.digest import digest, sample_rows
from ltbench.testing.point import NotApplicable, Points, Subject

POINTS = Points()
KIND = "data set"
SMALL = 5000  # images; larger ones are not decoded as a whole
COPIES = 0.1  # of the held-out images may occur in training, by the nature of tiny images


@POINTS.add("facts", "Its facts are complete and fit each other", KIND)
def check_facts(subject: Subject) -> None:
    """Check names, thresholds, sizes and protocols."""
    from ltbench.results.protocol import Protocol, epochs_to_steps
    from ltbench.session.protocols import own_protocols

    facts = _facts(subject)
    name = subject.text
    assert facts.title, f"{name}: its facts have no title"
    for what, names in (("domains", facts.domains), ("classes", facts.classes)):
        assert names, f"{name}: its facts have no {what}"
        twice = [one for one, number in Counter(names).items() if number > 1]
        assert not twice, f"{name}: '{twice[0]}' stands twice among its {what}"
    assert facts.channels in (1, 3), f"{name}: images have 1 or 3 channels, not {facts.channels}"
    for what, numbers in (("mean", facts.mean), ("std", facts.std)):
        assert len(numbers) == facts.channels, (
            f"{name}: {what} has {len(numbers)} numbers for {facts.channels} channels"
        )
    assert facts.size > 0, f"{name}: images have a size, not {facts.size}"
    assert 0 <= facts.few <= facts.many, (
        f"{name}: few-shot ends at {facts.few} images and many-shot begins after {facts.many}"
    )
    both = facts.few == facts.many and facts.few_inclusive and facts.many_inclusive
    assert not both, f"{name}: a pair of {facts.few} images is few-shot and many-shot"
    assert facts.protocols, f"{name}: its facts have no protocol"
    for protocol in facts.protocols:
        settings = own_protocols(facts)[protocol]
        assert "backbone" in settings, f"{name}: its protocol '{protocol}' names no backbone"
        settings = epochs_to_steps(settings, 100, len(facts.domains))
        settings.pop("backbone")
        settings.pop("pretrained", None)
        Protocol.from_options(settings, f"{name}, protocol {protocol}")


@POINTS.add("ready", "Where files are missing, it says how to get them", KIND)
def check_missing(subject: Subject) -> None:
    """Check that the sentence about missing files is one."""
    cause = _dataset(subject).missing()
    assert cause is None or cause.strip(), f"{subject.text}: missing() returns an empty sentence"


@POINTS.add("labels", "Its labels are those of its facts", KIND)
def check_labels(subject: Subject) -> None:
    """Check classes, domains and parts against the facts."""
    facts, split, name = _facts(subject), _split(subject), subject.text
    shape = (len(facts.domains), len(facts.classes))
    assert split.shape == shape, (
        f"{name}: its split is for {split.shape} domains and classes, its facts name {shape}"
    )
    for what, values, least, number in (
        ("classes", split.y, 0, shape[1]),
        ("domains", split.d, 0, shape[0]),
        ("parts", split.part, UNUSED, len(PARTS)),
    ):
        assert len(values) == len(split), f"{name}: {len(values)} {what} for {len(split)} images"
        wrong = values[(values < least) | (values >= number)]
        assert not len(wrong), (
            f"{name}: {len(wrong)} images have {what} such as {int(wrong[0])}, and there are only "
            f"{least} … {number - 1}"
        )


@POINTS.add("parts", "There are images to train and to test on", KIND)
def check_parts(subject: Subject) -> None:
    """Check that neither part is empty, and every domain is tested."""
    split, name = _split(subject), subject.text
    for part in ("train", "test"):
        assert len(split.rows(part)), f"{name} has no {part} images"


@POINTS.add("overlap", "No image is in two parts of the split", KIND)
def check_overlap(subject: Subject) -> None:
    """Check the images' names, and the pixels of data sets that are small."""
    split, name = _split(subject), subject.text
    seen: dict[str, int] = {}
    used = np.flatnonzero(split.part != UNUSED)
    for image, part in zip(split.images[used].tolist(), split.part[used].tolist(), strict=True):
        other = seen.setdefault(image, part)
        assert other == part, (
            f"{name}: the image '{image}' is both a {PARTS[other]} and a {PARTS[part]} image"
        )
    if len(split) > SMALL:
        return
    pixels = _pixels(subject)
    held_out = [row for part in ("val", "test") for row in split.rows(part).tolist()]
    trained = {pixels[row] for row in split.rows("train").tolist()}
    copies = [row for row in held_out if pixels[row] in trained]
    assert len(copies) <= COPIES * len(held_out), (
        f"{name}: {len(copies)} of {len(held_out)} validation and test images, "
        f"'{split.images[copies[0]]}' for example, hold the same pixels as a training image"
    )


@POINTS.add("images", "Its images are arrays of bytes, height × width × channels", KIND)
def check_images(subject: Subject) -> None:
    """Check a sample of the images."""
    facts, split, name = _facts(subject), _split(subject), subject.text
    decode = _dataset(subject).decoder(split)
    for row in sample_rows(split):
        image = decode(row)
        where = f"{name}: image '{split.images[row]}'"
        assert isinstance(image, np.ndarray), f"{where} is a {type(image).__name__}, not an array"
        assert image.dtype == np.uint8, f"{where} is of {image.dtype}, not uint8"
        fits = image.ndim == 3 and image.shape[2] == facts.channels and min(image.shape) > 0
        assert fits, f"{where} has the shape {image.shape}, not (H, W, {facts.channels})"


@POINTS.add("constant", "Its split and its images are the same in every run and process", KIND)
def check_constant(subject: Subject) -> None:
    """Check opened again with other global seeds, images in another order, another process."""
    name = subject.text
    first = _seeded_digest(subject, 1)
    again = _seeded_digest(subject, 2)
    for what in ("split", "images"):
        assert first[what] == again[what], (
            f"{name}: its {what} changed when it was opened again: derive what is random from the "
            "data set's own parameters, never from a global or an unseeded generator"
        )
    split = _split(subject)
    decode = _dataset(subject).decoder(split)
    rows = sample_rows(split)
    pixels = {row: _sha(decode(row)) for row in rows}
    for row in reversed(rows):
        assert _sha(decode(row)) == pixels[row], (
            f"{name}: image '{split.images[row]}' changes from one look to the next"
        )
    elsewhere = _digest_elsewhere(subject)
    for what, value in (elsewhere or {}).items():
        assert first[what] == value, (
            f"{name}: its {what} changed in another process: the order of a set, hash() and a "
            "folder's listing are not the same everywhere"
        )


@POINTS.add("verify", "It holds what its facts expect", KIND)
def check_verify(subject: Subject) -> None:
    """Check that the data set finds no difference itself."""
    differences = _dataset(subject).verify(_split(subject))
    assert not differences, f"{subject.text}: {differences[0]}"


@POINTS.add("trains", "A short run on it ends with finite metrics", KIND)
def check_trains(subject: Subject) -> None:
    """Check two steps of ERM with a tiny network, on a data set that is small."""
    from ltbench.session.plan import Request, plan_runs
    from ltbench.testing.small_data import BACKBONE, register_small_data
    from ltbench.testing.small_run import carry_out

    if len(_split(subject)) > SMALL:
        raise NotApplicable(f"it has more than {SMALL} images")
    register_small_data()
    overrides = {"steps": 2, "eval_every": 2, "batch_per_domain": 2, "select": "last"}
    overrides |= {"patience": 0, "schedule": "constant"}  # neither can do without validation
    folder = data_folder(None)
    request = Request(
        ["erm"], [subject.text], [0], "fp32", folder, overrides, backbone=BACKBONE, pretrained=False
    )
    outcome = carry_out(plan_runs(request).specs[0], subject.folder / "run", folder)
    for key, value in outcome.test.items():
        assert value is None or math.isfinite(value), f"{subject.text}: test {key} is {value}"


def _dataset(subject: Subject) -> Dataset:
    return create_dataset(parse_name(subject.text), data_folder(None))


def _facts(subject: Subject) -> Facts:
    dataset = _dataset(subject)
    try:
        return dataset.facts
    except DataError as error:
        raise NotApplicable(dataset.missing() or str(error)) from error


def _split(subject: Subject) -> Split:
    def find() -> Split:
        dataset = _dataset(subject)
        if cause := dataset.missing():
            raise NotApplicable(cause)
        return dataset.split()

    return subject.once("split", find)


def _pixels(subject: Subject) -> list[str]:
    split = _split(subject)
    decode = _dataset(subject).decoder(split)
    return [_sha(decode(row)) for row in range(len(split))]


def _sha(image: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def _seeded_digest(subject: Subject, seed: int) -> dict[str, str]:
    """Return the digest of the data set, opened while the global generators have this seed."""
    import torch

    _split(subject)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return digest(_dataset(subject))


def _digest_elsewhere(subject: Subject) -> dict[str, str] | None:
    """Return the digest that another process finds, or nothing where it does not know the name."""
    command = [sys.executable, "-m", "ltbench.testing.digest", subject.text]
    environment = {**os.environ, "PYTHONHASHSEED": "271828"}
    done = subprocess.run(
        [*command, str(data_folder(None)), "3"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode and "there is no data set" in done.stderr:
        return None  # registered in this process alone, as tests do
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    assert not done.returncode, f"{subject.text} cannot be opened in another process: {last}"
    found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
