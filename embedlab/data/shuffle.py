"""Shuffled order in constant memory, as a function of (seed, epoch) alone: the same for every model and every scheme.

The permutation is a Feistel network with cycle walking (Black and Rogaway 2002, "Ciphers with Arbitrary Finite
Domains"): a position is encrypted within the least power of four that holds n, until it falls below n. The round
function is the finaliser of SplitMix64 (Steele et al. 2014, "Fast Splittable Pseudorandom Number Generators").
"""

from collections.abc import Iterator

import numpy as np

from embedlab.config.errors import UserError

ROUNDS = 8
BLOCK = 1 << 14  # windows


class Permutation:
    """A pseudo-random order of 0 … n - 1 that is never stored; `set_epoch` picks another one.

    Lightning finds it as its batch sampler's `sampler` and calls `set_epoch` when an epoch starts.
    """

    def __init__(self, n: int, seed: int) -> None:
        assert 0 < n < 2**62, n
        self.n = n
        self.seed = seed
        self.half = np.uint64(max(1, ((n - 1).bit_length() + 1) // 2))  # bits in each half
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.keys = np.random.SeedSequence([self.seed, epoch]).generate_state(ROUNDS, np.uint64)

    def __len__(self) -> int:
        return self.n

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """What stands at the positions (any shape, 0 to n - 1) of the order; int64."""
        x = self._encrypt(np.asarray(positions, dtype=np.uint64).ravel())
        while (outside := x >= self.n).any():  # fewer than 3 in 4 at a time
            x[outside] = self._encrypt(x[outside])
        return x.astype(np.int64).reshape(np.shape(positions))

    def _encrypt(self, x: np.ndarray) -> np.ndarray:
        mask = (np.uint64(1) << self.half) - np.uint64(1)
        left, right = x >> self.half, x & mask
        for key in self.keys:
            left, right = right, left ^ (_mixed(right ^ key) & mask)
        return (left << self.half) | right


def _mixed(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class ShuffledBatches:
    """Batch sampler: each epoch visits n windows in the order of `Permutation`, batch_size at a time.

    batch_size counts the windows of all devices together; this one takes its equal share of each batch, so that the
    shares of all devices are the very batch that one device alone would get. The last incomplete batch is dropped;
    where there are fewer windows than one batch, all of them (as many as share out evenly) are the batch.
    Raises UserError for a batch that cannot be shared.
    """

    def __init__(self, n: int, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        if batch_size % world_size:
            raise UserError(
                f"data.batch_size={batch_size} cannot be shared evenly by {world_size} devices: give a multiple"
            )
        if n < world_size:
            raise UserError(
                f"the training text has {n} windows for {world_size} devices: "
                "give more text, a smaller data.stride or data.context_length, or fewer devices"
            )
        self.sampler = Permutation(n, seed)
        self.batch_size = min(batch_size, n - n % world_size)
        self.rank = rank
        self.world_size = world_size
        self.first = 0  # the batch that the next pass starts with, then 0 again

    def __len__(self) -> int:
        return self.sampler.n // self.batch_size

    def set_epoch(self, epoch: int) -> None:
        self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        first, self.first = self.first, 0
        share = self.batch_size // self.world_size
        block = max(1, BLOCK // self.batch_size)  # batches whose order is made at once: a call costs more than a number
        for batch in range(first, len(self), block):
            places = np.arange(batch, min(batch + block, len(self)))[:, None] * self.batch_size  # (batches, 1)
            places = places + np.arange(self.rank * share, (self.rank + 1) * share)  # (batches, share)
            yield from self.sampler(places).tolist()
