"""``ltbench data prepare NAME`` from a server to a run, for each data set that has sources."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from published import (
    camera_traps,
    plant,
    write_archive,
    write_cifar,
    write_mnist,
    write_mnist_m,
    write_official,
    write_svhn,
)

from ltbench.plugins.facts import Facts, registry_facts

# The archives of the folder data sets: file, top folder, where it lies afterwards, how its images
# are called, and what else is in it.
FOLDERS = {
    "vlcs-mlt": ("VLCS.tar.gz", "VLCS", "VLCS", "24cfa9d5209f45e687ab0c6a4432c{i:03}.jpg", ()),
    "pacs-mlt": ("PACS.zip", "kfold", "PACS", "pic_{i:03}.jpg", ("__MACOSX/._kfold",)),
    "officehome-mlt": (
        "OfficeHomeDataset_10072016.zip",
        "OfficeHomeDataset_10072016",
        "office_home",
        "{i:05}.jpg",
        ("OfficeHomeDataset_10072016/ImageInfo.csv", "OfficeHomeDataset_10072016/imagelist.txt"),
    ),
}
PARTS = ("train", "val", "test")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def counted(facts: Facts, images: list[str]) -> dict[str, tuple[int, ...]]:
    """Return the counts of a split file that :func:`write_official` wrote."""
    parts = ("train", "val", "test", "train", "test")
    found = {domain: dict.fromkeys(PARTS, 0) for domain in facts.domains}
    for i, image in enumerate(images):
        found[image.split("/")[0]][parts[i % 5]] += 1
    return {domain: tuple(n.values()) for domain, n in found.items()}


def smaller(name: str, **rule: Any) -> dict[str, Any]:
    """Return the details of a data set with fewer images a class, and hence other files."""
    details = registry_facts(name).details
    layout = {key: value for key, value in details["layout"].items() if key != "md5"}
    return {**details, "layout": layout, "split": {**details["split"], **rule}}


def check_ready(
    ltbench: Callable, name: str, images: int, mirror: Any, *, asked: int | None = None
) -> None:
    """Prepare from the server, verify, and prepare again without it."""
    result = ltbench("prepare", name)
    assert f"{name} is ready: {images} images decoded" in result.stdout
    assert "answered 404" in result.stderr
    assert "Warning" not in result.stderr
    assert "no difference" in ltbench("verify", name, "--images").stdout
    assert asked is None or len(mirror.asked) == asked
    before = len(mirror.asked)
    ltbench("prepare", name)
    assert len(mirror.asked) == before
    assert not list(mirror.folder.parent.glob("data/**/*.part*"))


@pytest.mark.parametrize("name", FOLDERS)
def test_archives_of_folders(
    *, name: str, mirror: Any, work: Path, data_dir: Path, write_image, ltbench, train
) -> None:
    archive, top, place, file, more = FOLDERS[name]
    images = plant(name, work / top, write_image, {}, file=file)
    for extra in more:
        (work / extra).parent.mkdir(exist_ok=True)
        (work / extra).write_text("x")
    write_archive(mirror.folder / archive, work, sorted(p.name for p in work.iterdir()))
    facts = registry_facts(name)
    official = facts.details["layout"]["official"]
    write_official(mirror.folder / official, facts, images)
    mirror.stand_for(name, counts=counted(facts, images))
    check_ready(ltbench, name, len(images), mirror, asked=4)
    assert (data_dir / place / official).is_file()
    left = {path.name for path in data_dir.iterdir()} - {"__MACOSX"}
    assert left == {place, f".{archive}.unpacked", "sources.lock.json"}
    assert set(train(name)["confusion"]) == set(facts.domains)
    # An image that goes missing is named, with the split file as it is.
    (data_dir / place / images[7]).unlink()
    found = ltbench("verify", name, code=1).stdout
    assert f"the first that is not there is '{images[7]}'" in found


def test_camera_traps(
    *, mirror: Any, work: Path, data_dir: Path, write_image, ltbench, train
) -> None:
    images = camera_traps(work, write_image)
    write_archive(mirror.folder / "eccv_18_all_images_sm.tar.gz", work, ["eccv_18_all_images_sm"])
    write_archive(mirror.folder / "eccv_18_annotations.tar.gz", work, ["eccv_18_annotation_files"])
    facts = registry_facts("terrainc-mlt")
    write_official(mirror.folder / "TerraIncognita.csv", facts, images)
    mirror.stand_for("terrainc-mlt", counts=counted(facts, images))
    check_ready(ltbench, "terrainc-mlt", 39, mirror, asked=6)
    assert sorted(p.name for p in (data_dir / "terra_incognita").iterdir()) == [
        "TerraIncognita.csv",
        *facts.domains,
    ]
    assert set(train("terrainc-mlt")["confusion"]) == set(facts.domains)


def domainnet(mirror: Any, work: Path, write_image: Callable, *, official: bool) -> list[str]:
    """Serve DomainNet's six archives and its list of duplicates, which names two images."""
    facts = registry_facts("domainnet-mlt")
    images = plant("domainnet-mlt", work, write_image, {}, file="image_001_{i:06}.jpg")
    for domain in facts.domains:
        write_archive(mirror.folder / f"{domain}.zip", work, [domain])
    twice = [images[0], images[-1]]
    (mirror.folder / "domain_net_duplicates.txt").write_text("\n".join(twice) + "\n")
    once = sorted(set(images) - set(twice))
    counts = {d: (5 if d in ("clipart", "sketch") else 6, 3, 6) for d in facts.domains}
    if official:
        write_official(mirror.folder / "DomainNet.csv", facts, once)
        counts = counted(facts, once)
    mirror.stand_for(
        "domainnet-mlt", details=smaller("domainnet-mlt", val=1, test=2), counts=counts
    )
    return once


def test_domainnet(*, mirror: Any, work: Path, data_dir: Path, write_image, ltbench, train) -> None:
    images = domainnet(mirror, work, write_image, official=True)
    check_ready(ltbench, "domainnet-mlt", len(images), mirror, asked=16)
    root = data_dir / "domain_net"
    assert not list(data_dir.rglob("*.zip"))
    found = sorted(str(p.relative_to(root)) for p in root.rglob("*.jpg"))
    assert len(found) == len(images) + 2
    assert len(train("domainnet-mlt")["confusion"]) == 6
    # A domain that is removed comes back, and it alone.
    shutil.rmtree(root / "sketch")
    asked = len(mirror.asked)
    ltbench("prepare", "domainnet-mlt", "--no-decode")
    assert mirror.asked[asked:] == ["/gone/sketch.zip", "/sketch.zip"]
    assert "no difference" in ltbench("verify", "domainnet-mlt").stdout


def test_the_list_of_duplicates_comes_later_than_the_images(
    mirror: Any, work: Path, write_image, ltbench
) -> None:
    images = domainnet(mirror, work, write_image, official=False)
    duplicates = mirror.folder / "domain_net_duplicates.txt"
    duplicates.rename(mirror.folder / "hidden")
    result = ltbench("prepare", "domainnet-mlt", "--no-decode")
    assert "until then the split is made without it" in result.stderr
    assert "Warning: domain 'clipart' has 6/3/6" in result.stderr
    assert f"{len(images) + 2} images" in result.stdout
    (mirror.folder / "hidden").rename(duplicates)
    assert f"{len(images)} images" in ltbench("prepare", "domainnet-mlt", "--no-decode").stdout


@pytest.mark.parametrize("name", ["cifar10-lt", "cifar100-lt"])
def test_cifar(*, name: str, mirror: Any, work: Path, data_dir: Path, ltbench, train) -> None:
    facts = registry_facts(name)
    folder, (source,) = facts.details["layout"]["folder"], facts.sources
    write_cifar(work / folder, facts, per_class=10, tests=3)
    write_archive(mirror.folder / source["file"], work, [folder])
    profile = [int(10 * 0.01 ** (c / (len(facts.classes) - 1))) for c in range(len(facts.classes))]
    mirror.stand_for(
        name,
        details=smaller(name, largest=10, test=3),
        counts={facts.domains[0]: (sum(profile), 0, 3 * len(facts.classes))},
    )
    total = sum(profile) + 3 * len(facts.classes)
    check_ready(ltbench, name, total, mirror, asked=2)
    assert {path.name for path in data_dir.iterdir()} == {folder, f".{source['file']}.unpacked"}
    assert train(name, "bsoftmax")["test_sets"].keys() >= {"balanced", "long-tailed"}
    # A broken file is told to be removed and fetched anew; that is what then happens.
    broken = data_dir / folder / facts.details["layout"]["train"][0]
    broken.write_bytes(b"no pickle")
    assert "then prepare the data set again" in ltbench("verify", name, code=2).output
    broken.unlink()
    assert "is ready" in ltbench("prepare", name).stdout


@pytest.mark.parametrize("typed", ["digits-mlt", "digits-mlt[mnist=true]"])
def test_digits(*, typed: str, mirror: Any, work: Path, data_dir: Path, ltbench, train) -> None:
    write_mnist(mirror.folder, train=24, test=3)
    write_svhn(mirror.folder, train=24, test=3)
    write_mnist_m(work, train=24, test=3)
    for part in ("train", "test"):
        archive = mirror.folder / f"mnist_m_{part}.pt.tar.gz"
        write_archive(archive, work, [f"mnist_m_{part}.pt"])
    profile = [int(20 * 0.01 ** (c / 9)) for c in range(10)]
    domains = ("mnist", "mnist-m", "svhn") if "mnist=" in typed else ("mnist-m", "svhn")
    mirror.stand_for(
        "digits-mlt",
        details={"split": {"largest": 20, "val": 2, "test": 2}},
        counts={domain: (sum(profile), 20, 20) for domain in ("mnist-m", "svhn")},
    )
    files = sum(s["domain"] in domains for s in registry_facts("digits-mlt").sources)
    check_ready(ltbench, typed, len(domains) * (sum(profile) + 40), mirror, asked=2 * files)
    assert (data_dir / "MNISTM" / "processed" / "mnist_m_train.pt").is_file()
    assert (data_dir / "SVHN" / "train_32x32.mat").is_file()
    assert (data_dir / "MNIST" / "raw").exists() == ("mnist=" in typed)
    assert set(train(typed, "coral")["confusion"]) == set(domains)


def test_what_differs_from_the_registry_is_a_warning(
    mirror: Any, work: Path, write_image, ltbench
) -> None:
    images = plant("pacs-mlt", work / "kfold", write_image, {})
    write_archive(mirror.folder / "PACS.zip", work, ["kfold"])
    facts = registry_facts("pacs-mlt")
    write_official(mirror.folder / "PACS.csv", facts, images)
    mirror.stand_for("pacs-mlt")
    result = ltbench("prepare", "pacs-mlt")
    assert "Warning: domain 'photo' has 6/3/6" in result.stderr
    assert "where 1145/175/350 are expected" in " ".join(result.stderr.split())
    assert "domain 'photo'" in ltbench("verify", "pacs-mlt", code=1).stdout


@pytest.fixture
def imagenet(data_dir: Path, write_image: Callable, mirror: Any) -> Iterator[Path]:
    """Put two classes of ImageNet in place, and serve lists for them."""
    root, synsets = data_dir / "ImageNet", ("n01440764", "n01443537")
    lists: dict[str, list[str]] = {part: [] for part in PARTS}
    for c, synset in enumerate(synsets):
        for i in range(5):
            train = f"train/{synset}/{synset}_{i}.JPEG"
            test = f"val/{synset}/ILSVRC2012_val_{c:04}{i:04}.JPEG"
            write_image(root / train)
            write_image(root / test.replace(f"{synset}/", ""))
            lists["val" if i == 4 else "train"].append(f"{train} {c}")
            lists["test"].append(f"{test} {c}")
    for part, lines in lists.items():
        (mirror.folder / f"ImageNet_LT_{part}.txt").write_text("\n".join(lines) + "\n")
    mirror.stand_for("imagenet-lt", counts={"imagenet": (8, 2, 10)})
    return root


def test_imagenet_fetches_its_lists(imagenet: Path, mirror: Any, ltbench, train) -> None:
    check_ready(ltbench, "imagenet-lt", 20, mirror, asked=6)
    assert sorted(p.name for p in imagenet.iterdir()) == ["train", "val"]
    assert len(train("imagenet-lt", "bsoftmax")["confusion"]["imagenet"]) == 1000


def test_imagenet_itself_is_put_there_by_hand(
    imagenet: Path, mirror: Any, data_dir: Path, ltbench
) -> None:
    shutil.rmtree(imagenet)
    for command in ("prepare", "verify"):
        said = " ".join(ltbench(command, "imagenet-lt", code=2).output.split())
        assert "get ImageNet (ILSVRC 2012) at image-net.org" in said
        assert f"training images at {data_dir}/imagenet-lt/train/<synset>/" in said
        assert f"validation images at {data_dir}/imagenet-lt/val/" in said
        assert "then type 'ltbench data prepare imagenet-lt'" in said
    assert mirror.asked == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("pacs-mlt", "PACS.zip"),
        ("vlcs-mlt", "VLCS.tar.gz"),
        ("officehome-mlt", "OfficeHomeDataset_10072016.zip"),
        ("terrainc-mlt", "eccv_18_all_images_sm.tar.gz"),
        ("domainnet-mlt", "clipart.zip"),
        ("cifar10-lt", "cifar-10-python.tar.gz"),
        ("cifar100-lt", "cifar-100-python.tar.gz"),
        ("digits-mlt", "MNISTM/processed/mnist_m_train.pt.tar.gz"),
    ],
)
def test_nothing_answers(name: str, file: str, mirror: Any, data_dir: Path, ltbench) -> None:
    mirror.stand_for(name)
    said = " ".join(ltbench("prepare", name, code=2).output.split())
    assert f"put it at {data_dir / file}, then type the same command again" in said


def test_an_archive_that_was_put_there_by_hand(
    mirror: Any, work: Path, data_dir: Path, write_image, ltbench
) -> None:
    plant("vlcs-mlt", work / "VLCS", write_image, {})
    write_archive(data_dir / "VLCS.tar.gz", work, ["VLCS"])
    facts = registry_facts("vlcs-mlt")
    sources = tuple({**source, "urls": []} for source in facts.sources)
    mirror.stand_for("vlcs-mlt", details=smaller("vlcs-mlt", val=1, test=1))
    mirror.patch.setattr(
        "ltbench.plugins.dataset.registry_facts",
        lambda _: dataclasses.replace(facts, sources=sources),
    )
    result = ltbench("prepare", "vlcs-mlt", "--no-decode")
    assert "VLCS.csv cannot be downloaded (no address is known)" in result.stderr
    assert "60 images" in result.stdout


def test_a_folder_that_is_there_already_takes_what_the_archive_has(
    mirror: Any, work: Path, data_dir: Path, write_image, ltbench
) -> None:
    images = plant("pacs-mlt", work / "kfold", write_image, {})
    write_archive(mirror.folder / "PACS.zip", work, ["kfold"])
    facts = registry_facts("pacs-mlt")
    mirror.stand_for("pacs-mlt", counts=counted(facts, images))
    (data_dir / "PACS" / "photo").mkdir(parents=True)
    write_official(data_dir / "PACS" / "PACS.csv", facts, images)
    result = ltbench("prepare", "pacs-mlt", "--no-decode")
    assert "60 images" in result.stdout
    there = sorted(p.name for p in data_dir.iterdir())
    assert there == [".PACS.zip.unpacked", "PACS", "sources.lock.json"]
    assert len(list((data_dir / "PACS").rglob("*.jpg"))) == len(images)


def test_what_has_no_checksum_is_held_to_its_first_download(
    imagenet: Path, mirror: Any, data_dir: Path, ltbench
) -> None:
    result = ltbench("prepare", "imagenet-lt", "--no-decode")
    assert result.stderr.count("what is downloaded later must match") == 3
    lock = json.loads((data_dir / "sources.lock.json").read_text())["files"]
    assert set(lock) == {f"ImageNet_LT_{part}.txt" for part in PARTS}
    assert "no difference" in ltbench("verify", "imagenet-lt").stdout
    place = data_dir / "ImageNet_LT_test.txt"
    text = place.read_text()
    place.write_text(text.replace("\n", "\r\n"))
    said = ltbench("verify", "imagenet-lt", code=1).stdout
    assert f"{place} has {len(text) + 10} bytes instead of {len(text)}" in said
    assert f"as {data_dir}/sources.lock.json says of the first download" in said
    # The mirror gives something else by now: it is not taken.
    place.unlink()
    served = mirror.folder / place.name
    served.write_text(text.replace("_0000", "_0001"))
    said = " ".join(ltbench("prepare", "imagenet-lt", code=2).output.split())
    assert "gave a file that has the sha256" in said
    assert not place.exists()
    served.write_text(text)
    ltbench("prepare", "imagenet-lt")
    assert "no difference" in ltbench("verify", "imagenet-lt").stdout


def test_every_image_of_the_lists_is_looked_at(imagenet: Path, ltbench) -> None:
    ltbench("prepare", "imagenet-lt", "--no-decode")
    image = imagenet / "train" / "n01440764" / "n01440764_0.JPEG"
    image.unlink()
    image.symlink_to("gone.JPEG")
    said = ltbench("verify", "imagenet-lt", code=1).stdout
    assert f"{image} is a link to gone.JPEG, which is missing" in said


def test_addresses_begin_with_those_that_cannot_be_tampered_with() -> None:
    folder = Path(str(resources.files("datasets_registry")))
    first = [
        source["urls"][0]
        for path in sorted(folder.glob("*.toml"))
        for source in registry_facts(path.stem).sources
    ]
    assert len(first) == 46
    assert all(url.startswith(("https://", "gdrive:")) for url in first), first
