"""Which vectors lie nearest to a vector, by cosine."""

import numpy as np
from numpy.typing import NDArray


def nearest(vectors: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """For each of `rows` the k other rows of `vectors` (N, D) with the highest cosine, best first: (len(rows), k).

    A vector of zeros has cosine 0 with all. k is cut to N - 1. Cosines exist for 256 rows at once, not for all.
    """
    k = min(k, len(vectors) - 1)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    found = np.empty((len(rows), k), dtype=np.int64)
    if k < 1:
        return found
    for start in range(0, len(rows), 256):
        chunk = rows[start : start + 256]
        cosines = unit[chunk] @ unit.T  # (256, N)
        cosines[np.arange(len(chunk)), chunk] = -np.inf  # not itself
        best = np.argpartition(cosines, -k, axis=1)[:, -k:]  # the k best in any order
        order = np.take_along_axis(cosines, best, axis=1).argsort(axis=1)[:, ::-1]
        found[start : start + 256] = np.take_along_axis(best, order, axis=1)
    return found
