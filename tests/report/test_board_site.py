"""The site: complete, escaped, the same for the same rows, and claiming what its boards claim."""

from __future__ import annotations

import itertools
import re
import shutil
import sys
import time
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner
from site_boards import HOSTILE, METHODS, write_boards

from ltbench.cli.site import site
from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.report.document import runs_csv
from ltbench.report.grid import results_grid
from ltbench.report.leaderboard import load_content
from ltbench.report.pages.addresses import dataset_address, file_name, method_address
from ltbench.report.pages.boards import read_boards
from ltbench.report.pages.build import site_files
from ltbench.report.pages.examples import example_galleries
from ltbench.report.pages.plugin_facts import family, part_facts
from ltbench.report.pairs import pairs_of
from ltbench.testing import write_run


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_boards(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def files(boards: Path) -> dict[str, bytes]:
    return site_files(boards, title="Boards", command="ltbench site boards")


def html(files: dict[str, bytes]) -> dict[str, str]:
    return {name: data.decode() for name, data in files.items() if name.endswith(".html")}


class Tags(HTMLParser):
    """What is open, where links lead, and which names of places there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.names: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        assert not any(name.startswith("on") for name in given), (tag, given)
        self.names += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        self.sources += [given["src"] or ""] if "src" in given else []
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_page_is_well_formed_and_every_link_leads_somewhere(files: dict[str, bytes]) -> None:
    read = {name: Tags(text) for name, text in html(files).items()}
    followed = set()
    for name, tags in read.items():
        assert tags.open == []
        assert len(tags.names) == len(set(tags.names)), name
        assert all(source.startswith("data:") for source in tags.sources), name
        for address in tags.links:
            parts = urlsplit(address)
            if parts.scheme:
                assert parts.scheme in ("https", "data"), address
                continue
            target = name
            if parts.path:
                target = str(PurePosixPath("/", PurePosixPath(name).parent, unquote(parts.path)))
                target = re.sub(r"[^/]+/\.\./", "", target)[1:]
            assert target in files, (name, address)
            followed.add(target)
            assert not parts.fragment or parts.fragment in read[target].names, (name, address)
    assert followed == set(files)  # nothing is left that no page names


def test_there_is_a_page_for_each_board_pair_method_and_data_set(files: dict[str, bytes]) -> None:
    named = {f"boards/{file_name(name)}.html" for name in ("digits", "moths & more")}
    named |= {f"compare/{file_name(name)}.html" for name in ("digits", "moths & more")}
    algos = [*(algo for algo, _ in METHODS), "erm+crt", HOSTILE]
    named |= {method_address(algo) for algo in algos}
    named |= {dataset_address(name) for name in ("digits-mini-mlt", f"{HOSTILE}/../moths")}
    assert set(html(files)) == named | {"index.html"}


def test_names_from_rows_are_text_and_no_path(files: dict[str, bytes]) -> None:
    for name, text in html(files).items():
        assert re.fullmatch(r"([a-z]+/)?[a-z0-9@+_.-]+\.html", name)
        assert ".." not in name
        assert HOSTILE not in text
        assert text.count("<script") == text.count("</script") == 1
        assert "default-src 'none'" in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in files["index.html"].decode()


@pytest.mark.parametrize(
    "name", ["CON", "a/b", "..", ".x", "Erm", "erm", "ä", "x" * 300, "boda+crt@ema", "\udce9"]
)
def test_names_of_files_are_plain_and_their_own(name: str) -> None:
    found = file_name(name)
    assert re.fullmatch(r"[a-z0-9@+_][a-z0-9@+_.-]{0,100}", found)
    others = ["con", "a-b", "", "x", "erm", "ERM", "a", "x" * 299, "boda-crt@ema"]
    assert found not in {file_name(other) for other in others if other != name}


def test_the_same_rows_make_the_same_site_wherever_they_lie(
    boards: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    for name in ("digits.jsonl", "moths & more"):
        source = boards / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, tmp_path / name)
    again = site_files(tmp_path, title="Boards", command="ltbench site boards")
    assert again.keys() == files.keys()
    # The day of a row is that of the file where it was a run; of copied rows it stays.
    assert [name for name in files if files[name] != again[name] and "moths" not in name] == []


def test_the_table_of_a_board_is_that_of_the_leaderboard(
    boards: Path, files: dict[str, bytes]
) -> None:
    page = files["boards/digits.html"].decode()
    board = load_content(boards / "digits.jsonl").boards[0]
    first = re.search(r"<tbody>(.*?)</tbody>", page, re.S)
    assert first
    for line in results_grid(board).body:
        cells = re.escape("|".join(part.replace("<", "&lt;").replace(">", "&gt;") for part in line))
        plain = re.sub(r"<[^>]+>", "|", first[1])
        plain = re.sub(r"[|\s]*\|[|\s]*", "|", plain)
        name, _, rest = cells.partition(r"\|")
        assert re.search(rf"\|{name}\|[^|]+\|{rest}\|", plain), line
    heads = re.search(r"<thead>(.*?)</thead>", page, re.S)
    assert heads
    for head in ("family", "badge", "origin", "seconds", "peak<br>MB", "million<br>parameters"):
        assert heads[1].count(f">{head}</button>") == 1
    assert page.count("trained again by the board") == 1
    for words in (">re-run<", ">claimed<", ">the authors<", "ANOVA: do the methods differ"):
        assert words in page
    assert "/tmp" not in page.replace(str(boards), "")


def test_no_name_takes_the_place_of_another() -> None:
    assert file_name(file_name("A")) != file_name("A")


def test_rows_and_scores_can_be_taken_along(boards: Path, files: dict[str, bytes]) -> None:
    assert files["rows/digits.jsonl"] == (boards / "digits.jsonl").read_bytes()
    content = load_content(boards / "digits.jsonl")
    assert files["rows/digits.csv"].decode() == runs_csv(content)
    moths = next(name for name in files if name.startswith("rows/moths") and "jsonl" in name)
    assert files[moths].count(b"\n") == 4


def test_pairs_claim_what_the_board_claims_and_nothing_else(boards: Path) -> None:
    for found in read_boards(boards):
        (board,) = found.content.boards
        rows = {row.label: row for row in board.rows if row.done}
        pairs = pairs_of(board)
        assert len(pairs) == len(rows) * (len(rows) - 1) / 2
        for pair in pairs:
            first, second = rows[pair.first], rows[pair.second]
            for name, one in pair.differences.items():
                means = [row.cells[name].mean for row in (first, second)]
                assert one.value == pytest.approx(means[0] - means[1])
                assert one.low <= one.value <= one.high
                with_reference = board.reference in (pair.first, pair.second)
                if with_reference:
                    own = (first if pair.second == board.reference else second).comparisons[name]
                    assert (one.claimed, one.p) == (own.claimed, own.p_holm)
                    assert abs(one.value) == pytest.approx(abs(own.difference))
                elif name == board.primary.name:
                    assert one.claimed == pair.told_apart
                    assert one.claimed == (one.p <= 0.05)
                else:
                    assert not one.claimed
            if first.letters and second.letters:
                assert pair.told_apart == (not set(first.letters) & set(second.letters))
    assert any(pair.told_apart for pair in pairs_of(read_boards(boards)[0].content.boards[0]))


def test_a_method_is_described_by_its_own_class(files: dict[str, bytes]) -> None:
    page = files["methods/boda.html"].decode()
    for words in (
        'href="https://arxiv.org/abs/2203.09513"', "ltbench_mdlt/boda.py", "at least 2 domains",
        ">nu</th>", "../boards/digits.html", "calibration exponent ν",
    ):  # fmt: skip
        assert words in page, words
    assert "Stage crt" in files["methods/erm+crt.html"].decode()
    unknown = files[method_address(HOSTILE)].decode()
    assert "No plugin that is installed here has this algorithm." in unknown
    assert [family(algo) for algo in ("boda", "erm+crt", "erm@ema", HOSTILE)] == [
        "mdlt", "stages", "modifiers", "not installed",
    ]  # fmt: skip


def test_no_plugin_of_others_is_imported_because_a_row_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ltbench.plugins.registry import Entry

    entry = Entry("algorithm", "theirs", "their_module:Theirs", "Their loss", "their-dist", "1.0")
    monkeypatch.setitem(get_plugins()["algorithms"]._entries, "theirs", [entry])
    found = part_facts("algorithms", "theirs")
    assert found.entry is entry
    assert found.description is None
    assert "their_module" not in sys.modules
    assert family("theirs") == "their-dist"


def test_a_data_set_shows_its_images_where_they_are_embedded(files: dict[str, bytes]) -> None:
    page = files["datasets/digits-mini-mlt.html"].decode()
    assert page.count('src="data:image/webp') + page.count('src="data:image/svg') >= 30
    for words in ("<h3>mnist</h3>", "Images of each domain", "CC BY-SA 3.0", "boards/digits.html"):
        assert words in page, words
    other = files[dataset_address(f"{HOSTILE}/../moths")].decode()
    assert "Examples" not in other


def test_no_path_that_rows_name_is_followed(tmp_path: Path) -> None:
    from PIL import Image

    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        for i in range(40):
            Image.new("RGB", (8, 8)).save(tmp_path / part / f"{i}.png")
    options = {"root": str(tmp_path)}
    assert example_galleries("image-folder", options, tmp_path) == ()
    assert example_galleries("digits-mini-mlt", {"ratio": "no number"}, tmp_path) == ()
    assert example_galleries("digits-mini-mlt", {}, tmp_path) != ()


def test_what_is_no_board_is_one_sentence(tmp_path: Path, boards: Path) -> None:
    def fails(*arguments: object) -> str:
        with pytest.raises(UsageError) as found:
            CliRunner().invoke(site, list(map(str, arguments)), catch_exceptions=False)
        return str(found.value)

    output = tmp_path / "out"
    assert "There is no folder" in fails(tmp_path / "nowhere", "-o", output)
    assert "There is no board in" in fails(tmp_path, "-o", output)
    shutil.copyfile(boards / "digits.jsonl", tmp_path / "x.jsonl")
    shutil.copytree(boards / "moths & more", tmp_path / "x")
    assert "has two boards 'x'" in fails(tmp_path, "-o", output)
    assert not output.exists()
    (tmp_path / "notes.txt").write_text("mine")
    assert "holds files that no site" in fails(boards, "-o", tmp_path)


@pytest.mark.slow
def test_a_thousand_runs_make_a_site_in_seconds(tmp_path: Path) -> None:
    for board, method, seed in itertools.product(range(5), range(40), range(5)):
        write_run(
            tmp_path / f"board-{board}", algo="erm" if method == 0 else f"method-{method}",
            seed=seed, skill=0.5 + method / 100, dataset=f"data-{board}", arrays=False,
        )  # fmt: skip
    start = time.process_time()
    files = site_files(tmp_path, title="Boards")
    assert time.process_time() - start < 20
    assert len(files) == 1 + 4 * 5 + 40 + 5
    assert max(map(len, files.values())) < 3_000_000
