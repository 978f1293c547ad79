"""Random streams: no two coincide, whatever the seeds; each is the same again."""

import random
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
import torch

from embedlab.runs.random_streams import (
    Stream,
    numpy_generator,
    seed_global_generators,
    seed_sequence,
    torch_draws_from,
    torch_generator,
    torch_seed,
)

STREAMS: tuple[Stream, ...] = get_args(Stream)
INDICES: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,), (3,))  # epochs, ranks, steps


def all_streams() -> Iterator[tuple[int, Stream, tuple[int, ...]]]:
    for seed in range(100):
        for stream in STREAMS:
            for index in INDICES:
                yield seed, stream, index


def test_no_two_streams_of_the_seeds_0_to_99_coincide() -> None:
    hashes = [tuple(seed_sequence(s, name, *i).generate_state(4)) for s, name, i in all_streams()]
    assert len(hashes) == 100 * len(STREAMS) * len(INDICES) == len(set(hashes))
    # what PyTorch's generator on the CPU keeps of a seed
    assert len({torch_seed(s, name, *i) % 2**32 for s, name, i in all_streams()}) == len(hashes)


def test_pytorch_keeps_32_bits_of_a_seed() -> None:
    first, second = (torch.rand(3, generator=torch.Generator().manual_seed(5 + high)) for high in (0, 7 << 32))
    assert torch.equal(first, second)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_is_the_same_again(stream: Stream) -> None:
    assert numpy_generator(3, stream, 2).random() == numpy_generator(3, stream, 2).random()
    first, second = (torch.rand(3, generator=torch_generator(3, stream, 2)) for _ in range(2))
    assert torch.equal(first, second)


def test_names_and_indices_cannot_be_confused() -> None:
    """The name ends where the index begins: ord("r") after "orde" is not "order"."""
    spelled = np.random.SeedSequence(1, spawn_key=(*b"orde", 0, ord("r")))
    named = seed_sequence(1, "order"), seed_sequence(1, "order", 0), seed_sequence(1, "order", 0, 0), spelled
    assert len({tuple(sequence.generate_state(4)) for sequence in named}) == 4


def test_drawing_from_a_stream_leaves_the_global_generator_as_it_was() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with torch_draws_from(1, "head"):
        inside = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(inside, torch.rand(3, generator=torch_generator(1, "head")))


def test_global_generators_differ_from_each_other_and_between_ranks() -> None:
    drawn = []
    for rank in (0, 1, 0):
        seed_global_generators(1, "dropout", rank)
        drawn.append((random.random(), float(np.random.random()), float(torch.rand((), dtype=torch.float64))))
    assert drawn[0] == drawn[2]
    assert len({*drawn[0], *drawn[1]}) == 6
