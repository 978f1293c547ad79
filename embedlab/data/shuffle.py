"""A shuffled order in constant memory, a function of (seed, epoch) alone: the same for every model and scheme.

The permutation is a Feistel network with cycle walking (Black and Rogaway 2002, "Ciphers with Arbitrary Finite
Domains"): an index is encrypted within the smallest power of four that is n or more, again and again until the result
is below n. The round function is the finaliser of SplitMix64 (Steele et al. 2014, "Fast Splittable Pseudorandom Number
Generators").
"""

from collections.abc import Iterator

import numpy as np

from embedlab.config.errors import UserError
from embedlab.runs.random_streams import seed_sequence

ROUNDS = 8
BLOCK = 1 << 14  # windows


class Permutation:
    """A pseudo-random permutation of 0 … n - 1 that is never stored; `set_epoch` selects another one.

    Lightning finds it as its batch sampler's `sampler` and calls `set_epoch` when an epoch starts.
    """

    def __init__(self, n: int, seed: int) -> None:
        assert 0 < n < 2**62, n
        self.n = n
        self.seed = seed
        self.half = np.uint64(max(1, ((n - 1).bit_length() + 1) // 2))  # bits in each half
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Select the permutation of this epoch."""
        self.epoch = epoch
        self.keys = seed_sequence(self.seed, "order", epoch).generate_state(ROUNDS, np.uint64)

    def __len__(self) -> int:
        return self.n

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        """Return the permuted indices, int64; `indices` has any shape and lies in 0 … n - 1."""
        x = self._encrypt(np.asarray(indices, dtype=np.uint64).ravel())
        while (outside := x >= self.n).any():  # at most 3 of 4 each time
            x[outside] = self._encrypt(x[outside])
        permuted: np.ndarray = x.astype(np.int64).reshape(np.shape(indices))
        return permuted

    def _encrypt(self, x: np.ndarray) -> np.ndarray:
        mask = (np.uint64(1) << self.half) - np.uint64(1)
        left, right = x >> self.half, x & mask
        for key in self.keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        joined: np.ndarray = (left << self.half) | right
        return joined


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = x ^ (x >> np.uint64(31))
    return mixed


class ShuffledBatches:
    """Batch sampler that visits n windows in the order of `Permutation`, batch_size at a time.

    batch_size counts the windows of all devices together. Each device takes an equal share of each batch, so that all
    shares together are the batch that one device alone would get. The last incomplete batch is dropped. If there
    are fewer windows than one batch, the batch is all of them (as many as can be shared evenly).
    Raises UserError if a batch cannot be shared evenly.
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
        self.first = 0  # the batch that the next pass starts with; later passes start with 0

    def __len__(self) -> int:
        return self.sampler.n // self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Select the order of this epoch."""
        self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        first, self.first = self.first, 0
        share = self.batch_size // self.world_size
        block = max(1, BLOCK // self.batch_size)  # batches ordered in one call, because a call costs more than an index
        for batch in range(first, len(self), block):
            indices = np.arange(batch, min(batch + block, len(self)))[:, None] * self.batch_size  # (batches, 1)
            indices = indices + np.arange(self.rank * share, (self.rank + 1) * share)  # (batches, share)
            yield from self.sampler(indices).tolist()
