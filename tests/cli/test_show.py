"""``ltbench show``, and the curves that it draws."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.show import show
from ltbench.errors import UsageError
from ltbench.report.chart import Curve, draw
from ltbench.report.plain import duration


def call(*arguments: object) -> str:
    result = CliRunner().invoke(show, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed in range(2):
        write_run(tmp_path, seed=seed, arrays=False)
    write_run(tmp_path, algo="boda", hparams={"weight": 0.5}, label="boda[weight=0.5]+crt",
              stages=["crt"], arrays=False)  # fmt: skip
    return tmp_path


def test_a_run_is_found_by_folder_file_hash_or_label(runs):
    folder = next(runs.rglob("boda+crt/*/seed-0"))
    page = call(folder)
    assert page.startswith("boda[weight=0.5]+crt on digits-mini-mlt seed 0: done\n")
    assert call(folder / "result.json") == page
    assert call(folder.parent.name[:6], "--out", runs) == page
    assert call("boda[weight=0.5]+crt", "--out", runs) == page
    assert call("erm", "--seed", 1, "--out", runs).startswith("erm on digits-mini-mlt seed 1: done")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--seed", "7"], r"is the run of seed 0, and --seed asks for 7: leave out one of them"),
     (["--dataset", "pacs-mlt"], r"is a run on digits-mini-mlt, and --dataset asks for pacs-mlt"),
     (["--dataset", "digits-mini-mlt[unseen=usps]"], r"asks for digits-mini-mlt\[unseen=usps\]")],
)  # fmt: skip
def test_a_folder_of_another_run_than_options_ask_for_is_refused(runs, words, message):
    folder = next(runs.rglob("boda+crt/*/seed-0"))
    with pytest.raises(UsageError, match=message):
        call(folder, *words)
    with pytest.raises(UsageError, match=message):
        call(folder / "result.json", *words)
    assert call(folder, "--seed", "0", "--dataset", "Digits-mini-MLT") == call(folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [(["erm"], r"'erm' means 2 runs.*seed 0.*seed 1.*--seed"),
     (["erm", "--seed", "7"], r"with the seeds 0, 1 only"),
     (["erms"], r"no run in .* did you mean 'erm'"),
     (["0123456789"], r"no run in"),
     (["abc"], r"no run in")],
)  # fmt: skip
def test_what_names_no_run_or_several_is_refused(runs, words, message):
    with pytest.raises(UsageError, match=message):
        call(*words, "--out", runs)


def test_without_a_folder_of_runs_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"not a run's folder, and there is no folder 'runs'"):
        call("erm")


def test_the_time_that_another_run_spent_is_told_apart(runs):
    path = next(runs.rglob("erm/*/seed-0/result.json"))
    result = json.loads(path.read_text())
    result["timings"]["taken_over"] = {"seconds": 20.0, "run": "digits-mini-mlt/erm/a/seed-1"}
    path.write_text(json.dumps(result))
    page = call("erm", "--seed", 0, "--out", runs)
    assert "Of it 20.0 s, the first stage, were spent by digits-mini-mlt/erm/a/seed-1" in page
    result["timings"]["taken_over"] = [1]
    path.write_text(json.dumps(result))
    assert "were spent by" not in call("erm", "--seed", 0, "--out", runs)


def test_the_page_has_specification_curves_result_and_costs(runs):
    page = call("erm", "--seed", 0, "--out", runs)
    result = json.loads(next(runs.rglob("erm/*/seed-0/result.json")).read_text())
    assert "digits-mini-mlt: steps=300, batch_per_domain=32, optimizer=adam" in page
    assert "3 domains, 10 classes" in page
    rows = {line.split("  ")[0]: line.split() for line in page.splitlines()}
    test, domain = result["test"], result["domains"]["mnist-m"]
    assert rows["average"][1] == f"{test['accuracy_average']:.3f}"
    assert rows["worst"][1] == f"{test['accuracy_worst']:.3f}"
    assert rows["mnist-m"][1] == f"{domain['accuracy']:.3f}"
    assert "Chosen: erm step 275, by macro_f1_average = 0.75" in page
    assert "Time: 44 s (training 40.1 s, evaluation 3.0 s)" in page
    assert "373,642 parameters" in page
    assert "device cpu" in page
    assert "* macro_f1_average" in page
    assert max(map(len, page.splitlines()[2:])) <= 80


def test_metrics_that_do_not_fit_side_by_side_stand_below_one_another(runs):
    path = next(runs.rglob("erm/*/seed-0/result.json"))
    result = json.loads(path.read_text())
    more = {f"a_rather_long_name_{i}": i / 8 for i in range(8)}
    result["test"] |= more | {f"{name}_worst": 0.5 for name in more} | {"f1_few": 0.25}
    path.write_text(json.dumps(result))
    page = call("erm", "--seed", 0, "--out", runs)
    tables = page.partition("\nTest ")[2].partition("\nChosen")[0]
    assert all(name in tables for name in more)
    assert "--json has them" not in tables
    assert tables.count("\n\nTest ") >= 2
    assert max(map(len, page.splitlines()[2:])) <= 80
    assert not [line for line in tables.splitlines() if line and not set(line) - set(" ·")]


def test_a_stage_that_ended_early_says_so(runs):
    path = next(runs.rglob("erm/*/seed-0/result.json"))
    whole, stops = path.read_text(), [{"stage": "erm", "step": 275}, "hostile"]
    result = json.loads(whole)
    path.write_text(json.dumps({**result, "selection": {**result["selection"], "stopped": stops}}))
    assert "Stopped early: erm step 275, by patience" in call("erm", "--seed", 0, "--out", runs)
    path.write_text(whole)


def test_json_has_every_file(runs):
    document = json.loads(call("erm", "--seed", 0, "--out", runs, "--json"))
    folder = Path(document["folder"])
    assert document["state"] == "done"
    assert document["spec"] == json.loads((folder / "spec.json").read_text())
    assert document["result"] == json.loads((folder / "result.json").read_text())
    assert [line["step"] for line in document["log"]] == list(range(25, 301, 25))
    assert document["error"] is None


def test_a_failure_has_its_reason_and_the_way_to_its_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_run(tmp_path / "runs", error="failed")
    trace = 'Traceback:\n  File "a.py"\n\x1b[31mRuntimeError'
    error = {"status": "failed", "error": "RuntimeError: told to", "traceback": trace,
             "stage": "erm", "step": 120}  # fmt: skip
    (folder / "error.json").write_text(json.dumps(error))
    page = call("erm")
    assert "Failed in erm at step 120: RuntimeError: told to" in page
    assert f"Traceback: {folder.relative_to(tmp_path)}/error.json" in page
    assert call("erm", "--traceback") == 'Traceback:\n  File "a.py"\n [31mRuntimeError\n'


@pytest.mark.parametrize("name", ["spec.json", "result.json", "error.json", "log.jsonl"])
@pytest.mark.parametrize(
    "content", ["", "{", "[]", "[" * 100_000, '{"format": 1, "test": 3, "identity": [], "data": 1}',
                '{"step": 1e999, "losses": {"a": "b"}, "val": []}',
                '{"step": 5, "losses": {"\x1b": 2}}'],
)  # fmt: skip
def test_torn_files_cost_their_own_part_only(tmp_path, name, content):
    folder = write_run(tmp_path, arrays=False)
    (folder / name).write_text(content)
    page = call(folder)
    assert page.replace("\n", "").isprintable()
    json.loads(call(folder, "--json"))


def test_nothing_that_a_run_holds_reaches_the_terminal_as_control(tmp_path):
    evil = "\x1b]0;x\x07"
    folder = write_run(tmp_path, arrays=False, domains=(f"a{evil}", "b", "c"), label=f"erm{evil}",
                       hparams={f"k{evil}": f"v{evil}"}, options={"o": evil})  # fmt: skip
    assert call(folder).replace("\n", "").isprintable()


def test_curves_go_where_the_values_are():
    lines = draw([Curve("up", [[(0, 0.0), (100, 1.0)]])], width=51, height=5)
    picture = [line[11:] for line in lines[:5]]
    assert picture[0].endswith("*")
    assert picture[4].startswith("*")
    assert [line.index("*") for line in picture] == sorted(
        (line.index("*") for line in picture), reverse=True
    )
    assert lines[0].split()[0] == "1"
    assert lines[4].split()[0] == "0"
    assert lines[6].split() == ["0", "51.3", "100"]
    assert lines[-1].strip() == "* up"


def test_stages_are_set_apart_and_not_joined():
    lines = draw([Curve("a", [[(1, 1.0), (50, 1.0)], [(60, 0.0), (100, 0.0)]])],
                 width=61, height=5, borders=[(50, "crt")])  # fmt: skip
    assert "┊crt" in "\n".join(lines)
    assert all("*" not in line for line in lines[1:4])


def test_values_over_orders_of_magnitude_get_a_log_scale():
    lines = draw([Curve("loss", [[(x, 10.0 ** -(x / 10)) for x in range(50)]])])
    assert "(log scale)" in lines[-1]


@pytest.mark.parametrize(
    "points", [[], [(1.0, math.nan)], [(1.0, 2.0)], [(1.0, 1e300), (2.0, -1e300)], [(3.0, 0.0)] * 2]
)
def test_odd_values_draw_something(points):
    assert draw([Curve("a", [points])])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45.4, "45 s"), (60, "1 min"), (725, "12 min"), (5700, "1 h 35 min"),
     (7200, "2 h"), (273600, "3 d 4 h"), (-5, "0 s")],
)  # fmt: skip
def test_times_as_people_say_them(seconds, words):
    assert duration(seconds) == words


def test_it_says_what_the_logits_take(tmp_path):
    folder = write_run(tmp_path)
    size = (folder / "logits.npz").stat().st_size
    assert f"Logits: {size / 1e6:.2f} MB" in call(folder)
    assert json.loads(call(folder, "--json"))["logits_bytes"] == size
    (folder / "logits.npz").unlink()
    assert "Logits: none kept" in call(folder)
    assert json.loads(call(folder, "--json"))["logits_bytes"] is None
