"""The Ray executor on a real cluster of two nodes, on one machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from cluster_sweeps import finish, results, run_here, start, wait_for

ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from ray.cluster_utils import Cluster  # noqa: E402

SLOW = ("--algo", "misbehave[how=slow]", "--protocol", "long", "--steps", "60", "--seeds", "4")


@contextlib.contextmanager
def two_nodes():
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        yield cluster, cluster.add_node(num_cpus=1)
    finally:
        cluster.shutdown()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("here")
    code, text = run_here(out, *SLOW)
    assert code == 0, text
    return results(out)


def test_the_loss_of_a_node_costs_no_run(uninterrupted, tmp_path):
    with two_nodes() as (cluster, second):
        executor = ("--executor", "ray", "--ray-address", cluster.address)
        sweep = start(tmp_path, *SLOW, *executor)
        wait_for(lambda: len(list(tmp_path.rglob("latest.pt"))) > 1)  # one on each node
        cluster.remove_node(second, allow_graceful=False)
        code, text = finish(sweep)
    assert code == 0, text
    assert results(tmp_path) == uninterrupted
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(("claim", ".ray"))]


# A second interrupt, below, goes the same way as far as the checkpoint.
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_has_the_tasks_write_checkpoints(uninterrupted, tmp_path, number):
    stopped = start(tmp_path, *SLOW, "--executor", "ray")  # which starts Ray itself
    wait_for(lambda: len(list(tmp_path.rglob("latest.pt"))) > 1)
    stopped.send_signal(number)
    code, text = finish(stopped)
    assert code == 130, text
    assert "Ctrl-C again stops at once" in text
    assert "type the same command to go on" in text
    assert not list(tmp_path.rglob("claim*"))
    code, text = finish(start(tmp_path, *SLOW, "--executor", "ray"))
    assert code == 0, text
    assert results(tmp_path) == uninterrupted


def test_a_second_interrupt_does_not_wait_and_leaves_no_task(tmp_path):
    stopped = start(tmp_path, *SLOW, "--executor", "ray")
    wait_for(lambda: len(list(tmp_path.rglob("latest.pt"))) > 1)
    family = psutil.Process(stopped.pid).children(recursive=True)
    stopped.send_signal(signal.SIGINT)
    time.sleep(0.05)
    stopped.send_signal(signal.SIGTERM)
    code, text = finish(stopped)
    assert code == 130, text
    assert "type the same command to go on" in text
    assert "Traceback" not in text
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare(1)"
)
def test_results_come_home_from_a_node_that_does_not_see_the_folder(tmp_path):
    out = tmp_path / "runs"
    out.mkdir()
    with two_nodes() as (cluster, second):
        cluster.remove_node(second, allow_graceful=False)
        node = start_in_own_file_system(out, cluster.address)
        try:
            wait_for(lambda: len(cluster_nodes(cluster.address)) > 1)
            args = ("--algo", "erm,misbehave[how=raise]", "--seeds", "3")
            executor = ("--executor", f"ray[address={cluster.address}]")
            code, text = finish(start(out, *args, *executor))
        finally:
            node.terminate()
            node.wait(60)
    assert code == 1, text  # three runs fail, as they are told
    assert len(results(out)) == 3
    assert len(list(out.rglob("error.json"))) == 3
    assert len(list(out.rglob("best.pt"))) == 3
    code, text = run_here(tmp_path / "here", "--algo", "erm", "--seeds", "3")
    assert results(out) == results(tmp_path / "here")


def start_in_own_file_system(hidden, address):
    """Start a node for which the folder is another, empty one."""
    ray_command = f"{sys.executable} -m ray.scripts.scripts start --address={address} --num-cpus=1"
    mounted = f"mount -t tmpfs none '{hidden}' && exec {ray_command} --block"
    return subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", mounted],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def cluster_nodes(address):
    code = (
        f"import ray; ray.init({address!r}, log_to_driver=False, logging_level='ERROR');"
        "print(sum(node['Alive'] for node in ray.nodes()))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return range(int(answer.stdout.split()[-1]))


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    code, text = finish(start(tmp_path, "--algo", "erm", "--executor", "ray[address=127.0.0.1:1]"))
    assert code == 2, text
    assert "no Ray cluster answers there" in text
