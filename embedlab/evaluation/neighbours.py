"""Nearest neighbours of vectors by cosine."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Nearest(NamedTuple):
    """The nearest rows of each queried row, best first."""

    rows: NDArray[np.int64]  # (queried rows, k)
    cosines: NDArray[np.floating]  # (queried rows, k)


def nearest(vectors: NDArray[np.floating], rows: NDArray[np.int64], k: int) -> Nearest:
    """Find for each of `rows` the k other rows of `vectors` (N, D) with the highest cosine.

    A vector of zeros has cosine 0 with all. k is at most N - 1. To save memory, cosines are computed for 256 rows at a
    time.
    """
    k = min(k, len(vectors) - 1)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    found = Nearest(np.empty((len(rows), k), dtype=np.int64), np.empty((len(rows), k), dtype=unit.dtype))
    if k < 1:
        return found
    for start in range(0, len(rows), 256):
        chunk = rows[start : start + 256]
        cosines = unit[chunk] @ unit.T  # (256, N)
        cosines[np.arange(len(chunk)), chunk] = -np.inf  # not itself
        best = np.argpartition(cosines, -k, axis=1)[:, -k:]  # the k best in any order
        order = np.take_along_axis(cosines, best, axis=1).argsort(axis=1)[:, ::-1]
        best = np.take_along_axis(best, order, axis=1)
        found.rows[start : start + 256] = best
        found.cosines[start : start + 256] = np.take_along_axis(cosines, best, axis=1)
    return found
