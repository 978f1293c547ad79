"""Tables with a row for each distance: their products with queries or keys, and their spread over pairs.

Farther keys share a table's last row; what stands for keys after the query is meaningless. Positions with gaps look
their rows up. Consecutive ones need not: where rows hold the distances Tk - 1, …, 0, -1, the entry of (i, j) stands in
column Tq - 1 - i + j, so the same memory, cut into rows one shorter, has every entry in its place:

    distances 2, 1, 0, -1 of queries 1 and 2 (Tk = 3)     a b c d | e f g h
    their entries for keys 0, 1, 2                          b c d | e f g

B batch, H heads, K = D // H; Tq queries are the last of Tk keys; n rows in a table.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from embedlab.positions.site import Site

CHUNK = 32  # keys that meet distances together: each meets Tq + CHUNK, of which it needs Tq


def rows_of_queries(q: Tensor, table: Tensor, site: Site) -> Tensor:
    """Return q_i · table[δ(i, j)]: q (B, H, Tq, K), table ([H,] n, K) -> (B, H, Tq, Tk)."""
    Tk, n = len(site.keys), table.size(-2)
    if not site.consecutive:
        return (q @ table.mT).gather(-1, site.distances.clamp(0, n - 1).expand(*q.shape[:2], -1, -1))
    rows = table.index_select(-2, _falling(Tk, -1, n, q.device))  # ([H,] Tk + 1, K)
    heads = "h" * (table.dim() - 2)  # einsum copies no table for each text, as matmul would
    return _shifted(torch.einsum(f"bhik,{heads}nk->bhin", q, rows), Tk)


def add_rows_of_keys(logits: Tensor, k: Tensor, table: Tensor, site: Site) -> Tensor:
    """Return logits (B, H, Tq, Tk) + k_j · table[δ(i, j)]: k (B, H, Tk, K), table ([H,] n, K).

    Consecutive positions go by chunks of C keys, each of which meets Tq + C distances, the nearest first.
    """
    Tq, Tk, n = len(site.queries), len(site.keys), table.size(-2)
    if not site.consecutive:
        index = site.distances.clamp(0, n - 1).T.expand(*k.shape[:2], -1, -1)
        return logits + (k @ table.mT).gather(-1, index).mT
    C = min(CHUNK, Tq)
    ahead = -Tk % C  # what fills up the first chunk
    chunks = F.pad(k, (0, 0, ahead, 0)).view(*k.shape[:2], -1, C, k.size(-1))  # (B, H, chunks, C, K)
    nearest = torch.arange(Tk + ahead - Tq - C + 1, 1 - Tq - C, -C, device=k.device)  # least distance in each chunk
    columns = (nearest[:, None] + torch.arange(Tq + C, device=k.device)).clamp_(0, n - 1)
    rows = table.index_select(-2, columns.flatten()).view(
        *table.shape[:-2], *columns.shape, -1
    )  # ([H,] chunks, Tq + C, K)
    heads = "h" * (table.dim() - 2)
    entries = _shifted(torch.einsum(f"bhcjk,{heads}cnk->bhcjn", chunks, rows), Tq)  # (B, H, chunks, C, Tq)
    entries = entries.permute(0, 1, 4, 2, 3)
    if ahead:
        return logits + entries.flatten(-2)[..., ahead:]
    return (logits.reshape(entries.shape) + entries).flatten(-2)  # without a copy of the entries in this order


def spread_distances(values: Tensor, site: Site) -> Tensor:
    """Return values[δ(i, j)]: values (H, n) -> (H, Tq, Tk), for keys after the query too, whose δ counts as 0."""
    Tq, Tk, n = len(site.queries), len(site.keys), values.size(-1)
    if not site.consecutive:
        return values[:, site.distances.clamp(0, n - 1)]
    row = values.index_select(-1, _falling(Tk, -Tq, n, values.device))  # (H, Tk + Tq)
    return _shifted(row[:, None].expand(-1, Tq, -1).contiguous(), Tk)


def _falling(Tk: int, least: int, n: int, device: torch.device) -> Tensor:
    """Return the rows of the distances Tk - 1, …, `least`: (Tk - least,)."""
    return torch.arange(Tk - 1, least - 1, -1, device=device).clamp_(0, n - 1)


def _shifted(rows: Tensor, width: int) -> Tensor:
    """Return `width` entries of each row from where they stand: (..., R, W) -> (..., R, width), width < W."""
    shift: Callable[..., Tensor] = _Shift.apply
    return shift(rows, width)


class _Shift(torch.autograd.Function):
    """A view; its own gradient is one copy, where autograd's would be one for each step of slicing."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, width: int) -> Tensor:
        ctx.layout = rows.shape, rows.stride()
        return _view(rows, width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        rows = gradient.new_empty_strided(*ctx.layout).zero_()
        _view(rows, gradient.size(-1)).copy_(gradient)
        return rows, None


def _view(rows: Tensor, width: int) -> Tensor:
    """Cut contiguous rows (..., R, W) into rows one shorter, from column R - 1 of the first: (..., R, width)."""
    R, W = rows.shape[-2:]
    return rows.flatten(-2)[..., R - 1 : R - 1 + R * (W - 1)].view(*rows.shape[:-1], W - 1)[..., :width]
