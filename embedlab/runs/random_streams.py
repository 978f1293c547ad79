"""Random streams: each is a function of the run's seed and its name, so that no two share their numbers.

Plain arithmetic on seeds does not achieve that: with the table drawn from seed s and the scheme from s + 1, the
learned positions of seed 1 are the first rows of seed 2's token table. NumPy's `SeedSequence` hashes seed, name and
index (after O'Neill 2015, "Developing a seed_seq Alternative to the C++11 Standard").

PyTorch's generator on a CPU keeps only the lowest 32 bits of its seed, so of 4 billion pairs of its streams one
coincides by chance; NumPy's generators keep 128 bits.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

Stream = Literal[
    "table",  # the token table
    "head",  # the head's initial parameters
    "scheme",  # the scheme's initial parameters
    "order",  # of the training windows; index: epoch
    "dropout",  # and whatever else draws from the global generators in training; index: rank
    "randomized",  # positions of the scheme `randomized`; index: 1 + training step, 0 in evaluation
    "start",  # the global generators before training: nothing of embedlab draws from them
    "workers",  # seeds of the loaders' processes, which draw nothing today
    "shuffled context",  # evaluation of order sensitivity
    "continuations",  # texts for TensorBoard
    "umap",  # a view for TensorBoard
]
VERSION = 1  # increased when a stream changes: no run may resume with other numbers than it began with
EVERY_RUN = 0  # seed of measurements and views, which are the same for every seed so that only the models differ


def seed_sequence(seed: int, stream: Stream, *index: int) -> np.random.SeedSequence:
    """Return the source of the stream's numbers; `index` tells apart its parts, such as epochs."""
    return np.random.SeedSequence(seed, spawn_key=(*stream.encode(), 0, *index))


def torch_seed(seed: int, stream: Stream, *index: int) -> int:
    """Return a seed for a generator of PyTorch."""
    return int(seed_sequence(seed, stream, *index).generate_state(1, np.uint64)[0])


def torch_generator(seed: int, stream: Stream, *index: int) -> torch.Generator:
    """Return a generator of PyTorch, on the CPU."""
    return torch.Generator().manual_seed(torch_seed(seed, stream, *index))


def numpy_generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """Return a generator of NumPy."""
    return np.random.default_rng(seed_sequence(seed, stream, *index))


@contextmanager
def torch_draws_from(seed: int, stream: Stream) -> Iterator[None]:
    """Let PyTorch's global generator on the CPU be the stream's; afterwards it continues as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, stream))
        yield


def seed_global_generators(seed: int, stream: Stream, *index: int) -> None:
    """Seed the global generators of PyTorch, NumPy and Python, each differently."""
    for_numpy, for_python = seed_sequence(seed, stream, *index).spawn(2)
    torch.manual_seed(torch_seed(seed, stream, *index))
    np.random.seed(for_numpy.generate_state(4))
    random.seed(int(for_python.generate_state(1, np.uint64)[0]))
