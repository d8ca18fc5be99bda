"""Studies: resumed as they were left, chosen on validation alone, found again for their best."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ltbench.errors import UsageError
from ltbench.results.folder import RunFolder
from ltbench.results.index import read_runs
from ltbench.results.labels import describe_tuning
from ltbench.results.run import RunSpec
from ltbench.results.untrusted import clean
from ltbench.session.plan import PlannedMethod, Request, plan_runs
from ltbench.session.studies import Budget, Study, tuned_spec
from ltbench.session.study_files import find_study, open_study

METRIC = "macro_f1_average"


def method(algo: str = "boda", **more) -> PlannedMethod:
    request = Request([algo], ["tiny-mlt"], [0], "fp32", Path("/nowhere"), **more)
    return plan_runs(request).methods[0]


def open_boda(out: Path, trials: int = 6, search: str = "random", batch: int = 2, seed: int = 0):
    return open_study(out, method(), Budget(search, trials, seed), batch)


def validation(point: dict) -> float:
    return 0.1 + 0.8 * min(1.0, point.get("boda.weight", 0.1))


def finish(study: Study, number: int, *, value: float | None = None, error: str = "") -> None:
    """Write what a run would leave behind for a trial."""
    trial = study.trials[number]
    folder = RunFolder(study.root / trial.folder)
    folder.start(study.spec(trial).as_dict())
    if error:
        folder.fail({"status": error, "error": "told to", "traceback": "", "stage": "", "step": 1})
        return
    spec, score = study.spec(trial), validation(trial.point) if value is None else value
    selection = {"metric": METRIC, "value": score, "stage": "boda", "step": 3}
    folder.finish({"format": 1, "hash": spec.hash, "seed": spec.seed, "label": spec.label,
                   "test": {"accuracy_average": 1 - score}, "selection": selection})  # fmt: skip


def carry_out(study: Study, runs: int = 99) -> Study:
    """Carry a study out; after so many runs the power goes."""
    left = iter(range(runs))

    def run(trials) -> None:
        for trial in trials:
            if next(left, None) is None:
                raise KeyboardInterrupt
            finish(study, trial.number)

    with contextlib.suppress(KeyboardInterrupt):
        study.carry_out(run)
    return study


def test_the_best_is_that_of_the_validation_whatever_the_test_says(tmp_path):
    study = carry_out(open_boda(tmp_path))
    best = study.best
    assert best is not None
    assert best.value == max(validation(trial.point) for trial in study.trials)
    for i, path in enumerate(sorted(tmp_path.rglob("result.json"))):
        result = json.loads(path.read_text())
        result["test"] = {"accuracy_average": i / 10, METRIC: 1 - i / 10}
        path.write_text(json.dumps(result))
    study.path.unlink()
    again = open_boda(tmp_path)
    again.propose()
    again.collect(failures=True)
    assert again.trials == study.trials
    assert again.best == best
    loser = next(trial for trial in again.trials if trial != best)
    path = again.root / loser.folder / "result.json"
    result = json.loads(path.read_text())
    result["selection"]["value"] = 0.99
    path.write_text(json.dumps(result))
    renewed = open_boda(tmp_path)
    renewed.propose()
    renewed.collect(failures=True)
    assert renewed.best is not None
    assert renewed.best.number == loser.number


@pytest.mark.parametrize("search", ["random", "bayes"])
def test_broken_off_after_any_batch_it_goes_on_as_if_it_had_not_been(tmp_path, search):
    if search == "bayes":
        pytest.importorskip("optuna", reason="needs the extra ltbench[tune]")
    quiet = carry_out(open_boda(tmp_path / "quiet", 11, search))
    for again in range(11):
        study = open_boda(tmp_path / "broken", 11, search, batch=5 if again else 2)
        assert not study.complete
        carry_out(study, runs=1)
    assert study.complete
    assert study.trials == quiet.trials
    assert study.path.read_text() == quiet.path.read_text()


def test_failures_count_in_the_budget_and_lose(tmp_path):
    study = open_boda(tmp_path, 4)
    study.propose()
    finish(study, 0, value=0.2)
    finish(study, 1, error="diverged")
    finish(study, 2, error="failed")
    finish(study, 3, value=0.1)
    study.collect(failures=True)
    study.save()
    assert [t.status for t in study.trials] == ["done", "diverged", "failed", "done"]
    assert study.complete
    assert study.best is study.trials[0]
    assert open_boda(tmp_path, 4).propose() == []


@pytest.mark.parametrize("error", ["failed", "diverged"])
def test_a_trial_that_was_run_again_counts_when_the_study_is_looked_at_next(tmp_path, error):
    study = open_boda(tmp_path, 2)
    study.propose()
    finish(study, 0, value=0.2)
    finish(study, 1, error=error)
    study.collect(failures=True)
    study.save()
    retried = open_boda(tmp_path, 2)
    retried.collect(failures=False)
    assert [t.status for t in retried.trials] == ["done", error]
    finish(retried, 1, value=0.9)  # as `ltbench retry` leaves it
    again = carry_out(open_boda(tmp_path, 2))
    assert [t.status for t in again.trials] == ["done", "done"]
    assert again.best is again.trials[1]
    assert best_of(tmp_path, method()).best == again.best


def test_a_result_of_a_trial_that_was_torn_is_said_and_is_no_failure(tmp_path):
    study = open_boda(tmp_path, 2)
    study.propose()
    finish(study, 0, value=0.2)
    torn = study.root / study.trials[0].folder
    (torn / "result.json").write_text('{"selection":')
    with pytest.raises(UsageError, match=f"`ltbench clean {torn}` removes it"):
        study.collect(failures=False)
    assert study.trials[0].status == "waiting"


def test_runs_that_failed_before_the_study_knew_are_tried_once_more(tmp_path):
    study = open_boda(tmp_path, 2)
    study.propose()
    finish(study, 0, value=0.2)
    finish(study, 1, error="failed")
    study.collect(failures=False)
    assert [t.status for t in study.trials] == ["done", "waiting"]


def test_the_first_of_equals_is_the_best(tmp_path):
    study = open_boda(tmp_path, 3)
    study.propose()
    for number in range(3):
        finish(study, number, value=0.5)
    study.collect(failures=True)
    assert study.best is study.trials[0]
    assert study.trials[0].label == "boda"


def test_a_larger_random_budget_begins_with_the_smaller_ones_trials(tmp_path):
    small = carry_out(open_boda(tmp_path, 4))
    large = open_boda(tmp_path, 8)
    large.propose()
    large.collect(failures=True)
    assert large.trials[:4] == small.trials
    assert len(large.open) == 4


def test_a_score_by_another_metric_is_no_score(tmp_path):
    study = open_boda(tmp_path, 1)
    study.propose()
    finish(study, 0)
    path = study.root / study.trials[0].folder / "result.json"
    path.write_text(path.read_text().replace(METRIC, "accuracy_average"))
    study.collect(failures=True)
    assert study.trials[0].status == "failed"


def test_trials_are_hidden_from_the_index_of_the_runs(tmp_path):
    carry_out(open_boda(tmp_path, 3))
    assert read_runs(tmp_path) == []
    assert len(read_runs(tmp_path / ".tuning")) == 3


def test_questions_differ_by_setting_and_by_what_is_fixed():
    plain = method()
    assert plain.hash == method().hash
    others = [
        method("boda+crt"), method("boda[nu=1]"), method("boda[nu=0.5]"),
        method(protocol="long"), method(overrides={"steps": 7}), method(backbone="resnet18"),
    ]  # fmt: skip
    assert len({plain.hash, *(other.hash for other in others)}) == 7
    assert method("boda[nu=1]").hash == method("boda[nu=1.0]").hash
    assert method("boda[nu=1]").fixed == {"boda.nu": 1.0}


def best_of(out: Path, asked: PlannedMethod) -> Study:
    return find_study(out, asked, f"ltbench tune --algo '{asked.typed}'")


def test_the_best_is_found_again_and_its_runs_carry_the_budget(tmp_path):
    study = carry_out(open_boda(tmp_path, 4))
    found = best_of(tmp_path, method())
    assert study.best is not None
    assert found.best == study.best
    spec = tuned_spec(found)
    by_hand = study.spec(study.best)
    assert spec.label == f"{by_hand.label} (tuned: 4 trials)"
    assert spec.identity()["tuned"] == {
        "search": "random", "trials": 4, "seed": 0, "metric": "f1",
    }  # fmt: skip
    assert "tuned" not in by_hand.identity()
    assert spec.hash != by_hand.hash
    assert RunSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
    assert spec.setting() == by_hand.setting(), "both stand in one table"


def test_a_long_label_keeps_the_words_for_its_budget(tmp_path):
    study = carry_out(open_study(tmp_path, method("boda+posthoc-la+mislas"), Budget(), 1))
    long = replace(study.method.spec, method="x" * 300)
    study.spec = lambda _: long
    label = tuned_spec(study).label
    assert label.endswith("x… (tuned: 16 trials)")
    assert clean(label) == label


def test_without_a_study_the_message_is_the_command(tmp_path):
    with pytest.raises(UsageError, match=r"`ltbench tune --algo 'boda' --trials 16` does$"):
        best_of(tmp_path, method())
    carry_out(open_boda(tmp_path, 4))
    with pytest.raises(UsageError, match="in brackets are fixed"):
        best_of(tmp_path, method("boda[nu=1]"))
    with pytest.raises(UsageError, match="no study tuned boda on tiny-mlt"):
        best_of(tmp_path, method(overrides={"steps": 7}))


def test_a_study_that_is_not_complete_is_not_used(tmp_path):
    study = open_boda(tmp_path, 4)
    study.propose()
    finish(study, 0)
    study.collect(failures=True)
    study.save()
    with pytest.raises(
        UsageError,
        match=r"has 1 of 4 trials: .* --search hparams --trials 4 --sampler random --seed 0",
    ):
        best_of(tmp_path, method())


def test_the_largest_budget_counts_and_a_draw_is_an_error(tmp_path):
    carry_out(open_boda(tmp_path, 2))
    carry_out(open_boda(tmp_path, 3))
    assert best_of(tmp_path, method()).budget.trials == 3
    carry_out(open_boda(tmp_path, 3, seed=1))
    with pytest.raises(UsageError, match="2 studies of boda on tiny-mlt have 3 trials"):
        best_of(tmp_path, method())


def test_where_every_trial_failed_there_is_no_best(tmp_path):
    study = open_boda(tmp_path, 1)
    study.propose()
    finish(study, 0, error="failed")
    study.collect(failures=True)
    study.save()
    with pytest.raises(UsageError, match="every trial of boda on tiny-mlt failed or diverged"):
        best_of(tmp_path, method())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: "{",
        lambda d: json.dumps({**d, "format": 9}),
        lambda d: json.dumps({**d, "results": [{"number": 0}]}),
        lambda d: json.dumps({**d, "results": [{**d["results"][0], "value": "high"}]}),
        lambda d: json.dumps({**d, "results": [{**d["results"][0], "status": "won"}]}),
        lambda d: json.dumps({**d, "results": [{**d["results"][0], "folder": "../../etc"}]}),
        lambda d: json.dumps({**d, "results": [{**d["results"][0], "point": {"boda.x": 1}}]}),
    ],
)
def test_a_broken_study_is_named(tmp_path, spoil):
    study = carry_out(open_boda(tmp_path, 2))
    study.path.write_text(spoil(json.loads(study.path.read_text())))
    with pytest.raises(UsageError, match="remove it to tune anew"):
        open_boda(tmp_path, 2)


def test_the_last_model_gives_nothing_to_tune_by(tmp_path):
    with pytest.raises(UsageError, match="--select f1 or accuracy"):
        open_study(tmp_path, method(overrides={"select": "last"}), Budget(), 1)


def test_different_budgets_have_different_words():
    budget = {"search": "random", "trials": 16, "seed": 0, "metric": "f1"}
    texts = [
        describe_tuning(budget | more)
        for more in (
            {},
            {"search": "bayes"},
            {"seed": 3},
            {"trials": 8},
            {"fixed": {"brl.cb": True}},
        )
    ]
    assert texts == [
        "tuned: 16 trials", "tuned: 16 bayes trials", "tuned: 16 trials at seed 3",
        "tuned: 8 trials", "tuned: 16 trials; fixed cb",
    ]  # fmt: skip
    assert not any("," in text for text in texts)


def test_trials_run_at_a_seed_that_is_never_reported(tmp_path):
    study = open_study(tmp_path, method(), Budget(seed=7), 1)
    assert {study.spec(trial).seed for trial in study.propose()} == {1_000_007}


@pytest.mark.parametrize("finished", [True, False])
def test_a_study_of_an_older_version_keeps_its_outcome_or_is_run_anew(tmp_path, finished):
    """Trials of one study have one seed, or their scores could not be compared."""
    study = open_boda(tmp_path, 3)
    study.trials = [
        replace(trial, folder=str(Path(trial.folder).with_name("seed-0")), status="done", value=0.5)
        for trial in study.propose()
    ]
    if not finished:
        study.trials[2] = replace(study.trials[2], status="waiting", value=None)
    study.save()
    again = open_boda(tmp_path, 3)
    assert [trial.status for trial in again.trials] == ["done" if finished else "waiting"] * 3
    assert {Path(t.folder).name for t in again.trials} == {"seed-0" if finished else "seed-1000000"}


def test_a_trial_that_lies_elsewhere_is_refused(tmp_path):
    study = open_boda(tmp_path, 3)
    study.propose()
    study.trials[1] = replace(study.trials[1], folder=f"{Path(study.trials[1].folder).parent}/..")
    study.save()
    with pytest.raises(UsageError, match="trial 1 lies elsewhere"):
        open_boda(tmp_path, 3)


AXES = ("hparams", "lr", "weight_decay")


def tuned_rates(out: Path, algo: str = "boda", trials: int = 4, **more) -> Study:
    study = open_study(out, method(algo, **more), Budget(trials=trials, axes=AXES), 2)
    return carry_out(study)


def test_a_study_of_other_axes_is_another_study(tmp_path):
    rates, alone = tuned_rates(tmp_path), carry_out(open_boda(tmp_path, 4))
    assert rates.path.parent == alone.path.parent
    assert alone.path.name == "random-4-seed-0.json"
    assert rates.path.name == "random-4-seed-0-hparams+lr+weight_decay.json"
    assert json.loads(rates.path.read_text())["axes"] == list(AXES)
    with pytest.raises(UsageError, match="choose with --search hparams,lr,weight_decay or hp"):
        best_of(tmp_path, method())
    for study in (rates, alone):
        found = find_study(tmp_path, method(), "ltbench tune", study.budget.axes)
        assert found.trials == study.trials


def test_the_best_settings_are_run_in_the_table_of_the_protocol_they_started_from(tmp_path):
    study = tuned_rates(tmp_path)
    finish(study, 2, value=1.0)
    study.trials = [replace(trial, status="waiting") for trial in study.trials]
    study.collect(failures=True)
    assert study.best is not None
    assert study.best.number == 2
    spec, plain = tuned_spec(study), method().spec
    found = {k: study.best.point[f"protocol.{k}"] for k in ("lr", "weight_decay")}
    assert found == {name: getattr(spec.protocol, name) for name in found}
    assert spec.tuned["axes"] == list(AXES)
    assert spec.tuned["from"] == {"lr": plain.protocol.lr, "weight_decay": 0.0}
    assert spec.as_dict()["protocol_hash"] == plain.as_dict()["protocol_hash"]
    assert study.spec(study.best).as_dict()["protocol_hash"] != plain.as_dict()["protocol_hash"]
    again = RunSpec.from_dict(json.loads(json.dumps(spec.as_dict())))
    assert (again, again.label) == (spec, spec.label)
    assert spec.label.endswith(
        f" (tuned: 4 trials of hparams+lr+weight_decay; lr={found['lr']} "
        f"weight_decay={found['weight_decay']})"
    )
    assert "," not in describe_tuning(spec.tuning)


def test_studies_that_searched_what_is_typed_now_are_not_used(tmp_path):
    tuned_rates(tmp_path)
    rate = method().spec.protocol.lr
    typed = method(overrides={"lr": rate})
    assert typed.hash == method().hash
    assert best_of(tmp_path, method()).budget.axes == AXES
    with pytest.raises(UsageError, match="no study tuned boda"):
        best_of(tmp_path, typed)


@pytest.mark.parametrize("name", ["random-4-seed-0-lr+hparams", "random-4-seed-0-steps", "x-y"])
def test_files_of_other_names_are_no_studies(tmp_path, name):
    study = carry_out(open_boda(tmp_path, 4))
    study.path.rename(study.path.with_name(f"{name}.json"))
    with pytest.raises(UsageError, match="no study tuned boda"):
        best_of(tmp_path, method())


@pytest.mark.parametrize(
    "point", [{"protocol.steps": 9}, {"protocol.lr": "fast"}, {"protocol.nothing": 1}, [1]]
)
def test_a_study_varies_nothing_but_its_axes(tmp_path, point):
    study = tuned_rates(tmp_path)
    document = json.loads(study.path.read_text())
    document["results"][1]["point"] = point
    study.path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="remove it to tune anew"):
        best_of(tmp_path, method())
