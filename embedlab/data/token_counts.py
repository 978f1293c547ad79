"""Counts of tokens in a text."""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
CHUNK = 1 << 20  # tokens


def count_tokens(ids: NDArray[np.integer], vocab_size: int = 0) -> Ids:
    """Return how often each id occurs: (V,), V being vocab_size or, if more, the largest id plus one.

    Reads a memory-mapped corpus in chunks, because numpy copies what it counts to int64.
    """
    counts = np.zeros(vocab_size, dtype=np.int64)
    for start in range(0, len(ids), CHUNK):
        found = np.bincount(ids[start : start + CHUNK], minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    return counts


def most_frequent_first(counts: Ids, *, unseen: bool) -> Ids:
    """Return token ids in descending order of count, equal counts by id; ids that never occur only if `unseen`."""
    order = np.argsort(-counts, kind="stable")
    return order if unseen else order[: np.count_nonzero(counts)]
