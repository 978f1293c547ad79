"""Transformer-XL's relative positions: products of the query with content and with waves of distance, each biased.

logits[i, j] = ((q_i + u) · k_j + (q_i + v) · W R(δ)) / √K. R(δ) are the sinusoids of `sinusoidal`, D wide; W (D -> H·K)
maps them to keys of distance; u and v (H, K) are what a head attends to under any query. Each pair's distance is looked
up in one (T, distances) product, which the source does by a shift (rel-shift). Entries above the diagonal are
meaningless; attention masks them afterwards.

Source: Dai et al. 2019, "Transformer-XL" (arXiv 1901.02860), section 3.3. 2HK + D² parameters a layer.
Reference: transformers' XLNetRelativeAttention.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.config.settings import at_least, check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.distance_rows import rows_of_queries
from embedlab.positions.sinusoidal import sinusoids
from embedlab.positions.site import Site


@dataclass(slots=True)
class TransformerXlConfig(PositionConfig):
    """Settings of `transformer_xl`."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)
    init_std: float = setting("standard deviation of u, v and W at initialisation", 0.02)

    def validate(self, shape: Shape) -> None:
        at_least(0, position__init_std=self.init_std)
        check_base(self.base)

    def build(self, shape: Shape) -> "TransformerXl":
        return TransformerXl(self, shape)


class TransformerXl(Scheme):
    """Logits plus products with waves of distance."""

    config: TransformerXlConfig
    beyond = "continues past the window, with waves of distance not seen in training"

    def __init__(self, config: TransformerXlConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        n_layers, D, H, K = shape.n_layers, shape.embedding_dim, shape.n_heads, shape.head_dim
        self.content_bias = nn.Parameter(torch.randn(n_layers, H, K, 1) * config.init_std)  # u
        self.distance_bias = nn.Parameter(torch.randn(n_layers, H, 1, K) * config.init_std)  # v
        known = sinusoids(torch.arange(shape.context_length), D, config.base)
        self.register_buffer("known_waves", known, persistent=False)  # of the trained window
        self.distance_keys = nn.Parameter(torch.randn(n_layers, D, D) * config.init_std)  # W

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        """Append 1 to each query and u · k to each key, so that their product is (q + u) · k."""
        return F.pad(q, (0, 1), value=1.0), torch.cat([k, k @ self.content_bias[site.layer]], dim=-1)

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        H, K = self.shape.n_heads, self.shape.head_dim
        waves = self.waves(int(site.queries[-1] - site.keys[0]) + 1).to(q.device, q.dtype)  # (distances, D)
        keys = (waves @ self.distance_keys[site.layer]).view(-1, H, K).transpose(0, 1)  # (H, distances, K)
        return logits + rows_of_queries((q[..., :K] + self.distance_bias[site.layer]) * K**-0.5, keys, site)

    def waves(self, distances: int) -> Tensor:
        """Return R(δ) of the distances 0 … distances - 1: (distances, D)."""
        known = self.get_buffer("known_waves")
        if distances <= len(known):
            return known[:distances]
        return sinusoids(torch.arange(distances, device=known.device), self.shape.embedding_dim, self.config.base)
