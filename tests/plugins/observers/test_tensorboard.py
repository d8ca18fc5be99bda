"""TensorBoard's event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import time

import pytest
from observed_runs import RESULT, make_spec, record

pytest.importorskip(
    "tensorboard", reason="TensorBoard is not installed: pip install 'ltbench[tensorboard]'"
)


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return events


def points(folder, tag="val/accuracy_average"):
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def test_losses_metrics_and_rate_are_scalars_over_the_steps(attempt):
    run = attempt("tensorboard").run()
    run.evaluated(record(3), record(6))
    run.finished(RESULT)
    events = read(run.folder)
    wanted = {"loss/total", "loss/ce", "val/accuracy_average", "lr", "seconds"}
    assert set(events.Tags()["scalars"]) == wanted | {"test/accuracy_average"}
    assert points(run.folder) == [(3, pytest.approx(0.03)), (6, pytest.approx(0.06))]
    assert points(run.folder, "test/accuracy_average") == [(6, 0.75)]


def test_the_hparams_page_has_the_settings_with_the_test_metrics(attempt):
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    run = attempt("tensorboard").run(make_spec(seed=3, stages=("crt",)))
    run.evaluated(record(3))
    run.finished(RESULT)
    events = read(run.folder)
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    hparams = HParamsPluginData.FromString(content).session_start_info.hparams
    assert hparams["algorithm.hparams.weight"].number_value == 0.5
    assert hparams["stages.1.name"].string_value == "crt"
    assert hparams["protocol.steps"].number_value == 12
    assert hparams["seed"].number_value == 3
    content = events.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    shown = HParamsPluginData.FromString(content).experiment.metric_infos
    assert [metric.name.tag for metric in shown] == ["test/accuracy_average"]


def test_a_resumed_run_has_each_point_once(attempt):
    run = attempt("tensorboard").run()
    run.evaluated(record(3), record(6), record(9))
    run.write_log(record(3), record(6))
    time.sleep(1.1)  # TensorBoard reads files in the order of their names, which hold the second
    run = attempt("tensorboard").run()
    run.evaluated(record(9), record(12))
    run.finished(RESULT)
    assert [step for step, _ in points(run.folder)] == [3, 6, 9, 12]
    assert len(read(run.folder).Scalars("loss/total")) == 4


def test_a_reader_that_watches_over_a_resume_has_each_point_once(attempt):
    run = attempt("tensorboard[flush=1]").run()
    run.evaluated(record(3), record(6), record(9))
    run.finished({"status": "interrupted"})
    events = read(run.folder)
    run.write_log(record(3), record(6))
    time.sleep(1.1)
    run = attempt("tensorboard").run()
    run.evaluated(record(9), record(12))
    run.finished(RESULT)
    events.Reload()
    assert [event.step for event in events.Scalars("lr")] == [3, 6, 9, 12]


def test_times_are_the_records_not_the_clocks(attempt):
    run = attempt("tensorboard").run()
    lines = [record(3, seconds=100.0), record(6, seconds=350.5), record(9, seconds=400.0)]
    run.write_log(*lines)
    for one in lines:  # all at once, as of a run on a cluster
        run.told(one)
    run.finished(RESULT)
    times = [event.wall_time for event in read(run.folder).Scalars("lr")]
    assert [time - times[0] for time in times] == pytest.approx([0.0, 250.5, 300.0])
    assert times[-1] == pytest.approx(run.log.stat().st_mtime, abs=0.01)


def test_the_stages_of_a_run_follow_each_other(attempt):
    run = attempt("tensorboard").run(make_spec(stages=("crt", "tau-norm")))
    run.evaluated(record(3), record(6), record(3, "crt"), record(0, "tau-norm"))
    run.finished(RESULT)
    assert [step for step, _ in points(run.folder)] == [3, 6, 9, 10]


def test_runs_in_progress_at_once_keep_to_their_own_files(attempt):
    sweep = attempt("tensorboard")
    a, b = sweep.run(make_spec(0)), sweep.run(make_spec(1))
    for step in (3, 6):
        a.evaluated(record(step))
        b.evaluated(record(step + 1))
    a.finished(RESULT)
    b.finished({"status": "failed", "error": "out of memory"})
    assert [step for step, _ in points(a.folder)] == [3, 6]
    assert [step for step, _ in points(b.folder)] == [4, 7]
    assert "test/accuracy_average" not in read(b.folder).Tags()["scalars"]


def test_a_run_that_fails_before_its_first_evaluation_leaves_no_file(attempt):
    sweep = attempt("tensorboard")
    run = sweep.run()
    run.finished({"status": "failed", "error": "out of memory"})
    sweep.finish()
    assert not (run.folder / "tensorboard").exists()
