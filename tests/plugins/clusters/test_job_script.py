"""What a user writes stays on its own line of the job script, and is text there."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from ltbench_clusters.slurm import SlurmExecutor, SlurmParameters

from ltbench.errors import UsageError

pytest.importorskip("submitit")


def script(tmp_path: Path, **asked: str) -> list[str]:
    executor = SlurmExecutor.__new__(SlurmExecutor)  # without a cluster
    executor.hparams, executor.folder = SlurmParameters(**asked), tmp_path
    made = executor._executor("ltbench-0123456789ab")
    return made._make_submission_file_text("true", "0").splitlines()


@pytest.fixture(autouse=True)
def slurm_is_there(monkeypatch):
    from submitit import SlurmExecutor as Submitit

    monkeypatch.setattr(Submitit, "affinity", classmethod(lambda cls: 1))


@pytest.mark.parametrize("key", ["partition", "account", "qos", "constraint"])
@pytest.mark.parametrize("text", ["gpu; touch x", "$(touch x)", "a b", "'", "[rack1|rack2]"])
def test_every_text_is_quoted(tmp_path, key, text):
    (line,) = [line for line in script(tmp_path, **{key: text}) if f"--{key}=" in line]
    assert shlex.split(line.removeprefix("#SBATCH ")) == [f"--{key}={text}"]


@pytest.mark.parametrize("key", ["partition", "account", "qos", "constraint"])
@pytest.mark.parametrize("text", ["gpu\ntouch x", "gpu\rtouch x", "gpu\x0btouch x", "gpu\n"])
def test_no_text_begins_a_line_whoever_made_the_parameters(tmp_path, key, text):
    with pytest.raises(UsageError, match=rf"slurm\[{key}\] holds a line break"):
        script(tmp_path, **{key: text})


def test_nor_does_the_folder_of_the_runs(tmp_path):
    with pytest.raises(UsageError, match="folder of the runs holds a line break"):
        script(tmp_path / "a\nb")
