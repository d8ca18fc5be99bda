"""BIOSCAN-5M: an excerpt of five million rows, orders, ranks and countries."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from published import write_archive

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.errors import DataError, UsageError
from ltbench.plugins.names import Name, parse_name

HEAD = [
    "processid", "sampleid", "taxon", "phylum", "class", "order", "family", "subfamily", "genus",
    "species", "dna_bin", "dna_barcode", "country", "province_state", "coord-lat", "coord-lon",
    "image_measurement_value", "area_fraction", "scale_factor", "inferred_ranks", "split",
    "index_bioscan_1M_insect", "chunk",
]  # fmt: skip
MOTHS = ("Lepidoptera", "Noctuidae", "Noctua", "Noctua pronuba")
OTHER_MOTHS = ("Lepidoptera", "Sphingidae", "Deilephila", "Deilephila elpenor")
FLIES = ("Diptera", "Muscidae", "Musca", "Musca domestica")


def write_bioscan(root: Path, write_image: Callable) -> None:
    """Write the metadata and images below ``root/bioscan5m`` as the authors' archives do."""
    rows: list[dict[str, str]] = []

    def add(split: str, chunk: str, names: tuple[str, ...], country: str) -> None:
        number = f"ABCDE{len(rows):03d}-22"
        order, family, genus, species = names
        row = dict.fromkeys(HEAD, "") | {
            "processid": number, "phylum": "Arthropoda", "class": "Insecta", "order": order,
            "family": family, "genus": genus, "species": species, "country": country,
            "dna_barcode": "ACTG" * 160, "split": split, "chunk": chunk, "inferred_ranks": "0",
        }  # fmt: skip
        rows.append(row)
        place = root / "bioscan5m" / "images" / "cropped_256" / split / chunk
        write_image(place / f"{number}.jpg")

    for i in range(5):
        add("train", "0a"[i % 2], MOTHS, ("Costa Rica", "Canada")[i % 2])
    for i in range(3):
        add("train", "0", FLIES, ("Costa Rica", "Canada")[i % 2])
    add("train", "f", OTHER_MOTHS, "Canada")
    for split in ("val", "test"):
        for names in (MOTHS, OTHER_MOTHS, FLIES):
            add(split, "", names, "Canada")
    add("pretrain", "00", ("Diptera", "", "", ""), "Norway")
    add("test_unseen", "", ("Diptera", "Muscidae", "Musca", "Musca nova"), "Norway")
    folder = root / "bioscan5m" / "metadata" / "csv"
    folder.mkdir(parents=True)
    with (folder / "BIOSCAN_5M_Insect_Dataset_metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HEAD)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def planted(data_dir: Path, write_image: Callable) -> Path:
    write_bioscan(data_dir, write_image)
    create_dataset(Name("bioscan5m"), data_dir).prepare(lambda _: None)
    return data_dir / "bioscan5m"


def test_known_species(planted: Path, data_dir: Path) -> None:
    dataset, split = open_dataset(Name("bioscan5m"), data_dir)
    assert dataset.facts.classes == ("Deilephila elpenor", "Musca domestica", "Noctua pronuba")
    assert split.counts("train").tolist() == [[1, 3, 5]]
    assert split.counts("val").tolist() == split.counts("test").tolist() == [[1, 1, 1]]
    assert dataset.decoder(split)(0).shape == (24, 30, 3)
    assert "train/0/ABCDE000-22.jpg" in split.images
    assert any("metadata.csv" in line for line in dataset.verify(split))  # of other content


@pytest.mark.parametrize("folder", ["BIOSCAN-5M", "bioscan/bioscan5m"])
def test_images_elsewhere_than_where_the_metadata_unpack(
    folder: str, data_dir: Path, write_image: Callable
) -> None:
    write_bioscan(data_dir, write_image)
    (data_dir / folder).mkdir(parents=True)
    (data_dir / "bioscan5m" / "images").rename(data_dir / folder / "images")
    dataset = create_dataset(Name("bioscan5m"), data_dir)
    dataset.prepare(lambda _: None)
    assert dataset.missing() is None
    assert len(dataset.split()) == 15
    assert (data_dir / folder / "known_species.csv").is_file()
    assert any("metadata.csv" in line for line in dataset.verify(dataset.split()))


@pytest.mark.parametrize(
    ("options", "domains", "train"),
    [
        ("order=lepidoptera", ("bioscan",), [[1, 5]]),
        ("order=Lepidoptera,rank=family", ("bioscan",), [[5, 1]]),
        ("rank=genus,profile=exp,ratio=5", ("bioscan",), [[1, 2, 5]]),
        ("domains=countries", ("Canada", "Costa Rica"), [[1, 1, 2], [0, 2, 3]]),
    ],
)
def test_options(
    options: str, domains: tuple[str, ...], train: list[list[int]], planted: Path, data_dir: Path
) -> None:
    dataset, split = open_dataset(parse_name(f"bioscan5m[{options}]"), data_dir)
    assert dataset.facts.domains == domains
    assert split.counts("train").tolist() == train


def test_an_order_that_is_not_there(planted: Path, data_dir: Path) -> None:
    with pytest.raises(UsageError, match=r"leaves 0 classes .* of Lepidoptera, Diptera, or 'all'"):
        open_dataset(parse_name("bioscan5m[order=Moths]"), data_dir)


def test_preparing_from_the_archives(
    data_dir: Path, tmp_path: Path, write_image: Callable, mirror: object, ltbench: Callable
) -> None:
    folder = tmp_path / "published"
    write_bioscan(folder, write_image)
    names = {
        "BIOSCAN_5M_Insect_Dataset_metadata_MultiTypes.zip": ["bioscan5m/metadata"],
        "BIOSCAN_5M_cropped_256_train.zip": ["bioscan5m/images/cropped_256/train"],
        "BIOSCAN_5M_cropped_256_eval.zip": [
            f"bioscan5m/images/cropped_256/{split}" for split in ("val", "test", "test_unseen")
        ],
    }
    for archive, inside in names.items():
        write_archive(mirror.folder / archive, folder, inside)
    mirror.stand_for("bioscan5m", counts={"bioscan": (9, 3, 3)})
    assert "is ready: 15 images" in ltbench("prepare", "bioscan5m").output
    asked = len(mirror.asked)
    ltbench("prepare", "bioscan5m", "--no-decode")
    assert len(mirror.asked) == asked
    (data_dir / "bioscan5m" / "known_species.csv").unlink()
    assert "type 'ltbench data prepare bioscan5m'" in ltbench("info", "bioscan5m").stdout
    ltbench("prepare", "bioscan5m", "--no-decode")
    assert len(mirror.asked) == asked


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("a,b", "a cell is missing or too many"),
        ("../x,,train,o,f,g,s,c", "a name cannot be used"),
        (",,train,o,f,g,s,c", "no image's name"),
        ("a,..,train,o,f,g,s,c", "no image's name"),
        ("a\x1b,,train,o,f,g,s,c", "a name cannot be used"),
        ('"a', "cannot be read"),
        ("ABCDE000-22,0,train,o,f,g,s,c", "stands there twice"),
    ],
)
def test_rows_that_do_not_fit(row: str, cause: str, planted: Path, data_dir: Path) -> None:
    with (planted / "known_species.csv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(DataError, match=cause):
        create_dataset(Name("bioscan5m"), data_dir).split()
