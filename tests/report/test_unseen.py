"""Headings that name evaluation scheme and selection rule, and boards of every unseen domain."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tuned_runs import BUDGET
from unseen_runs import DOMAINS, SKILLS, set_score, write_unseen

from ltbench.cli.show import show
from ltbench.errors import UsageError
from ltbench.report.figure_data import FigureData
from ltbench.report.leaderboard import load_content, render, write_folder
from ltbench.report.provenance import environments, lead, run_commands
from ltbench.report.report_page import write_report
from ltbench.report.selection import split_tables
from ltbench.results.choose import find_run
from ltbench.results.folders import check_filters, read_folders
from ltbench.results.frame import load_runs
from ltbench.results.run import canonical_hash
from ltbench.results.scheme import scheme_of
from ltbench.testing import write_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_unseen(root)
    return root


def headings(root: Path, **how: Any) -> list[str]:
    return [board.table.heading for board in load_content(root, **how).boards]


@pytest.mark.parametrize(
    ("options", "evaluation", "selection"),
    [
        ({}, "seen domains", "chosen on validation by f1"),
        ({"unseen": "none"}, "seen domains", "chosen on validation by f1"),
        (
            {"unseen": "mnist"},
            "unseen domain mnist",
            "chosen on validation images of the training domains by f1",
        ),
        (
            {"unseen": ["mnist", "optdigits"], "validation": "oracle"},
            "unseen domains mnist and optdigits (their 80 % not held out)",
            "chosen on the unseen domains themselves (oracle) by f1",
        ),
        (
            {"unseen": ["mnist"], "unseen_test": "heldout", "validation": "mnist-m"},
            "unseen domain mnist (its 80 % not held out)",
            "chosen on mnist-m (left out of training) by f1",
        ),
        # Options of a plugin's own that have such names, and what no plugin would write.
        ({"unseen": "10 %", "validation": 0.2}, "seen domains", "chosen on validation by f1"),
        ({"unseen": 3, "validation": ["x"]}, "seen domains", "chosen on validation by f1"),
    ],
)
def test_a_heading_names_scheme_and_rule_apart(
    tmp_path: Path, options: dict[str, Any], evaluation: str, selection: str
) -> None:
    scheme = scheme_of(options, DOMAINS)
    assert (scheme.evaluation, scheme.selection("f1")) == (evaluation, selection)
    write_run(tmp_path, options={k: v for k, v in options.items() if v != "none"}, arrays=False)
    (heading,) = headings(tmp_path)
    assert f": {evaluation}, digits-cnn" in heading
    assert f", {selection}, protocol" in heading
    document = json.loads(render(tmp_path, format="json"))["tables"][0]
    assert (document["evaluation"], document["selection"]) == (evaluation, selection)


@pytest.mark.parametrize("format", ["terminal", "markdown", "latex", "html"])
@pytest.mark.parametrize("options", [{}, {"unseen": "mnist"}])
def test_every_format_for_readers_has_the_heading(
    tmp_path: Path, format: str, options: dict[str, Any]
) -> None:
    write_run(tmp_path, options=options, arrays=False)
    text = " ".join(render(tmp_path, format=format).split())
    assert scheme_of(options, DOMAINS).evaluation in text
    assert "chosen on validation" in text


def test_data_of_one_domain_has_no_scheme_to_name(tmp_path: Path) -> None:
    write_run(tmp_path, dataset="cifar100-lt", domains=("cifar",), arrays=False)
    assert "domain" not in headings(tmp_path)[0]
    assert json.loads(render(tmp_path, format="json"))["tables"][0]["evaluation"] == ""


def test_runs_that_differ_in_the_unseen_domain_are_one_table(runs: Path) -> None:
    (board,) = load_content(runs).boards
    assert board.table.dataset == "digits-mini-mlt[unseen=each]"
    assert ": mean over unseen domains, " in board.table.heading
    names = [metric.name for metric in board.metrics]
    assert names[:4] == ["accuracy_average", *(f"accuracy_unseen_{d}" for d in DOMAINS)]
    assert [m.name for m in board.declared] == [
        "accuracy_average", "accuracy_worst", "macro_f1_average", "macro_f1_worst"
    ]  # fmt: skip
    text = render(runs)
    assert re.search(r"acc +acc +acc +acc +acc", text)
    assert re.search(r"average +mnist +mnist-m +optdigits +worst", text)
    assert "They are about these domains" in " ".join(text.split())


def test_the_worst_is_that_of_the_domains_of_each_seed(tmp_path: Path) -> None:
    for place, folder in enumerate(write_unseen(tmp_path, {"erm": 0.5}, seeds=2)):
        set_score(folder, accuracy_average=place / 10, loss_average=1 + place, loss_worst=1 + place,
                  accuracy_worst=place / 10)  # fmt: skip
    row = load_content(tmp_path, metrics=["accuracy_worst", "loss_worst"]).boards[0].rows[0]
    assert dict(row.cells["accuracy_worst"].values) == {0: 0.0, 1: 0.3}
    assert dict(row.cells["loss_worst"].values) == {0: 3, 1: 6}


def test_another_metric_has_its_own_columns(runs: Path) -> None:
    (board,) = load_content(runs, metrics=["macro_f1_average", "ece"]).boards
    names = [metric.name for metric in board.metrics]
    assert names == ["macro_f1_average", *(f"macro_f1_unseen_{d}" for d in DOMAINS), "ece"]
    assert board.metrics[1].words == "macro-F1 on unseen mnist"
    assert board.metrics[1].head == ("F1", "mnist")


def test_schemes_and_rules_never_share_a_table(tmp_path: Path) -> None:
    for more in ({}, {"validation": "oracle"}, {"unseen_test": "heldout"}):
        write_unseen(tmp_path, {"erm": 0.5}, seeds=1, more=more)
    write_run(tmp_path, arrays=False)
    write_run(tmp_path, options={"unseen": ["mnist", "optdigits"]}, arrays=False)
    found = headings(tmp_path)
    assert len(found) == len(set(found)) == 5
    assert sum("mean over unseen domains" in heading for heading in found) == 3
    assert sum("(oracle)" in heading for heading in found) == 1
    assert len(split_tables(load_runs(tmp_path))) == 11


@pytest.mark.parametrize("what", ["steps", "backbone", "options"])
def test_other_settings_are_other_tables(tmp_path: Path, what: str) -> None:
    write_unseen(tmp_path, {"erm": 0.5}, seeds=1)
    other: dict[str, Any] = {"steps": {"steps": 600}, "backbone": {"backbone": "resnet50"}}.get(
        what, {"more": {"data_seed": 1}}
    )
    write_unseen(tmp_path, {"erm": 0.5}, seeds=1, **other)
    found = headings(tmp_path)
    assert len(found) == len(set(found)) == 2


def test_a_domain_asked_for_by_name_is_a_table_of_its_own(runs: Path) -> None:
    name = "digits-mini-mlt[unseen=mnist]"
    (heading,) = headings(runs, datasets=[name])
    assert ": unseen domain mnist, " in heading
    two = headings(runs, datasets=[f"{name},digits-mini-mlt[unseen=optdigits]"])
    assert len(two) == 2
    for all_of_them in ("digits-mini-mlt", "digits-mini-mlt[unseen=each]"):
        (heading,) = headings(runs, datasets=[all_of_them])
        assert "mean over unseen domains" in heading
    with pytest.raises(UsageError, match="matches no run"):
        load_content(runs, datasets=["digits-mini-mlt[unseen=photo]"])


def test_the_hash_of_the_joined_table_chooses_its_runs(runs: Path) -> None:
    (board,) = load_content(runs).boards
    digits = board.table.protocol_hash[:8]
    check_filters(read_folders(runs), protocols=[digits])
    (found,) = load_content(runs, protocols=[digits]).boards
    assert found.table.heading == board.table.heading
    (one,) = load_content(runs, protocols=[board.table.parts[0].protocol_hash]).boards
    assert one.table.scheme.unseen == ("mnist",)


def test_the_mean_is_missing_where_a_domain_is(tmp_path: Path) -> None:
    write_unseen(tmp_path, {"erm": 0.5, "coral": 0.6}, domains=("mnist", "mnist-m"))
    board = load_content(tmp_path).boards[0]
    assert board.table.joined is not None
    assert board.table.joined.domains == DOMAINS
    assert all(not row.cells["accuracy_average"].values for row in board.rows)
    assert all(row.cells["accuracy_unseen_mnist"].values for row in board.rows)
    text = " ".join(render(tmp_path).split())
    assert "No mean over unseen domains: no run is done with optdigits unseen." in text
    assert "no seed has every domain" in text


def test_what_is_missing_of_a_method_and_of_a_seed_is_named(tmp_path: Path) -> None:
    write_unseen(tmp_path, {"erm": 0.5})
    for seed in range(3):
        write_run(tmp_path, algo="coral", seed=seed, options={"unseen": "mnist"}, arrays=False)
        for domain in DOMAINS:
            failed = (domain, seed) == ("mnist-m", 2)
            write_run(tmp_path, algo="dann", seed=seed, options={"unseen": domain}, arrays=False,
                      error="diverged" if failed else None)  # fmt: skip
    board = load_content(tmp_path).boards[0]
    rows = {row.label: row for row in board.rows}
    assert (rows["coral"].done, rows["dann"].done, rows["dann"].started) == (0, 2, 3)
    text = " ".join(render(tmp_path).split())
    assert "dann seed 2 (mnist-m unseen diverged)" in text
    assert "coral (mnist-m unseen not run, optdigits unseen not run)" in text
    assert "(n=3)" in text


def test_leave_one_domain_out_needs_all_of_its_settings(tmp_path: Path) -> None:
    scores = {}
    for unseen in DOMAINS:
        for chosen in DOMAINS:
            if chosen == unseen:
                continue
            for seed in range(2):
                options = {"unseen": unseen, "validation": chosen}
                folder = write_run(tmp_path, seed=seed, options=options, arrays=False)
                scores[unseen, chosen, seed] = (len(scores) * 7 % 13) / 20
                set_score(folder, accuracy_average=scores[unseen, chosen, seed])
    (board,) = load_content(tmp_path).boards
    assert board.table.dataset.endswith("[unseen=each,validation=leave-one-domain-out]")
    assert "chosen leave-one-domain-out" in board.table.heading
    cells = board.rows[0].cells
    for seed in range(2):
        by_domain = {
            d: sum(s for (u, _, k), s in scores.items() if (u, k) == (d, seed)) / 2 for d in DOMAINS
        }
        for domain, mean in by_domain.items():
            assert dict(cells[f"accuracy_unseen_{domain}"].values)[seed] == pytest.approx(mean)
        mean = sum(by_domain.values()) / 3
        assert dict(cells["accuracy_average"].values)[seed] == pytest.approx(mean)
    gone = folder / "result.json"  # of the last domain, its last setting, the second seed
    gone.unlink()
    (board,) = load_content(tmp_path).boards
    cells = board.rows[0].cells
    assert list(dict(cells["accuracy_average"].values)) == [0]
    assert list(dict(cells["accuracy_unseen_optdigits"].values)) == [0]
    text = " ".join(render(tmp_path).split())
    assert "erm seed 1 (optdigits unseen and chosen on mnist-m unfinished)" in text


def test_one_training_domain_to_choose_on_is_not_each_in_turn(tmp_path: Path) -> None:
    write_unseen(tmp_path, {"erm": 0.5}, domains=("mnist", "mnist-m"), seeds=1,
                 more={"validation": "optdigits"})  # fmt: skip
    found = headings(tmp_path)
    assert len(found) == 2
    assert all("chosen on optdigits (left out of training)" in heading for heading in found)


def test_the_programs_formats_say_scheme_and_rule(runs: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(render(runs, format="csv"))))
    assert {row["evaluation"] for row in rows} == {"mean over unseen domains"}
    assert all("training domains by f1" in row["selection"] for row in rows)
    document = json.loads(render(runs, format="json"))["tables"][0]
    assert document["unseen_domains"] == list(DOMAINS)
    assert set(document["joins"].values()) == {f"digits-mini-mlt[unseen={d}]" for d in DOMAINS}
    write_folder(load_content(runs), tmp_path)
    lines = list(csv.DictReader((tmp_path / "rows.csv").open()))
    assert {line["evaluation"] for line in lines} == {"mean over unseen domains"}
    assert "accuracy_unseen_mnist" in {line["metric"] for line in lines}


def test_methods_of_one_name_but_other_code_are_two_rows(tmp_path: Path) -> None:
    folders = write_unseen(tmp_path, {"erm": 0.5, "mine": 0.6}, seeds=2)
    for folder in folders:
        spec = json.loads((folder / "spec.json").read_text())
        if spec["identity"]["algorithm"]["name"] == "mine":
            old = "optdigits" in spec["identity"]["dataset"]["options"]["unseen"]
            spec["identity"]["plugins"] = {"mine": "1.0" if old else "2.0"}
            (folder / "spec.json").write_text(json.dumps(spec))
    (board,) = load_content(tmp_path).boards
    mine = [row for row in board.rows if row.method == "mine"]
    assert len(mine) == 2
    assert all(row.variant and not row.cells["accuracy_average"].values for row in mine)


def test_what_tuning_found_for_each_domain_is_one_row(tmp_path: Path) -> None:
    for folder in write_unseen(tmp_path, {"boda": 0.6}, seeds=2):
        spec, result = (json.loads((folder / f"{n}.json").read_text()) for n in ("spec", "result"))
        domain = spec["identity"]["dataset"]["options"]["unseen"]
        spec["identity"]["tuned"] = BUDGET
        spec["identity"]["algorithm"]["hparams"] = {"weight": float(DOMAINS.index(domain))}
        spec["method"] = f"boda[weight={DOMAINS.index(domain)}]"
        spec["label"] = result["label"] = f"{spec['method']} (tuned: 16 trials)"
        spec["hash"] = result["hash"] = canonical_hash(spec["identity"])
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "result.json").write_text(json.dumps(result))
    (board,) = load_content(tmp_path).boards
    assert [row.label for row in board.rows] == ["boda (tuned: 16 trials)"]
    assert board.rows[0].done == 2


def test_where_it_came_from_counts_every_run(runs: Path, tmp_path: Path) -> None:
    content = load_content(runs)
    (command,) = run_commands(content.boards[0])
    assert "--dataset 'digits-mini-mlt[unseen=each]' --seeds 3" in command
    assert [row["runs"] for row in environments(content)] == ["27"]
    assert lead(content).startswith("27 runs of 3 methods on 1 data set, ")
    write_unseen(tmp_path, {"erm": 0.5}, seeds=1, domains=DOMAINS[:2])
    assert len(run_commands(load_content(tmp_path).boards[0])) == 2


def test_the_page_has_figures_of_each_unseen_domain(tmp_path: Path) -> None:
    write_unseen(tmp_path / "runs", {"erm": 0.5, "coral": 0.6}, seeds=2, arrays=True)
    output = tmp_path / "report.html"
    write_report(load_content(tmp_path / "runs"), output, title="T", command="ltbench report")
    page = output.read_text()
    assert "mean over unseen domains" in page
    for domain in DOMAINS:
        assert f"F1 of each domain and class, unseen={domain}" in page


def test_across_data_sets_only_one_scheme_is_compared(tmp_path: Path) -> None:
    for name in ("pacs-mlt", "vlcs-mlt"):
        write_unseen(tmp_path, seeds=1, dataset=name)
    for algo in SKILLS:
        write_run(tmp_path, algo=algo, dataset="terra-mlt", arrays=False)
    summary = load_content(tmp_path).summary
    assert summary is not None
    assert summary.datasets == ("pacs-mlt[unseen=each]", "vlcs-mlt[unseen=each]")
    assert "terra-mlt" in summary.left_out[0]
    drawn = FigureData(load_runs(tmp_path)).across_datasets("accuracy_average")
    assert drawn is not None
    assert drawn.datasets == summary.datasets


def test_a_run_is_found_by_its_unseen_domain(runs: Path) -> None:
    with pytest.raises(UsageError, match=r"digits-mini-mlt\[unseen=mnist-m\] seed 0"):
        find_run("erm", runs, seed=0, dataset=None)
    name = "digits-mini-mlt[unseen=mnist-m]"
    spec = json.loads((find_run("erm", runs, seed=0, dataset=name) / "spec.json").read_text())
    assert spec["identity"]["dataset"]["options"] == {"unseen": "mnist-m"}


def test_show_names_scheme_and_rule(tmp_path: Path) -> None:
    for options, words in (
        ({}, ("evaluation seen domains", "selection  chosen on validation by f1")),
        (
            {"unseen": "mnist", "validation": "mnist-m"},
            (
                "evaluation unseen domain mnist",
                "selection  chosen on mnist-m (left out of training)",
            ),
        ),
    ):
        folder = write_run(tmp_path, options=options, arrays=False)
        text = CliRunner().invoke(show, [str(folder)]).stdout
        assert all(word in text for word in words)
        document = json.loads(CliRunner().invoke(show, [str(folder), "--json"]).stdout)
        scheme = scheme_of(options, DOMAINS)
        assert document["evaluation"] == scheme.evaluation
        assert document["selection"] == scheme.selection("f1")


def test_claims_cover_other_images_of_every_setting(tmp_path: Path) -> None:
    for algo in ("erm", "coral"):
        for unseen in DOMAINS:
            for chosen in (domain for domain in DOMAINS if domain != unseen):
                for seed in range(2):
                    options = {"unseen": unseen, "validation": chosen}
                    write_run(tmp_path, algo=algo, seed=seed, options=options,
                              skill=0.6 + 0.1 * (chosen == "optdigits"))  # fmt: skip
    (board,) = load_content(tmp_path).boards
    # Of the worst domain of a mean over several models the images' error is not known.
    assert board.analysis.over_images == ("accuracy_average", "macro_f1_average")
