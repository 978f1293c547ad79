"""Cross-entropy of next tokens without all logits in memory at once.

N tokens, D model width, V vocabulary. With V = 50,257 the logits (N, V) and their gradient are nearly all the memory
and much of the time of a tiny model. Here rows are processed in chunks, and each chunk's gradient is computed while
its logits exist; the backward pass only scales it. The value and the gradient are exact.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

SMALLEST_PROBABILITY = 1e-30  # float32 loses digits below 1e-38


def chunked_cross_entropy(hidden: Tensor, table: Tensor, targets: Tensor, chunk: int) -> Tensor:
    """Return the mean over N of -log softmax(hidden @ table.T)[targets], in nats: F.cross_entropy in chunks of rows.

    hidden (N, D), table (V, D), targets (N,) int64; at most (chunk, V) logits exist at once.
    """
    if torch.is_grad_enabled() and (hidden.requires_grad or table.requires_grad):
        apply: Callable[..., Tensor] = _ChunkedCrossEntropy.apply
        return apply(hidden, table, targets, chunk)
    return token_losses(hidden, table, targets, chunk).mean()


def token_losses(hidden: Tensor, table: Tensor, targets: Tensor, chunk: int) -> Tensor:
    """Return (N,) losses in nats, one for each token, without gradient; arguments as in `chunked_cross_entropy`."""
    with torch.no_grad():
        rows = zip(torch.split(hidden, chunk), torch.split(targets, chunk), strict=True)
        return torch.cat([_softmax(x, table, y)[0] for x, y in rows])


def _softmax(rows: Tensor, table: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses (n,) and the softmax (n, V), in the logits' memory, which saves most of its time at large V.

    In float32 or wider: sums of bfloat16 exponentials would be too coarse for a loss.
    """
    logits = rows @ table.T.to(rows.dtype)  # (n, V)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    weights = torch.softmax(logits, -1, out=logits)
    probability = weights.gather(-1, targets[:, None]).squeeze(-1)  # (n,)
    losses = -probability.log()
    inexact = probability < SMALLEST_PROBABILITY
    if inexact.any():  # their logits are overwritten: compute them again
        again = rows[inexact] @ table.T.to(rows.dtype)
        losses[inexact] = F.cross_entropy(again.to(losses.dtype), targets[inexact], reduction="none")
    return losses, weights


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor, chunk: int) -> Tensor:
        N = hidden.size(0)
        want_hidden, want_table = ctx.needs_input_grad[:2]
        d_hidden = torch.empty_like(hidden) if want_hidden else None
        d_table = torch.zeros_like(table) if want_table else None
        total = hidden.new_zeros((), dtype=torch.float64)
        for start in range(0, N, chunk):
            rows, y = hidden[start : start + chunk], targets[start : start + chunk]
            losses, weights = _softmax(rows, table, y)
            total += losses.sum()
            d_logits = weights.scatter_add_(-1, y[:, None], -torch.ones_like(losses)[:, None])  # times N
            d_logits = d_logits.to(hidden.dtype)
            if d_hidden is not None:
                d_hidden[start : start + chunk] = (d_logits @ table.to(hidden.dtype)).div_(N)
            if d_table is not None:
                _add_product(d_table, d_logits, rows, 1 / N)
        ctx.save_for_backward(d_hidden, d_table)
        return (total / N).to(torch.promote_types(hidden.dtype, torch.float32))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        d_hidden, d_table = ctx.saved_tensors
        scale = d_loss.item()
        if scale != 1:  # a plain .backward() needs no pass over the table's gradient
            d_hidden = None if d_hidden is None else d_hidden * scale
            d_table = None if d_table is None else d_table * scale
        return d_hidden, d_table, None, None


def _add_product(total: Tensor, d_logits: Tensor, rows: Tensor, scale: float) -> None:
    """Add scale · d_logits.T (V, n) @ rows (n, D) to total (V, D), without a second (V, D) if the types allow it."""
    if total.dtype == rows.dtype:
        total.addmm_(d_logits.T, rows, alpha=scale)
    else:
        total.add_(d_logits.T @ rows, alpha=scale)
