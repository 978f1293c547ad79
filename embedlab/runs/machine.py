"""Cores and memory that this process may use. Imports no torch."""

import os
from contextlib import suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
CPUS = Path("/sys/devices/system/cpu")


def available_cores() -> int:
    """Return the cores that this process may use: Slurm's share, the process's affinity, a container's quota."""
    if share := os.environ.get("SLURM_CPUS_PER_TASK"):
        return int(share)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text().split()
        cores = min(cores, max(1, round(int(quota) / int(period))))  # "max" for no quota is a ValueError
    return cores


def physical_cores() -> int:
    """Return the available cores, those that share one core's units (hyper-threads) counted once, as far as known."""
    cores = available_cores()
    with suppress(OSError, AttributeError):  # Linux only
        siblings = {(CPUS / f"cpu{n}/topology/thread_siblings_list").read_text() for n in os.sched_getaffinity(0)}
        cores = min(cores, len(siblings))
    return cores


def allowed_threads() -> int:
    """Return the most threads that a job may use: OMP_NUM_THREADS, which is its share in a sweep, or all cores."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else physical_cores()


def available_memory() -> int | None:
    """Return the bytes that may still be used without swapping; None if the system does not report it (no /proc)."""
    found: list[int] = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024)
    with suppress(OSError, ValueError):
        limit = int((CGROUP / "memory.max").read_text())
        found.append(limit - int((CGROUP / "memory.current").read_text()))
    return min(found, default=None)
