"""How much attention goes how far back. B batch, H heads, T window, L trained window."""

from typing import Any

import torch
from torch import Tensor

from embedlab.evaluation.loss import evaluating
from embedlab.model.attention import attend
from embedlab.model.blocks import Attention, AttentionHead
from embedlab.model.embeddings import LanguageModel
from embedlab.positions.base import Scheme


class _WithoutValues:
    """A scheme that leaves the values alone, so that identity values show the weights themselves."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme

    def hooks(self, layer: int = 0) -> frozenset[str]:
        return self.scheme.hooks(layer) - {"values"}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scheme, name)


@torch.no_grad()
def attention_by_distance(model: LanguageModel, ids: Tensor) -> Tensor | None:
    """ids (B, T) -> (layers, H, T): mean weight that a query gives the key 0 … T-1 tokens back.

    The mean is over the queries that have such a key, in all windows. None for a head without attention.
    """
    if not isinstance(model.head, AttentionHead):
        return None
    curves: list[Tensor] = []

    def look(attention: Attention, inputs: tuple[Tensor, Scheme, Tensor]) -> None:
        weights = attention_weights(attention, *inputs).mean(0)  # (H, T, T)
        diagonals = [weights.diagonal(-distance, 1, 2).mean(-1) for distance in range(weights.size(-1))]  # each (H,)
        curves.append(torch.stack(diagonals, dim=-1))

    layers = [module for module in model.head.modules() if isinstance(module, Attention)]
    handles = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        with evaluating(model):
            model(ids)
    finally:  # a hook left behind would fail in every later evaluation
        for handle in handles:
            handle.remove()
    return torch.stack(curves).float().cpu()


def attention_weights(attention: Attention, x: Tensor, scheme: Scheme, positions: Tensor) -> Tensor:
    """x (B, T, D), the layer's normed input -> (B, H, T, T): the softmax's own weights."""
    B, T, _ = x.size()
    H = attention.n_heads
    q, k, _ = attention.qkv(x).view(B, T, 3, H, -1).permute(2, 0, 3, 1, 4)
    one_hot = torch.eye(T, device=x.device, dtype=q.dtype).expand(B, H, T, T)
    looked_at: Any = _WithoutValues(scheme)
    return attend(looked_at, q, k, one_hot, x, attention.layer, positions, exact=True)
