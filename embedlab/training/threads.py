"""The number of CPU threads of a job: its speed and the last digits of its results depend on it.

threads=null takes threads as long as one more shortens a training step by a twentieth. A step of W billion
multiply-adds (3 products for each parameter and token: forward, and gradients of inputs and weights) takes about

    10 ms + 25 ms · W / n    on n threads,

so W = 0.05, 0.35, 1.3, 5, 20 gives 2, 4, 7, 11, 15 threads, and never more than the physical cores, or the job's share
of them in a sweep. The formula fits what was measured on two quiet cores with 257 tokens, 2 layers and 1,024 tokens a
batch: width 64, 128, 256 took 21, 47, 129 ms on one thread and 16, 28, 72 ms on two. More than two were not measured.

Two threads were this many times as fast as one, on the same cores while other programs used them (so less was gained):

| vocabulary | width 64 | 128  | 256  | 512  |
|-----------:|---------:|-----:|-----:|-----:|
|        257 |     1.23 | 1.42 | 1.42 | 1.51 |
|      2,048 |     1.30 | 1.39 | 1.44 | 1.52 |
|      4,096 |     1.19 | 1.36 | 1.47 | 1.63 |
|     50,257 |     1.68 | 1.60 | 1.54 | 1.61 |

threads=1 gives the same bits everywhere. A resumed run keeps the number that it began with.
"""

import logging

import torch

from embedlab.config.tree import Config
from embedlab.runs.machine import allowed_threads

log = logging.getLogger("embedlab")
FIXED = 0.010  # seconds of a step that no thread shortens
PER_MULTIPLY_ADD = 25e-12  # seconds of one thread
LEAST_GAIN = 0.05  # share of a step's time that a further thread must save


def choose_threads(multiply_adds: float, most: int) -> int:
    """Return the number of threads, 1 to `most`, for training steps of so many multiply-adds."""

    def seconds(threads: int) -> float:
        return FIXED + PER_MULTIPLY_ADD * multiply_adds / threads

    threads = 1
    while threads < most and seconds(threads + 1) <= (1 - LEAST_GAIN) * seconds(threads):
        threads += 1
    return threads


def set_threads(config: Config, parameters: int) -> None:
    """Use config.threads; if null, as many as the model of so many parameters gains from."""
    threads = config.threads
    if threads is None:
        tokens = config.data.batch_size * config.data.context_length
        threads = choose_threads(3 * parameters * tokens, allowed_threads())
        if threads > 1:
            log.info("threads: %d; with threads=1 the last digits are the same on every machine", threads)
    torch.set_num_threads(threads)


def keep_threads(threads: int) -> None:
    """Use the number that a resumed run began with: another one would change the last digits."""
    if threads != (now := torch.get_num_threads()):
        log.info("threads: %d, as the run began with, instead of %d", threads, now)
        torch.set_num_threads(threads)
