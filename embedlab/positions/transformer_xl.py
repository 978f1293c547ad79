"""Transformer-XL's relative positions: the query meets content and waves of distance, each with a bias of its own.

logits[i, j] = ((q_i + u) · k_j + (q_i + v) · W R(δ)) / √K. R(δ) are the sinusoids of `sinusoidal`, D wide; W (D -> H·K)
turns them into keys of distance, u and v (H, K) say what a head looks for whatever the query. The distances of every
pair are looked up in one (T, distances) product, which is what the source's rel-shift does by reshaping (and leaves
rubbish above the diagonal; attention masks there again).

Source: Dai et al. 2019, "Transformer-XL", section 3.3. 2HK + D² learned numbers a layer.
Oracle: transformers' XLNetRelativeAttention.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.settings import at_least, check_base, setting
from embedlab.positions.base import Scheme, distances
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.sinusoidal import sinusoids


@dataclass(slots=True)
class TransformerXlConfig(PositionConfig):
    """Queries meet waves of distance."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)
    init_std: float = setting("standard deviation of the learned numbers at the start", 0.02)

    def validate(self, shape: Shape) -> None:
        at_least(0, position__init_std=self.init_std)
        check_base(self.base)

    def build(self, shape: Shape) -> "TransformerXl":
        return TransformerXl(self, shape)


class TransformerXl(Scheme):
    config: TransformerXlConfig
    beyond = "goes on past the window, with waves of distance that training never showed"

    def __init__(self, config: TransformerXlConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        n_layers, D, H, K = shape.n_layers, shape.embedding_dim, shape.n_heads, shape.head_dim
        self.content_bias = nn.Parameter(torch.randn(n_layers, H, K, 1) * config.init_std)  # u
        self.distance_bias = nn.Parameter(torch.randn(n_layers, H, 1, K) * config.init_std)  # v
        self.distance_keys = nn.Parameter(torch.randn(n_layers, D, D) * config.init_std)  # W

    def score(self, q: Tensor, k: Tensor, x: Tensor | None, logits: Tensor, positions: Tensor, layer: int) -> Tensor:
        H, K, D = q.size(1), q.size(-1), self.shape.embedding_dim
        farthest = int(positions[-1] - positions[0])
        waves = sinusoids(torch.arange(farthest + 1, device=q.device), D, self.config.base).to(q.dtype)
        keys = (waves @ self.distance_keys[layer]).view(-1, H, K).permute(1, 2, 0)  # (H, K, distances)
        by_distance = (q + self.distance_bias[layer]) @ keys  # (B, H, T, distances)
        index = distances(positions).clamp(min=0).expand_as(logits)
        content = (k @ self.content_bias[layer]).mT  # (B, H, 1, T)
        return logits + (content + by_distance.gather(-1, index)) * K**-0.5
