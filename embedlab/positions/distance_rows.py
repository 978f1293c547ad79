"""Products of queries or keys with a table that has a row for each distance, by shifts instead of lookups."""

import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.positions.site import Site


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
