"""The number of CPU threads of a job: its speed and the last digits of its results depend on it."""

import logging
import os

import torch

from embedlab.config.tree import Config

log = logging.getLogger("embedlab")
LARGE_TABLE = 2**22  # parameters of a token table; from here on a second thread makes training faster


def set_threads(config: Config, table_size: int) -> None:
    """Use config.threads; if null, one thread for a small model: faster, and the same bits everywhere."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    elif table_size < LARGE_TABLE:
        torch.set_num_threads(1)
    elif (threads := torch.get_num_threads()) < (cores := os.cpu_count() or 1):
        log.info(
            "threads: this job has %d of %d cores, so its last digits differ from those of a job that has all; "
            "threads=1 makes them the same everywhere",
            threads,
            cores,
        )
