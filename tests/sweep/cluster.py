"""Run a Slurm cluster of one node, this machine: its daemons are child processes on free ports, in their own folder."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
CONFIG = """
ClusterName=embedlab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=8
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE
"""


def why_not() -> str | None:
    """Return what this machine lacks to run a cluster; None if it lacks nothing."""
    if missing := [program for program in PROGRAMS if shutil.which(program, path=PLACES) is None]:
        return f"no {missing[0]} here: apt-get install slurm-wlm munge"
    return None if os.getuid() == 0 else "slurmd needs root"


@contextmanager
def running_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start the cluster and yield the environment of Slurm's commands; at the end, cancel its jobs and stop it."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=socket.gethostname().split(".")[0], ports=_free_ports(), folder=folder))
    environment = {"SLURM_CONF": str(config)}
    key = folder / "munge.key"
    subprocess.run([_path("mungekey"), "--create", f"--keyfile={key}"], check=True)
    files = [
        f"--{name}={folder}/munge.{name.split('-')[0]}" for name in ("socket", "pid-file", "log-file", "seed-file")
    ]
    with ExitStack() as ending:
        for name, *arguments in (
            ("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket", *files),
            ("slurmctld", "-D"),
            ("slurmd", "-D"),
        ):
            log = ending.enter_context(open(folder / f"{name}.out", "wb"))
            daemon = subprocess.Popen(
                [_path(name), *arguments], env={**os.environ, **environment}, stdout=log, stderr=log
            )
            ending.callback(_end, daemon)
            if name == "munged":
                until((folder / "munge.socket").exists, 20)
        slurm = lambda *command: _said(environment, *command)  # noqa: E731
        until(lambda: "idle" in slurm("sinfo", "--noheader", "--format=%T"), 60, folder)
        try:
            yield environment
        finally:
            slurm("scancel", "--user=root")
            until(lambda: not slurm("squeue", "--noheader"), 60, folder)


def until(condition: Callable[[], object], seconds: float, logs: Path | None = None) -> None:
    """Wait until the condition holds. Raises TimeoutError, with the ends of the logs, after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            output = {path.name: path.read_text()[-500:] for path in logs.glob("*.out")} if logs else {}
            raise TimeoutError(f"not within {seconds} s {output}")
        time.sleep(0.1)


def _said(environment: dict[str, str], *command: str) -> str:
    ended = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=False)
    return ended.stdout.strip()


def _path(program: str) -> str:
    found = shutil.which(program, path=PLACES)
    assert found is not None
    return found


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        return [int(free.getsockname()[1]) for free in (one, other)]


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
