"""Causal attention with the hooks of a positional scheme, called from here alone.

B batch, H heads, T window, K head width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.positions.base import Scheme


def attend(
    scheme: Scheme,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    x: Tensor | None = None,
    layer: int = 0,
    positions: Tensor | None = None,
    *,
    exact: bool = False,
) -> Tensor:
    """Compute causal attention with the scheme's hooks: q, k, v (B, H, T, K) -> (B, H, T, K).

    PyTorch's fused attention serves schemes without hooks, with `rotate` and with `bias`. Explicit logits are computed
    only if `score` or `values` needs them, if a learned bias trains on a CPU (its fused kernel gives a bias no gradient
    and falls back to slower explicit logits), or with `exact` (tests). x (B, T, D) is the layer's normed input, for
    schemes that read it.
    """
    T, K = q.shape[-2:]
    if positions is None:
        positions = torch.arange(T, device=q.device)
    hooks = scheme.hooks(layer)
    if "rotate" in hooks:
        q, k = scheme.rotate(q, k, positions, layer)
    bias = scheme.bias(positions, layer).to(q.dtype) if "bias" in hooks else None  # (H, T, T)
    future = torch.ones(T, T, dtype=torch.bool, device=q.device).triu(1)

    trains_bias_on_cpu = bias is not None and bias.requires_grad and bias.device.type == "cpu"
    if not exact and not hooks & {"score", "values"} and not trains_bias_on_cpu:
        mask = None if bias is None else bias.masked_fill(future, -torch.inf).expand(q.size(0), -1, -1, -1)  # no copy
        wider = q.size(-1) - K  # the fused kernels need v as wide as q and k, which a scheme may widen
        v = F.pad(v, (0, wider)) if wider else v
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, scale=K**-0.5)
        return out[..., :K]

    logits = (q * K**-0.5) @ k.transpose(-2, -1)  # (B, H, T, T)
    if bias is not None:
        logits = logits + bias.masked_fill(future, -torch.inf)
    else:
        logits = logits.masked_fill(future, -torch.inf)
    if "score" in hooks:
        logits = scheme.score(q, k, x, logits, positions, layer).masked_fill(future, -torch.inf)
    weights = logits.softmax(-1)
    return scheme.values(weights, v, positions, layer) if "values" in hooks else weights @ v
