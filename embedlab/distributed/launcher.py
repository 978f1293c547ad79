"""A job on several devices: one process per device, supervised by the process that Hydra runs. Imports no torch.

Lightning's own launcher would start the whole command again (in a sweep: the whole sweep), and hangs if one process
fails.
"""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.distributed.rank_errors import FOLDER, first_error
from embedlab.runs.machine import allowed_threads
from embedlab.runs.signals import handle_signals

FOREIGN = ("SLURM_", "TORCHELASTIC_", "MASTER_", "OMPI_", "PMI_", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK")


def device_count(config: Config) -> int:
    """Return the number of processes that the trainer's settings ask for; 1 without a strategy of several processes.

    Without a strategy Lightning takes ddp for several devices. Raises UserError if a strategy of several processes is
    given and trainer.devices is not a number or a list, or if the strategy would start processes by itself.
    """
    devices, strategy = config.trainer.get("devices"), str(config.trainer.get("strategy") or "auto")
    if own := re.search("_(spawn|fork|notebook)", strategy):
        kind = strategy[: own.start()]
        raise UserError(f"trainer.strategy={strategy} starts processes by itself: give trainer.strategy={kind}")
    if not strategy.startswith(("ddp", "fsdp", "auto")):
        return 1
    if isinstance(devices, list):
        return len(devices)
    if isinstance(devices, int) and devices > 0:
        return devices
    if strategy == "auto":
        return 1  # as many as the machine has: build_trainer refuses it where these are several
    raise UserError(f"trainer.devices={devices} is not a number: give the number of devices, as trainer.devices=2")


def train_in_processes(n: int, folder: Path) -> None:
    """Train the job in `folder` in n processes.

    Raises the error of the process that failed first, a UserError or ProcessFailedError, after all have ended.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    environment |= {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": str(n)}
    environment["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # rank 0 serves the store itself: see worker.serve_store
    environment["OMP_NUM_THREADS"] = str(max(1, allowed_threads() // n))
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "embedlab.distributed.worker", str(folder)]
    received: list[int] = []

    def forward_signal(number: int, frame: Any) -> None:
        received.append(number)
        for rank in ranks:
            rank.send_signal(number)

    ranks: list[subprocess.Popen[bytes]] = []
    with (
        handle_signals(forward_signal),
        TemporaryDirectory() as errors,
        socket.create_server(("127.0.0.1", 0)) as store,
    ):
        environment["MASTER_PORT"] = str(store.getsockname()[1])
        environment |= {FOLDER: errors, "EMBEDLAB_STORE_SOCKET": str(store.fileno())}
        try:
            for i in range(n):
                own = {**environment, "LOCAL_RANK": str(i)}
                # a new session: Ctrl-C reaches it only from here; the pipe on stdin closes when this process ends
                ranks.append(
                    subprocess.Popen(
                        command,
                        env=own,
                        stdin=subprocess.PIPE,
                        start_new_session=True,
                        pass_fds=[store.fileno()] if i == 0 else [],
                    )
                )
            while None in (statuses := [rank.poll() for rank in ranks]) and not any(statuses):
                time.sleep(0.05)
            failed = [status for status in statuses if status]
        finally:
            _stop(ranks, seconds=30 if received else 1)
        first = first_error(Path(errors))
    if received:
        raise SystemExit(128 + received[0])
    if failed:
        if (status := min(failed)) < 0:  # the other errors follow from that one
            raise UserError(f"one of its {n} processes was killed by signal {-status}: the same command resumes it")
        raise first or UserError(f"a process exited with status {failed[0]} and no message")


def _stop(ranks: list[subprocess.Popen[bytes]], seconds: float) -> None:
    """Give running processes so many seconds to end by themselves, then kill them."""
    until = time.monotonic() + seconds
    while any(rank.poll() is None for rank in ranks) and time.monotonic() < until:
        time.sleep(0.05)
    for rank in ranks:
        if rank.poll() is None:
            rank.kill()
        rank.wait()
        assert rank.stdin is not None
        rank.stdin.close()
