"""FIRE: a small network maps distance, divided by the largest possible distance, to a bias.

bias(i, j) = MLP(ψ(δ) / (ψ(max(L0, i)) + 1e-6)), ψ(x) = ln(|c| · x + 1), MLP: 1 -> 32 -> H with a ReLU; the share stays
in [0, 1] for any length. Past the threshold L0 the share depends on the query's position i, below it on δ alone. c and
L0 are learned (L0 as a multiplier). With a threshold far above the window the shares stay near 0 in training and only
longer texts reach it, so the default is the window (the authors' code: 512, for windows of 2,048; c = 0.1, 32 hidden
units and the 1e-6 are also from there).

Source: Li et al. 2024, "Functional Interpolation for Relative Positions Improves Long Context Transformers" (arXiv
2310.04418), section 3.2 and appendix. Each layer has its own network, as there:
n_layers · (2 · width + width · H + H + 2) parameters. Reference: a slow loop of the formula.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.distance_rows import spread_distances
from embedlab.positions.site import Site


@dataclass(slots=True)
class FireConfig(PositionConfig):
    """Settings of `fire`."""

    threshold: float | None = setting(
        "L0 at initialisation, in tokens: queries before it divide by it; null: window", None
    )
    c: float = setting("c at initialisation: the larger, the less far distances differ", 0.1)
    width: int = setting("hidden units of the network", 32)

    def validate(self, shape: Shape) -> None:
        at_least(1, position__width=self.width)
        if not self.c > 0:
            raise UserError(f"position.c={self.c} makes all distances equal: give a number above 0, as 0.1")
        if self.threshold is not None:
            at_least(1, position__threshold=self.threshold)

    def cautions(self, shape: Shape) -> list[str]:
        if self.threshold is None or self.threshold <= 2 * shape.context_length:
            return []
        return [
            f"position.threshold={self.threshold} is far over the window of {shape.context_length} tokens: training "
            "never sees a query past it, so what it does on longer texts is untrained: leave it null"
        ]

    def build(self, shape: Shape) -> "Fire":
        return Fire(self, shape)


class Fire(Scheme):
    """Bias by a network of the relative distance."""

    beyond = "interpolates: past its threshold distances are divided by the query's position"

    def __init__(self, config: FireConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.threshold = float(shape.context_length if config.threshold is None else config.threshold)
        self.multiplier = nn.Parameter(torch.ones(shape.n_layers))  # of the threshold
        self.c = nn.Parameter(torch.full((shape.n_layers,), config.c))
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(1, config.width), nn.ReLU(), nn.Linear(config.width, shape.n_heads))
            for _ in range(shape.n_layers)
        )

    def bias(self, site: Site) -> Tensor:
        threshold = (self.multiplier[site.layer] * self.threshold).abs()
        if site.consecutive and site.queries[-1] < threshold:  # distances alone decide: the network sees each once
            span = torch.arange(int(site.queries[-1] - site.keys[0]) + 1)
            return spread_distances(self._network(span, threshold, site.layer).T, site)
        farthest = torch.maximum(site.queries.to(threshold.dtype), threshold)[:, None]  # (Tq, 1)
        return self._network(site.distances.clamp(min=0), farthest, site.layer).permute(2, 0, 1)

    def _network(self, distances: Tensor, farthest: Tensor, layer: int) -> Tensor:
        """Return the biases (..., H) of distances (...), relative to the farthest possible one."""
        c = self.c[layer].abs()
        share = torch.log1p(c * distances) / (torch.log1p(c * farthest) + 1e-6)
        bias: Tensor = self.networks[layer](share[..., None])
        return bias
