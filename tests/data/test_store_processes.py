"""Several processes that want the same decoded images at once."""

from __future__ import annotations

import os
import subprocess
import sys


def test_processes_that_build_at_once_end_with_one_store(tmp_path):
    command = [sys.executable, "-m", "ltbench", "data", "prepare", "tiny-mlt"]
    env = {**os.environ, "LTBENCH_CACHE": str(tmp_path)}
    builders = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    outputs = [builder.communicate(timeout=120) for builder in builders]
    assert [builder.returncode for builder in builders] == [0] * 4, outputs
    folders = [path for path in (tmp_path / "images").iterdir() if path.is_dir()]
    assert len(folders) == 1
    names = {path.name for path in folders[0].iterdir()}
    assert {"images.npy", "sizes.npy", "split.npz"} <= names
