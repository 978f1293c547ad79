"""Causal attention with the hooks of a positional scheme, called from here alone.

B batch, H heads, T window, K head width; Tq queries of a block, Tk keys up to its end.

Explicit attention goes by blocks of queries, which see only the keys up to their end: half of the products, in a
working set that fits a cache. The last block comes first, so that memory freed by a block is large enough for the next.
CPU milliseconds of a training step at T = 1,024 (4,096 tokens, width 64, 2 layers, 4 heads, one thread; with fused
attention and no positions 100), in blocks, and all at once as before, which also looked up what is now shifted:

              blocks     all
    fire         230    1360
    shaw         258    1411
    path         680    5894
    cope         719    3770

For shaw, bert_relative and deberta, blocks of 48, 96 and 128 queries take as long as those of 64 to within a tenth.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.positions.base import Scheme
from embedlab.positions.site import Site, square

BLOCK = 64  # queries in a block of explicit attention
EXPLICIT = {"score", "weights", "values"}  # hooks that need the logits or weights themselves


def attend(
    scheme: Scheme,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    x: Tensor | None = None,
    layer: int = 0,
    positions: Tensor | None = None,
    *,
    last: int | None = None,
    exact: bool = False,
) -> Tensor:
    """Compute causal attention with the scheme's hooks: q, k, v (B, H, T, K) -> (B, H, T, K).

    With `last`, only the last so many queries are computed: (B, H, last, K).

    PyTorch's fused attention serves schemes without hooks, with `rotate` and with `bias` (`mix` and `embed` act
    elsewhere). Explicit logits are computed only if another hook needs them, if a learned bias trains on a CPU (its
    fused kernel gives a bias no gradient and falls back to slower explicit logits), or with `exact` (tests), which
    computes them all at once. x (B, T, D) is the layer's normed input, for schemes that read it.
    """
    T, scale = q.size(-2), q.size(-1) ** -0.5  # a scheme may widen q and k: the scale stays
    if positions is None:
        positions = torch.arange(T, device=q.device)
    hooks = scheme.hooks(layer)
    site = scheme.locate(square(positions, layer, x))
    if "rotate" in hooks:
        q, k = scheme.rotate(q, k, site)
    first = 0 if last is None else T - last
    if exact:
        return _attend_explicitly(scheme, hooks, q[:, :, first:], k, v, site.rows(first, T), scale)
    if not hooks & EXPLICIT and not ("bias" in hooks and q.device.type == "cpu" and _trains_bias(scheme, site)):
        return _attend_fused(scheme, hooks, q[:, :, first:], k, v, site.rows(first, T), scale)
    blocks, end = [], T
    for rows in reversed(torch.split(q[:, :, first:], BLOCK, dim=-2)):
        k, v = k[:, :, :end], v[:, :, :end]  # of the slice before: its gradient is no longer than that
        start = end - rows.size(-2)
        blocks.append(_attend_explicitly(scheme, hooks, rows, k, v, site.rows(start, end), scale))
        end = start
    return torch.cat(blocks[::-1], dim=-2)


def _trains_bias(scheme: Scheme, site: Site) -> bool:
    """Return whether the bias needs a gradient, from its last row alone."""
    last = site._replace(queries=site.queries[-1:])
    return torch.is_grad_enabled() and scheme.bias(last).requires_grad


def _attend_fused(
    scheme: Scheme, hooks: frozenset[str], q: Tensor, k: Tensor, v: Tensor, site: Site, scale: float
) -> Tensor:
    K, every_query = v.size(-1), q.size(-2) == k.size(-2)
    mask = None if every_query else ~_future(site)  # PyTorch's is_causal would take the first queries for the last
    if "bias" in hooks:
        bias = scheme.bias(site).to(q.dtype).masked_fill(_future(site), -torch.inf)
        mask = bias.expand(q.size(0), -1, -1, -1)  # no copy
    wider = max(q.size(-1) - K, 0)  # the fused kernels need v as wide as q and k, which a scheme may widen
    v = F.pad(v, (0, wider)) if wider else v
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale)
    return out[..., :K]


def _attend_explicitly(
    scheme: Scheme, hooks: frozenset[str], q: Tensor, k: Tensor, v: Tensor, site: Site, scale: float
) -> Tensor:
    """Attend from q (B, H, Tq, any width) to k (B, H, Tk, the same) and v (B, H, Tk, K): (B, H, Tq, K)."""
    future = _future(site)
    added = torch.zeros_like(future, dtype=q.dtype)
    if "bias" in hooks:
        added = scheme.bias(site).to(q.dtype)
    added = added.masked_fill(future, -torch.inf).expand(*q.shape[:2], -1, -1)  # (B, H, Tq, Tk), no copy
    scaled = q * scale
    logits = torch.baddbmm(added.flatten(0, 1), scaled.flatten(0, 1), k.flatten(0, 1).mT).view(added.shape)
    if "score" in hooks:
        logits = _mask_future(scheme.score(q, k, logits, site).expand_as(logits))
    weights = (scheme.weights(logits, site) if "weights" in hooks else logits.softmax(-1)).to(v.dtype)
    return scheme.values(weights, v, site) if "values" in hooks else weights @ v


def _mask_future(logits: Tensor) -> Tensor:
    """Return a copy of logits (B, H, Tq, Tk) that is -inf for keys after the query."""
    Tq = logits.size(-2)
    logits = logits.clone()
    future = torch.ones(Tq, Tq, dtype=torch.bool, device=logits.device).triu(1)
    logits[..., -Tq:].masked_fill_(future, -torch.inf)  # the last Tq keys alone can come after
    return logits


def _future(site: Site) -> Tensor:
    """Return whether a key comes after the query: (Tq, Tk)."""
    Tq, Tk = len(site.queries), len(site.keys)
    return torch.ones(Tq, Tk, dtype=torch.bool, device=site.keys.device).triu(Tk - Tq + 1)
