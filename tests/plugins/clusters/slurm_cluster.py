"""A real SLURM of one node on loopback: munged, slurmctld and slurmd of Debian's packages."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")

CONFIGURATION = """
ClusterName=ltbench
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
KillWait=15
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ReturnToService=2
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=30 MaxTime=60
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=60
"""


def why_not() -> str | None:
    """Return why no cluster can be started here, or ``None``."""
    if importlib.util.find_spec("submitit") is None:
        return "the extra 'slurm' is not installed"
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian's slurm-wlm and munge)"
    return None if os.geteuid() == 0 else "SLURM's daemons are started as root"


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run a cluster in ``folder`` and yield the environment that its commands need."""
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    ports = _free_ports()
    cpus = os.cpu_count()
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder, ports=ports, cpus=cpus))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    environment = {"SLURM_CONF": str(configuration), "PATH": _path()}
    everything = {**os.environ, **environment}
    daemons = []
    try:
        _start_munge()
        for command in (["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", host]):
            log = (folder / f"{command[0]}.out").open("w")
            daemons.append(subprocess.Popen(command, env=everything, stdout=log, stderr=log))
        _wait_for_node(everything)
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root"], env=everything, check=False, timeout=30)
        for daemon in reversed(daemons):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(30)


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _start_munge() -> None:
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
        return
    for folder in ("/run/munge", "/var/lib/munge", "/var/log/munge"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, "munge", "munge")
    subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged"], check=True)


def _wait_for_node(environment: dict[str, str]) -> None:
    states = []
    for _ in range(60):
        command = ["sinfo", "--noheader", "--format=%T"]
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        states = answer.stdout.split()
        if states and set(states) == {"idle"}:
            return
        time.sleep(0.5)
    raise RuntimeError(f"the node of the cluster is not idle but {states}: {answer.stderr}")


def _free_ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports
