"""The parser reproduces what is published of the official split files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ltbench_datasets.official_split import find_official, read_official

from ltbench.data.catalogue import create_dataset
from ltbench.errors import DataError
from ltbench.plugins.names import Name

SPLITS = Path(__file__).parents[3].parent / "shared" / "splits"

CASES = {
    "vlcs-mlt": ("VLCS", [12, 5, 0, 3]),
    "pacs-mlt": ("PACS", [25, 2, 1, 0]),
    "officehome-mlt": ("OfficeHome", [73, 154, 31, 2]),
    "terrainc-mlt": ("TerraIncognita", [25, 4, 3, 8]),
}


@pytest.mark.parametrize("name", CASES)
def test_counts_and_pairs_per_shot(name: str, data_dir: Path) -> None:
    file, pairs = CASES[name]
    if not (SPLITS / f"{file}.csv").exists():
        pytest.skip("the official split files are not beside the checkout")
    facts = create_dataset(Name(name), data_dir).facts
    split = read_official(SPLITS / f"{file}.csv", facts)
    counts = {part: split.counts(part).sum(axis=1).tolist() for part in ("train", "val", "test")}
    assert list(zip(*counts.values(), strict=True)) == [facts.counts[d] for d in facts.domains]
    n = split.counts("train")
    medium = (n <= facts.many) & (n > facts.few)
    few = (n <= facts.few) & (n > 0)
    found = [(n > facts.many).sum(), medium.sum(), few.sum(), (n == 0).sum()]
    assert found == pairs
    assert [int(mask.sum()) for mask in facts.shots.buckets(n).values()] == pairs
    known = next(s for s in facts.sources if s["file"] == f"{file}.csv")
    from ltbench.data.fetch import Source, wrong_content

    assert wrong_content(SPLITS / f"{file}.csv", Source.from_facts(known)) is None


HEAD = "env,label,path,split\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\n", "must begin with env,label,path,split"),
        (HEAD + "photo,0,photo/dog/a.jpg,train\nphoto,1,photo/dog/b.jpg,train\n", "line 3"),
        (HEAD + "film,0,film/dog/a.jpg,train\n", "line 2"),
        (HEAD + "photo,0,photo/dog/a.jpg,holdout\n", "line 2"),
        (HEAD + "photo,0,photo/../a.jpg,train\n", "line 2"),
        (HEAD + "photo,0,/etc/passwd,train\n", "line 2"),
        (HEAD + "photo,-7,photo/dog/a.jpg,train\n", "line 2"),
        (HEAD + "photo,x,photo/dog/a.jpg,train\n", "line 2"),
        (HEAD + "photo,0,photo/dog/a.jpg\n", "line 2"),
        (HEAD + 2 * "photo,0,photo/dog/a.jpg,train\n", "twice"),
        ("\ud800", "line 2"),
    ],
)
def test_files_that_do_not_fit(content: str, message: str, data_dir: Path) -> None:
    path = data_dir / "PACS.csv"
    path.write_bytes(content.encode("utf-16" if content == "\ud800" else "utf-8", "surrogatepass"))
    with pytest.raises(DataError, match=message):
        read_official(path, create_dataset(Name("pacs-mlt"), data_dir).facts)


@pytest.mark.parametrize("place", ["PACS", ".", "split", "PACS/split"])
def test_where_the_file_may_lie(place: str, data_dir: Path, write_image: Callable) -> None:
    write_image(data_dir / "PACS" / "photo" / "dog" / "a.jpg")
    (data_dir / place).mkdir(exist_ok=True)
    (data_dir / place / "PACS.csv").write_text(HEAD)
    assert find_official(data_dir / "PACS", "PACS.csv") is not None
