"""``fashion-mlt`` on files in the published format, and on the published ones where they are."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from ltbench_datasets import fashion
from ltbench_datasets.idx_files import FILES, read_idx
from published import idx
from scipy import ndimage

from ltbench.data.catalogue import create_dataset
from ltbench.data.splits import class_sizes
from ltbench.errors import DataError, UsageError
from ltbench.plugins.facts import Facts, registry_facts
from ltbench.plugins.names import parse_name

NAMES = [name for part in FILES.values() for name in part]
DEBIAN = fashion.SYSTEM
installed = pytest.mark.skipif(
    not all((DEBIAN / name).is_file() for name in NAMES), reason="needs dataset-fashion-mnist"
)


def write_fashion(folder: Path, suffix: str = ".gz") -> None:
    """Write the four files: an image is a soft spot of a place and size that tell it again."""
    down, right = np.mgrid[:28, :28]
    for part, n, seed in (("train", 1320, 0), ("t10k", 410, 1)):
        y = np.random.default_rng(seed).permutation(np.repeat(np.arange(10), n))
        number = np.arange(len(y))[:, None, None]
        distance = (down - 10 - number % 7) ** 2 + (right - 10 - number // 7 % 7) ** 2
        idx(folder / f"{part}-images-idx3-ubyte{suffix}", 250 * np.exp(-distance / 18))
        idx(folder / f"{part}-labels-idx1-ubyte{suffix}", y)


def without_content() -> dict[str, Any]:
    """Return the registry's facts but for what is in the files."""
    details = registry_facts("fashion-mlt").details
    return {key: value for key, value in details.items() if key != "content"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fashion")
    write_fashion(folder)
    return folder


@pytest.fixture(autouse=True)
def _no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "SYSTEM", tmp_path / "system")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Let the registry know the content of some files instead of the published."""

    def stand_for(folder: Path) -> None:
        facts = registry_facts("fashion-mlt")
        content = {
            path.stem: hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
            for path in folder.glob("*.gz")
        }
        facts = dataclasses.replace(facts, details={**facts.details, "content": content})
        monkeypatch.setattr("ltbench.plugins.dataset.registry_facts", lambda _: facts)

    return stand_for


@pytest.fixture
def clothes(written: Path, data_dir: Path, known: Callable) -> Path:
    known(written)
    folder = data_dir / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for path in written.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.usefixtures("clothes")
def test_opposed_tails_that_end_in_no_image(open_named: Callable) -> None:
    dataset, split = open_named("fashion-mlt")
    falling = [300, 154, 79, 40, 20, 10, 5, 2, 1, 0]
    rising = falling[::-1]
    assert split.counts("train").tolist() == [falling, rising, falling, rising]
    assert (split.counts("val") == 25).all()
    assert (split.counts("test") == 100).all()
    assert dataset.verify(split) == []
    buckets = dataset.facts.shots.buckets(split.counts("train"))
    assert {name: int(mask.sum()) for name, mask in buckets.items()} == {
        "many": 8, "medium": 8, "few": 20, "zero": 4,
    }  # fmt: skip


@pytest.mark.usefixtures("clothes")
@pytest.mark.parametrize("name", ["fashion-mlt", "fashion-mlt[profile=b,data_seed=3]"])
def test_no_picture_is_in_two_domains_or_parts(name: str, open_named: Callable) -> None:
    _, split = open_named(name)
    pictures = ["/".join(str(image).split("/")[1:]) for image in split.images]
    assert len(set(pictures)) == len(split)
    from_test = np.array([picture.startswith("test/") for picture in pictures])
    assert (from_test == (split.part == 2)).all()


@pytest.mark.usefixtures("clothes")
def test_the_data_seed_alone_chooses_the_images(open_named: Callable) -> None:
    _, first = open_named("fashion-mlt")
    _, again = open_named("fashion-mlt")
    _, other = open_named("fashion-mlt[data_seed=1]")
    _, balanced = open_named("fashion-mlt[profile=b]")
    assert first.sha256 == again.sha256 != other.sha256
    for part in (1, 2):  # tables of several profiles validate and test on the same images
        assert set(first.images[first.part == part]) == set(balanced.images[balanced.part == part])


@pytest.mark.usefixtures("clothes")
def test_parameters(open_named: Callable) -> None:
    _, split = open_named("fashion-mlt[ratio=10,profile=sbij,test=3]")
    n = split.counts("train")
    profiles = ("step", "balanced", "exp-inverse", "step-inverse")
    for d, profile in enumerate(profiles):
        assert n[d].tolist() == class_sizes(profile, 300, 0.1, 10).tolist()
    assert (split.counts("test") == 3).all()
    with pytest.raises(UsageError, match="one letter of e, s, b, i, j or 4 of them"):
        open_named("fashion-mlt[profile=ei]")
    with pytest.raises(DataError, match="250 are wanted"):
        open_named("fashion-mlt[test=250]")


@pytest.mark.usefixtures("clothes")
def test_each_domain_shows_its_images_in_its_way(written: Path, open_named: Callable) -> None:
    dataset, split = open_named("fashion-mlt")
    decode = dataset.decoder(split)
    published = {part: read_idx(written / files[0]).astype(float) for part, files in FILES.items()}
    for i in range(0, len(split), 41):
        domain, part, number = split.images[i].split("/")
        pixels, image = decode(i), published[part][int(number)]
        assert pixels.shape == (28, 28, 3)
        assert (pixels[..., :1] == pixels).all()
        if domain.startswith("rot"):
            turned = ndimage.rotate(image, int(domain[3:]), reshape=False, order=1)
            assert np.abs(turned - pixels[..., 0])[6:-6, 6:-6].max() < 4
        else:
            expected = 255 - image if domain == "inverted" else image
            assert (pixels[..., 0] == expected).all()


@pytest.mark.usefixtures("clothes")
def test_three_steps(train: Callable) -> None:
    result = train("fashion-mlt[test=2]", "coral")
    assert set(result["confusion"]) == {"upright", "rot30", "rot60", "inverted"}


@pytest.mark.usefixtures("clothes")
def test_the_commands_of_data(ltbench: Callable, tmp_path: Path) -> None:
    assert "many 8, medium 8, few 20, zero 4" in ltbench("info", "fashion-mlt").stdout
    ltbench("plot", "fashion-mlt", "-o", str(tmp_path / "tail.svg"))
    assert "inverted" in (tmp_path / "tail.svg").read_text()
    assert "no difference" in ltbench("verify", "fashion-mlt", "--images").stdout
    assert "10 to 1" in ltbench("check", "fashion-mlt", "--no-images").stdout


@pytest.mark.parametrize("place", ["fashion-mnist", "system"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_other_places_and_compressions_are_the_same_runs(
    *, place: str, suffix: str, clothes: Path, data_dir: Path, tmp_path: Path, open_named: Callable
) -> None:
    dataset, split = open_named("fashion-mlt")
    identity = split.sha256, dataset.fingerprint(split), list(dataset.image_files(split))
    for path in clothes.iterdir():
        path.unlink()
    write_fashion((tmp_path if place == "system" else data_dir) / place, suffix)
    dataset, split = open_named("fashion-mlt")
    assert (split.sha256, dataset.fingerprint(split), dataset.image_files(split)) == (
        *identity[:2], tuple(identity[2]),
    )  # fmt: skip
    assert dataset.root.name == place


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _with_magic(content: bytes) -> bytes:
    plain = gzip.decompress(content)
    return gzip.compress(b"\0\0\x0d" + plain[3:], 1)


def _with_count(content: bytes) -> bytes:
    plain = gzip.decompress(content)
    return gzip.compress(plain[:4] + struct.pack(">I", 2**32 - 1) + plain[8:], 1)


def _with_another_byte(content: bytes) -> bytes:
    plain = bytearray(gzip.decompress(content))
    plain[-1] ^= 1
    return gzip.compress(bytes(plain), 1)


def _without_the_last(content: bytes) -> bytes:
    """Return a sound file of one image or label less."""
    plain = gzip.decompress(content)
    start = 4 + 4 * plain[3]
    count = int.from_bytes(plain[4:8], "big")
    rest = plain[8:start] + plain[start : -((len(plain) - start) // count)]
    return gzip.compress(plain[:4] + struct.pack(">I", count - 1) + rest, 1)


@pytest.mark.parametrize("name", [NAMES[0], NAMES[3]])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_truncated, "Compressed file ended"),
        (lambda _: b"", "no IDX file"),
        (lambda _: b"<html>", "Not a gzipped file"),
        (_with_magic, "no IDX file of bytes"),
        (_with_count, "where it says 4294967295"),
        (_with_another_byte, "its content has the sha256"),
        (lambda content: content[:10] + b"\xff" + content[11:], "cannot be decompressed"),
        (_without_the_last, "its content has the sha256"),
    ],
)
def test_a_damaged_file_is_named(
    *, name: str, damage: Callable, said: str, clothes: Path, ltbench: Callable
) -> None:
    content = (clothes / name).read_bytes()
    (clothes / name).unlink()
    (clothes / name).write_bytes(damage(content))
    output = " ".join(ltbench("verify", "fashion-mlt", code=2).output.split())
    assert str(clothes / name) in output
    assert said in output
    assert "remove the file, then type 'ltbench data prepare fashion-mlt'" in output


def test_files_that_do_not_belong_together(
    clothes: Path, monkeypatch: pytest.MonkeyPatch, ltbench: Callable
) -> None:
    unsigned = dataclasses.replace(registry_facts("fashion-mlt"), details=without_content())
    monkeypatch.setattr("ltbench.plugins.dataset.registry_facts", lambda _: unsigned)
    images = clothes / "train-images-idx3-ubyte.gz"
    content = _without_the_last(images.read_bytes())
    images.unlink()
    images.write_bytes(content)
    output = " ".join(ltbench("verify", "fashion-mlt", code=2).output.split())
    assert "it holds images of shape (13199, 28, 28) where (13200, 28, 28) belong" in output
    idx(clothes / "own.gz", np.full(13200, 10))
    (clothes / "own.gz").replace(clothes / "train-labels-idx1-ubyte.gz")
    output = " ".join(ltbench("verify", "fashion-mlt", code=2).output.split())
    assert "train-labels-idx1-ubyte.gz cannot be read (it holds labels of" in output


def test_prepare_puts_the_files_where_torchvision_does(
    mirror, data_dir: Path, ltbench: Callable
) -> None:
    said = create_dataset(parse_name("fashion-mlt"), data_dir).missing() or ""
    assert "ltbench data prepare fashion-mlt" in said
    assert "apt install dataset-fashion-mnist" in said
    write_fashion(mirror.folder)
    mirror.stand_for("fashion-mlt", details=without_content())
    assert "is ready" in ltbench("prepare", "fashion-mlt").stdout
    assert {p.name for p in (data_dir / "FashionMNIST" / "raw").iterdir()} == set(NAMES)
    asked = len(mirror.asked)
    ltbench("prepare", "fashion-mlt")
    assert len(mirror.asked) == asked == 2 * len(NAMES)
    for path in list((data_dir / "FashionMNIST" / "raw").iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    theirs = torchvision.datasets.FashionMNIST(str(data_dir), train=False)
    ours = read_idx(data_dir / "FashionMNIST" / "raw" / FILES["test"][1])
    assert theirs.targets.tolist() == ours.tolist()


def test_nothing_answers(mirror, data_dir: Path, ltbench: Callable) -> None:
    mirror.stand_for("fashion-mlt")
    said = " ".join(ltbench("prepare", "fashion-mlt", code=2).output.split())
    place = data_dir / "FashionMNIST" / "raw" / NAMES[0]
    assert f"put it at {place}, then type the same command again" in said


def test_checksums_addresses_and_classes_are_those_of_torchvision() -> None:
    facts, theirs = registry_facts("fashion-mlt"), torchvision.datasets.FashionMNIST
    ours = {source["file"]: source["md5"] for source in facts.sources}
    assert ours == dict(theirs.resources)
    for source in facts.sources:
        assert f"{theirs.mirrors[0]}{source['file']}" in source["urls"]
    assert list(facts.classes) == theirs.classes


@installed
def test_debians_files_are_the_published_ones_without_a_name_and_time() -> None:
    """gzip's header names the file and its time; with those of 2017 the published MD5 comes."""
    facts: Facts = registry_facts("fashion-mlt")
    times = {"train": 1504176606, "t10k": 1504176627}
    for source in facts.sources:
        name = source["file"]
        content = (DEBIAN / name).read_bytes()
        stamp = struct.pack("<I", times[name.split("-")[0]])
        named = b"\x1f\x8b\x08\x08" + stamp + b"\0\x03" + name.removesuffix(".gz").encode() + b"\0"
        published = named + content[10:]
        assert len(published) == source["size"]
        assert hashlib.md5(published).hexdigest() == source["md5"]


@installed
def test_the_published_files_keep_their_split_and_pixels(
    open_named: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion, "SYSTEM", DEBIAN)
    dataset, split = open_named("fashion-mlt")
    assert dataset.verify(split) == []
    assert split.sha256 == "878fe73135bfa1c7b9cea58ce97659d35ca6bc7466b59419f6089eb9ded510fa"
    decode = dataset.decoder(split)
    digest = hashlib.sha256(b"".join(decode(i).tobytes() for i in range(0, len(split), 7)))
    assert digest.hexdigest()[:16] == "f278146e055862d6"
    _, whole = open_named("fashion-mlt[test=250]")
    assert len(whole.rows("test")) == 10_000
