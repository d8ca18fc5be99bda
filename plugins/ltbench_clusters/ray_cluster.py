"""A Ray cluster: how to join it, how many runs it takes, what its nodes see."""

from __future__ import annotations

import os
import socket
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import NodeDiedError, RayError, TaskUnschedulableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ltbench.api import UsageError
from ltbench_clusters.ray_task import look_around

CONNECT_SECONDS = 15.0
LOOK_SECONDS = 120.0


def connect(address: str) -> None:
    """Join the cluster, or start one on this machine.

    Raises:
        UsageError: nothing answers at the address.
    """
    address = address or os.environ.get("RAY_ADDRESS", "")
    _check_that_something_listens(address)
    ours = {key: value for key, value in os.environ.items() if key.startswith("LTBENCH_")}
    try:
        ray.init(
            address=address or "local",
            runtime_env={"env_vars": ours},
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _nobody_there(address, error) from error


def _check_that_something_listens(address: str) -> None:
    """Look at a ``host:port`` first, since Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise _nobody_there(address, error) from error


def _nobody_there(address: str, error: Exception) -> UsageError:
    return UsageError(
        f"--ray-address {address}: no Ray cluster answers there ({error}); start one with "
        "'ray start --head', or leave the address out"
    )


def capacity(cpus: float, gpus: float, memory: float) -> int:
    """Return how many tasks to have in the cluster at a time: what fits, and a few that wait.

    Raises:
        UsageError: no node is large enough for a single run.
    """
    needed = {"CPU": cpus, "GPU": gpus, "memory": memory * 1e9}
    needed = {key: value for key, value in needed.items() if value}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fits = [int(min(node.get(key, 0) / value for key, value in needed.items())) for node in nodes]
    if not any(fits):
        wanted = f"{cpus:g} cores, {gpus:g} GPUs and {memory:g} GB"
        raise UsageError(
            f"--executor ray: none of the cluster's {len(nodes)} nodes has {wanted} for a run; ask "
            "for less, as in 'ray[cpus=1]'"
        )
    return sum(fits) + 2


def nodes_see(out: Path) -> bool:
    """Return whether every node sees the folder of the runs.

    Raises:
        UsageError: a node has another version of ltbench, or none.
    """
    import ray

    with tempfile.NamedTemporaryFile(prefix=".ray-", dir=out) as marker:
        answers = [
            look_around.options(scheduling_strategy=on_node(node["NodeID"])).remote(marker.name)
            for node in ray.nodes()
            if node["Alive"]
        ]
        seen = [answer for reference in answers if (answer := _answer(reference)) is not None]
    versions = {version for version, _ in seen}
    if versions != {version("ltbench")}:
        there = ", ".join(sorted(versions))
        raise UsageError(
            f"--executor ray: the nodes have ltbench {there} and this command is "
            f"{version('ltbench')}; install the same version everywhere"
        )
    return all(visible for _, visible in seen)


def _answer(reference: Any) -> tuple[str, bool] | None:
    """Return what a node says; ``None`` if it has gone, which Ray may notice late."""
    try:
        answer: tuple[str, bool] = ray.get(reference, timeout=LOOK_SECONDS)
    except (NodeDiedError, TaskUnschedulableError):
        return None
    except RayError as error:
        cause = str(error).strip().splitlines()[-1]
        raise UsageError(
            f"--executor ray: a node cannot run ltbench ({cause}); install it on every node"
        ) from error
    return answer


def on_node(node: str = "") -> Any:
    """Return a scheduling strategy that keeps work on a node; by default, that of the command."""
    return NodeAffinitySchedulingStrategy(
        node or ray.get_runtime_context().get_node_id(), soft=False
    )
