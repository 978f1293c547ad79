"""The interface of a positional scheme: a module with up to seven hooks, called where tokens meet positions.

B batch, T window, D model width, H heads, K = D // H. Attention may go by blocks of queries, so the hooks on logits see
rectangles: Tq queries, always the last of the Tk keys at hand, as a `Site` says.
"""

import inspect
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.config.errors import UserError
from embedlab.positions.config import PositionConfig, Shape

HOOKS = ("embed", "mix", "rotate", "bias", "score", "weights", "values")


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


def rows_of_queries(q: Tensor, table: Tensor, site: Site) -> Tensor:
    """Return q_i · table[δ(i, j)]: q (B, H, Tq, K), table ([H,] n, K), rows of distances 0 … n - 1 -> (B, H, Tq, Tk).

    Farther keys share the last row; what stands for keys after the query is meaningless. Consecutive positions need no
    `gather`, whose gradient is slow: with the distances Tk - 1, …, 0, -1 as columns, the entry of (i, j) stands in
    column Tq - 1 - i + j, which is a row of width Tk in the flattened product.
    """
    Tq, Tk, n = len(site.queries), len(site.keys), table.size(-2)
    if not site.consecutive:
        return (q @ table.mT).gather(-1, site.distances.clamp(0, n - 1).expand(*q.shape[:2], -1, -1))
    columns = torch.arange(Tk - 1, -2, -1, device=q.device).clamp(0, n - 1)
    heads = "h" if table.dim() == 3 else ""  # einsum copies no table for each text, as matmul would
    products = torch.einsum(f"bhik,{heads}nk->bhin", q, table[..., columns, :])  # (B, H, Tq, Tk + 1)
    return products.flatten(-2)[..., Tq - 1 : Tq - 1 + Tq * Tk].view(*q.shape[:-1], Tk)


def rows_of_keys(k: Tensor, table: Tensor, site: Site) -> Tensor:
    """Return k_j · table[δ(i, j)]: k (B, H, Tk, K), table as in `rows_of_queries` -> (B, H, Tq, Tk).

    Consecutive positions go by chunks of C keys, each of which meets Tq + C - 1 distances; in a chunk the entry of
    (i, j) stands in row j and column C - 1 - j + i. The fewer keys in a chunk, the fewer products are not needed.
    """
    Tq, Tk, n = len(site.queries), len(site.keys), table.size(-2)
    if not site.consecutive:
        index = site.distances.clamp(0, n - 1).T.expand(*k.shape[:2], -1, -1)
        return (k @ table.mT).gather(-1, index).mT
    C = min(16, Tq)
    ahead = -Tk % C  # what fills up the first chunk
    chunks = F.pad(k, (0, 0, ahead, 0)).view(*k.shape[:2], -1, C, k.size(-1))  # (B, H, chunks, C, K)
    nearest = torch.arange(Tk + ahead - Tq - C + 1, 1 - Tq - C, -C, device=k.device)  # least distance in each chunk
    columns = (nearest[:, None] + torch.arange(Tq + C, device=k.device)).clamp(0, n - 1)
    heads = "h" if table.dim() == 3 else ""
    products = torch.einsum(f"bhcjk,{heads}cnk->bhcjn", chunks, table[..., columns, :])  # (B, H, chunks, C, Tq + C)
    rows = products.flatten(-2)[..., C - 1 : C - 1 + C * (Tq + C - 1)]
    shifted = rows.view(*rows.shape[:-1], C, -1)[..., :Tq]
    return shifted.permute(0, 1, 4, 2, 3).flatten(-2)[..., ahead:]


class Scheme(nn.Module):
    """Base class: override only the hooks that the scheme needs; with none overridden this is NoPE.

    A scheme draws its initial parameters from torch's global generator; the model seeds that generator separately for
    it, so that the token table and the head start the same under every scheme.
    """

    max_context_length: int | None = None  # longest context that it is defined for, in tokens; None: any
    beyond = "defined for any context length"  # what it does past the trained window, as a phrase for messages

    def __init__(self, config: PositionConfig, shape: Shape) -> None:
        super().__init__()
        self.config = config
        self.shape = shape

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check the hooks' signatures. Raises UserError if one is not as `Scheme` declares it."""
        super().__init_subclass__(**kwargs)
        for hook in HOOKS:
            if hook in vars(cls):
                _check_signature(cls, hook)

    def embed(self, x: Tensor, site: Site) -> Tensor:
        """Return x (B, T, D) with positions added; called once, at the input."""
        return x

    def mix(self, x: Tensor, site: Site) -> Tensor:
        """Return the layer's normed input x (B, T, D) from which queries, keys and values are computed."""
        return x

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        """Return q and k (B, H, T, K) as they enter the dot product, which may be wider than K.

        Called once, with all T queries and keys; the product is divided by √K, whatever the new width.
        """
        return q, k

    def bias(self, site: Site) -> Tensor:
        """Return (H, Tq, Tk) to add to the scaled logits; entries for keys after the query are ignored."""
        raise NotImplementedError

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        """Return the logits (B, H, Tq, Tk) to use instead of `logits`.

        q (B, H, Tq, K) and k (B, H, Tk, K) are rotated if the scheme rotates; logits are q·k/√K plus the bias, -inf for
        keys after the query, and are masked again afterwards.
        """
        return logits

    def weights(self, logits: Tensor, site: Site) -> Tensor:
        """Return weights (B, H, Tq, Tk) for masked logits of that shape."""
        return logits.softmax(-1)

    def values(self, weights: Tensor, v: Tensor, site: Site) -> Tensor:
        """Combine weights (B, H, Tq, Tk) and v (B, H, Tk, K) into (B, H, Tq, K)."""
        return weights @ v

    def locate(self, site: Site) -> Site:
        """Return the site whose positions the hooks of its layer work with; called before attention goes by blocks."""
        return site

    def at_step(self, step: int) -> None:
        """Prepare for training step `step` (0, 1, …); called before each, for schemes that change during training."""

    @property
    def settled(self) -> bool:
        """Whether training has finished changing the scheme; weights from before that do not represent it."""
        return True

    def hooks(self, layer: int = 0) -> frozenset[str]:
        """Return the names of the hooks that act in this layer; attention takes the fastest path that they allow."""
        return frozenset(hook for hook in HOOKS if getattr(type(self), hook) is not getattr(Scheme, hook))

    def table(self) -> Tensor | None:
        """Return (rows, width) vectors of positions or distances to show in the projector, if the scheme has any."""
        return None

    def table_rows(self) -> list[str]:
        """Return a label for each row of `table`, a word and a number ("distance -3")."""
        table = self.table()
        word = "position" if "embed" in self.hooks() else "row"
        return [] if table is None else [f"{word} {row}" for row in range(len(table))]


def _check_signature(cls: type[Scheme], hook: str) -> None:
    """Compare a hook with that of `Scheme`. Raises UserError if it cannot be called as that one."""
    wanted, own = (inspect.signature(getattr(owner, hook)) for owner in (Scheme, cls))
    try:
        own.bind(*wanted.parameters)
        fits = "positions" not in own.parameters  # what `site` was: no tensor now
    except TypeError:
        fits = False
    if not fits:
        raise UserError(
            f"{cls.__name__}.{hook}({', '.join(own.parameters)}) cannot be called: "
            f"define {hook}({', '.join(wanted.parameters)}), where site has queries, keys, layer, x and distances"
        )


class Composed(Scheme):
    """A scheme made of others: passes each hook to the one that serves the layer."""

    def __init__(self, config: PositionConfig, shape: Shape, schemes: list[Scheme]) -> None:
        super().__init__(config, shape)
        self.schemes = nn.ModuleList(schemes)  # so that their parameters are found
        self.inner_schemes = tuple(schemes)
        limits = [scheme.max_context_length for scheme in schemes if scheme.max_context_length is not None]
        self.max_context_length = min(limits, default=None)
        self.beyond = "; ".join(f"{scheme.config.name}: {scheme.beyond}" for scheme in schemes)

    def inner(self, layer: int) -> tuple[Scheme, int]:
        """Return the scheme that serves this layer, and the layer's index among those that it serves."""
        return self.inner_schemes[0], layer

    def embed(self, x: Tensor, site: Site) -> Tensor:
        for scheme in self.inner_schemes:
            x = scheme.embed(x, site)
        return x

    def mix(self, x: Tensor, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.mix(x, site._replace(layer=own))

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        scheme, own = self.inner(site.layer)
        return scheme.rotate(q, k, site._replace(layer=own))

    def bias(self, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.bias(site._replace(layer=own))

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.score(q, k, logits, site._replace(layer=own))

    def weights(self, logits: Tensor, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.weights(logits, site._replace(layer=own))

    def values(self, weights: Tensor, v: Tensor, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.values(weights, v, site._replace(layer=own))

    def locate(self, site: Site) -> Site:
        scheme, own = self.inner(site.layer)
        return scheme.locate(site._replace(layer=own))._replace(layer=site.layer)

    def at_step(self, step: int) -> None:
        for scheme in self.inner_schemes:
            scheme.at_step(step)

    @property
    def settled(self) -> bool:
        return all(scheme.settled for scheme in self.inner_schemes)

    def hooks(self, layer: int = 0) -> frozenset[str]:
        scheme, own = self.inner(layer)
        at_input = any("embed" in scheme.hooks() for scheme in self.inner_schemes)
        return scheme.hooks(own) | (frozenset({"embed"}) if at_input else frozenset())

    def table(self) -> Tensor | None:
        tables = (scheme.table() for scheme in self.inner_schemes)
        return next((table for table in tables if table is not None), None)
