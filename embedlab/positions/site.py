"""Where attention is at work: the positions of the rows and columns at hand, in one layer."""

from typing import NamedTuple

from torch import Tensor


class Site(NamedTuple):
    """The rows and columns of attention at hand, in one layer.

    >>> import torch
    >>> Site(torch.tensor([1, 2]), torch.tensor([0, 1, 2])).distances.tolist()
    [[1, 0, -1], [2, 1, 0]]
    """

    queries: Tensor  # (Tq,) int64, increasing: positions of the rows, the last Tq of the keys
    keys: Tensor  # (Tk,) int64, increasing: positions of the columns, 0 … T-1 by default
    layer: int = 0
    x: Tensor | None = None  # (B, Tk, D), the layer's normed input at the keys

    @property
    def distances(self) -> Tensor:
        """δ = i - j for query i and key j: (Tq, Tk), negative for keys after the query."""
        return distances(self.queries, self.keys)

    @property
    def consecutive(self) -> bool:
        """Whether the keys are known to follow one another without gaps; asked on a CPU alone, to wait for no GPU."""
        if self.keys.device.type != "cpu" or not len(self.keys):
            return False
        return int(self.keys[-1] - self.keys[0]) == len(self.keys) - 1

    def rows(self, start: int, end: int) -> "Site":
        """Return queries start … end - 1 of a site whose queries are its keys, and the keys that they may see."""
        x = None if self.x is None else self.x[:, :end]
        return Site(self.queries[start:end], self.keys[:end], self.layer, x)


def distances(queries: Tensor, keys: Tensor) -> Tensor:
    """Return δ = i - j for query i and key j: (Tq,), (Tk,) -> (Tq, Tk)."""
    return queries[:, None] - keys[None, :]


def square(positions: Tensor, layer: int = 0, x: Tensor | None = None) -> Site:
    """Return the site whose queries and keys are all (T,) `positions`."""
    return Site(positions, positions, layer, x)
