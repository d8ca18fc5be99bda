"""Races: which runs come next, what the budget and failures do, and what is said at the end."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from scipy import stats

from ltbench.errors import UsageError
from ltbench.session.deadline import ends_in_time
from ltbench.session.race import ONE_DOMAIN, SEVERAL_DOMAINS, Race, usual_methods
from ltbench.session.race_verdict import document, paragraph, rows
from ltbench.session.session import Session, SweepRun
from ltbench.stats.race import SPENT

SKILL = {"erm": 0.80, "bsoftmax": 0.81, "focal": 0.40}


class Scored(Session):
    """Writes results in the place of training; a method may fail, or runs may take their time."""

    fails: str = ""
    seconds: float = 0.0

    def run(self, plan):
        ended = []
        for spec in plan.specs:
            time.sleep(self.seconds)
            folder = spec.folder(plan.out)
            if (folder / "result.json").exists():
                raise AssertionError("it is done already")
            if spec.algo == self.fails:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "spec.json").write_text(json.dumps(spec.as_dict()))
                error = {"status": "failed", "error": "RuntimeError: boom"}
                (folder / "error.json").write_text(json.dumps(error))
                ended.append(SweepRun(spec, folder, "failed", "RuntimeError: boom"))
                continue
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "spec.json").write_text(json.dumps(spec.as_dict()))
            noise = np.random.default_rng([spec.seed, len(spec.algo)]).normal(0, 0.01)
            val = {"accuracy_average": SKILL[spec.algo] + noise, "macro_f1_average": 0.5}
            val["loss_average"] = -val["accuracy_average"]
            result = {
                "format": 1,
                "hash": spec.hash,
                "seed": spec.seed,
                "val": val,
                "test": {"accuracy_average": 0.7 + noise},
            }
            (folder / "result.json").write_text(json.dumps(result))
            ended.append(SweepRun(spec, folder, "done"))
        return ended


def make(tmp_path, algos="erm,bsoftmax,focal", seeds=5, metric="accuracy_average", **plan):
    session = Scored(tmp_path / "runs", device="cpu", jobs=1, quiet=True, say=lambda _: None)
    planned = session.plan([algos], ["digits-mini-mlt"], range(seeds), "fp32", steps=2, **plan)
    return Race(session, planned, metric)


def seeds_done(tmp_path) -> dict[str, int]:
    return {
        algo: len([*(tmp_path / "runs").glob(f"*/{algo}/*/seed-*/result.json")]) for algo in SKILL
    }


def test_a_method_that_cannot_be_best_gets_no_more_seeds(tmp_path):
    race = make(tmp_path)
    assert [(r.algo, r.seed) for r in race.next_round()] == [
        ("erm", 0), ("bsoftmax", 0), ("focal", 0),
    ]  # fmt: skip
    outcome = race.carry_out(60)
    assert seeds_done(tmp_path) == {"erm": 5, "bsoftmax": 5, "focal": 3}
    assert outcome.trained == 13
    assert [row[0] for row in rows(outcome, race.measure)][-1] == "focal"
    said = paragraph(outcome, "accuracy_average", race.measure, "digits-mini-mlt")
    assert "is not shown to be the best" in said
    assert "which is what leaving it can cost" in said
    assert "seeds of each" in said
    assert "On test images, which chose nothing" in said


def test_the_same_race_with_more_seeds_goes_on(tmp_path):
    make(tmp_path, seeds=4).carry_out(60)
    before = seeds_done(tmp_path)
    outcome = make(tmp_path, seeds=6).carry_out(60)
    assert before == {"erm": 4, "bsoftmax": 4, "focal": 3}
    assert seeds_done(tmp_path) == {"erm": 6, "bsoftmax": 6, "focal": 3}
    assert outcome.trained == 4


def test_runs_that_are_there_count(tmp_path):
    race = make(tmp_path)
    race.session.run(race.plan)
    outcome = race.carry_out(60)
    assert outcome.trained == 0
    assert outcome.standing.seeds == 5
    (drop,) = outcome.standing.dropped
    assert (outcome.methods[drop.method], drop.seeds) == ("focal", 3)


def test_where_there_is_room_the_methods_left_get_several_seeds_at_a_time(tmp_path):
    race = make(tmp_path)
    race.session.jobs = 6
    assert {(r.algo, r.seed) for r in race.next_round()} == {
        (algo, seed) for algo in SKILL for seed in (0, 1)
    }


def test_a_round_that_does_not_fit_is_not_begun(tmp_path):
    race = make(tmp_path)
    race.estimate = lambda runs: 1_000.0
    outcome = race.carry_out(60)
    assert seeds_done(tmp_path) == {"erm": 1, "bsoftmax": 1, "focal": 1}  # the first, in any case
    said = paragraph(outcome, "accuracy_average", race.measure, "digits-mini-mlt")
    assert "seed 1 of 3 methods, about 16 min, does not fit" in said
    assert "the same command goes on" in said


def test_the_budget_interrupts_what_runs(tmp_path):
    race = make(tmp_path)
    race.session.seconds = 0.4
    outcome = race.carry_out(0.6)
    assert sum(seeds_done(tmp_path).values()) == 1
    assert "budget was used up during seed 0" in outcome.unfinished
    assert make(tmp_path).carry_out(60).standing.seeds == 5


def test_a_deadline_leaves_other_interrupts_alone():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ends_in_time(60, interrupted)
    for seconds in (0, 0.05):
        assert not ends_in_time(seconds, lambda: time.sleep(5))
    assert ends_in_time(60, lambda: None)


def test_a_method_that_fails_leaves_the_race_and_is_named(tmp_path):
    race = make(tmp_path)
    race.session.fails = "erm"
    outcome = race.carry_out(60)
    assert seeds_done(tmp_path)["bsoftmax"] == 3
    assert outcome.standing.decided
    said = paragraph(outcome, "accuracy_average", race.measure, "digits-mini-mlt")
    assert said.startswith("bsoftmax is the best of 2 methods")
    assert "erm left the race, as a run failed: RuntimeError: boom." in said
    entries = {m["label"]: m for m in document(outcome, "m", race.measure, "d")["methods"]}
    assert entries["erm"]["state"] == "lost"
    assert entries["focal"]["state"] == "dropped"


def test_a_race_that_is_decided_says_how_sure_it_is_and_what_a_mistake_costs(tmp_path):
    race = make(tmp_path, "erm,focal")
    outcome = race.carry_out(60)
    said = paragraph(outcome, "accuracy_average", race.measure, "digits-mini-mlt")
    (drop,), seeds = outcome.standing.dropped, outcome.standing.seeds
    best, other = (np.array(outcome.scores[i][:seeds]) for i in (0, 1))
    behind = 100 * (best - other).mean()
    # With two methods a t-test of the seeds' differences, at half of what is spent: two ends.
    reach = 100 * stats.sem(best - other) * stats.t.isf(SPENT / 2, seeds - 1)
    assert said == (
        f"erm is the best of 2 methods on digits-mini-mlt, by validation accuracy_average "
        f"({100 * best.mean():.1f} % over 3 seeds). Such a sentence is wrong in at most 5 % of "
        f"races, over all looks and rivals, for scores no more skewed than those simulated: a "
        f"method whose seeds now and then collapse is outside of it. "
        f"The least clear was focal, which after {drop.seeds} "
        f"seeds was {behind:.1f} points behind erm (between {behind - reach:.1f} and "
        f"{behind + reach:.1f} points): so much is lost by taking it instead. On test "
        f"images, which chose nothing, erm has {100 * np.mean(outcome.tests[0]):.1f} %."
    )


def test_what_ended_before_the_budget_did_is_not_forgotten(tmp_path):
    race = make(tmp_path)
    race.session.seconds, race.session.fails = 0.4, "bsoftmax"
    outcome = race.carry_out(1.0)
    assert "budget was used up during seed 0" in outcome.unfinished
    assert outcome.trained == 1
    (lost,) = outcome.lost
    assert outcome.methods[lost.method] == "bsoftmax"
    assert lost.reason == "failed: RuntimeError: boom"
    assert outcome.raced == (0, 2)


def test_a_method_that_is_trained_on_the_validation_images_does_not_race(tmp_path):
    sentence = "'dfr' is trained on the validation images, by which methods would be judged: race"
    with pytest.raises(UsageError, match=sentence):
        make(tmp_path, "erm,erm+dfr")


def test_two_methods_of_which_one_fails_are_no_race(tmp_path):
    race = make(tmp_path, "erm,bsoftmax")
    race.session.fails = "erm"
    outcome = race.carry_out(60)
    said = paragraph(outcome, "accuracy_average", race.measure, "digits-mini-mlt")
    assert "fewer than two methods are left" in said


def test_the_document_gives_what_the_paragraph_says(tmp_path):
    race = make(tmp_path)
    found = document(race.carry_out(60), "accuracy_average", race.measure, "digits-mini-mlt")
    entries = {m["label"]: m for m in found["methods"]}
    assert found["best"] in ("erm", "bsoftmax")
    assert not found["decided"]
    low, high = entries["focal"]["interval"]
    assert low < entries["focal"]["difference"] < high
    assert entries["focal"]["seeds"] == len(entries["focal"]["val"]) == 3
    (other,) = {"erm", "bsoftmax"} - {found["best"]}
    assert entries[other]["interval"][0] < 0 < entries[other]["interval"][1]
    json.dumps(found)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("accurracy_average", "there is no metric 'accurracy_average'; did you mean 'accuracy"),
        ("expected_calibration_error", "there is no metric"),
        ("accuracy_wrost", "there is no metric 'accuracy_wrost'; did you mean 'accuracy_worst'"),
        ("f1", "there is no metric 'f1'"),
        ("accuracy_worst_tenth", "accuracy_worst_tenth is computed on test images alone"),
    ],
)
def test_a_metric_that_is_none_is_refused_before_any_run(tmp_path, metric, said):
    with pytest.raises(UsageError, match=said):
        make(tmp_path, metric=metric)


def test_a_metric_that_runs_do_not_have_is_refused(tmp_path):
    race = make(tmp_path, metric="accuracy_medium")
    with pytest.raises(UsageError, match="gave no 'accuracy_medium'"):
        race.carry_out(60)


def test_a_result_that_was_torn_is_said_with_what_removes_it(tmp_path):
    race = make(tmp_path)
    race.session.run(race.plan)
    torn = race.specs[0].folder(race.plan.out)
    (torn / "result.json").write_text('{"test":')
    with pytest.raises(UsageError, match=f"{torn}: result.json is not .*; `ltbench clean {torn}`"):
        race.carry_out(60)


def test_one_method_is_no_race(tmp_path):
    with pytest.raises(UsageError, match="a race takes two methods or more, and 'erm' is one"):
        make(tmp_path, "erm")


def test_several_protocols_are_no_race(tmp_path):
    with pytest.raises(UsageError, match="one data set under one protocol"):
        make(tmp_path, protocol="mdlt,mdlt[lr=0.1]")


def test_the_usual_methods_depend_on_the_domains_of_training(tmp_path):
    assert usual_methods(["digits-mini-mlt"], tmp_path) == SEVERAL_DOMAINS
    images = tmp_path / "moths"
    from PIL import Image

    for label in ("agrotis", "noctua"):
        (images / label).mkdir(parents=True)
        for number in range(9):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(images / label / f"{number}.png")
    assert usual_methods([f"image-folder[root={images}]"], tmp_path) == ONE_DOMAIN
