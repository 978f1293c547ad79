"""How many CPU threads a job computes with: its speed depends on it, and the last digits of its numbers."""

import logging
import os

import torch

from embedlab.config.tree import Config

log = logging.getLogger("embedlab")
LARGE_TABLE = 2**22  # numbers in a token table from where a second thread pays


def set_threads(config: Config, table_size: int) -> None:
    """config.threads; null takes one for a small model, which is faster then, and gives the same bits everywhere."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    elif table_size < LARGE_TABLE:
        torch.set_num_threads(1)
    elif (threads := torch.get_num_threads()) < (cores := os.cpu_count() or 1):
        log.info(
            "threads: %d of %d cores are left to this job, so its last digits are not those of a job alone; "
            "threads=1 makes them the same everywhere",
            threads,
            cores,
        )
