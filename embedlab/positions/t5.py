"""T5's bias: one parameter for each head and bucket of distances, + b[bucket(δ)], shared by all layers.

The first half of the buckets hold one distance each, the others ranges that widen logarithmically up to max_distance;
larger distances share the last one: with 4 buckets up to 8, the distances 0, 1, 2, 3, 4, 5, … are in the buckets
0, 1, 2, 2, 3, 3, …. These are T5's causal (not bidirectional) buckets, none of which is for the future. T5 itself does
not divide q · k by √K; here all schemes do.

Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning" (arXiv 1910.10683), section 2.1, and the Mesh
TensorFlow code. buckets · H parameters. Reference: transformers'
T5Attention._relative_position_bucket(bidirectional=False).
"""

import math
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
class T5Config(PositionConfig):
    """Settings of `t5`."""

    buckets: int = setting("number of distance buckets, half of them for one distance each", 32)
    max_distance: int | None = setting("distance in tokens from which on all share the last bucket; null: window", None)
    scale: float = setting("factor on the parameters: with Adam, a larger one makes the bias learn faster", 1.0)
    init_std: float = setting("standard deviation of the parameters at initialisation", 0.02)

    def farthest(self, shape: Shape) -> int:
        """Return max_distance, or, if it is null, the window (but always past the buckets of one distance each)."""
        if self.max_distance is not None:
            return self.max_distance
        return max(shape.context_length, self.buckets // 2 + 1)

    def bucket(self, delta: int, shape: Shape) -> int:
        """Return the bucket of a distance >= 0."""
        exact = self.buckets // 2
        if delta < exact:
            return delta
        share = math.log(delta / exact) / math.log(self.farthest(shape) / exact)
        return min(exact + int(share * (self.buckets - exact)), self.buckets - 1)

    def validate(self, shape: Shape) -> None:
        at_least(2, position__buckets=self.buckets)
        at_least(0, position__init_std=self.init_std)
        if not self.scale > 0:
            raise UserError(f"position.scale={self.scale} is out of range: give a number above 0, as 1")
        if self.farthest(shape) <= self.buckets // 2:
            raise UserError(
                f"position.max_distance={self.max_distance} is too small for position.buckets={self.buckets}: "
                f"give more than {self.buckets // 2}, or fewer buckets"
            )

    def cautions(self, shape: Shape) -> list[str]:
        reached = {self.bucket(delta, shape) for delta in range(shape.context_length)}
        if len(reached) == self.buckets:
            return []
        return [
            f"position.buckets={self.buckets} with position.max_distance={self.farthest(shape)} leaves "
            f"{self.buckets - len(reached)} buckets that no distance in a window of {shape.context_length} tokens "
            "reaches, so they are never trained: lower position.max_distance or position.buckets"
        ]

    def build(self, shape: Shape) -> "T5":
        return T5(self, shape)


class T5(Scheme):
    """Bias by buckets of distance."""

    config: T5Config

    def __init__(self, config: T5Config, shape: Shape) -> None:
        super().__init__(config, shape)
        self.farthest = config.farthest(shape)
        self.beyond = f"all distances from {self.farthest} tokens on share the last bucket"
        rows = [config.bucket(delta, shape) for delta in range(self.farthest + 1)]
        self.register_buffer("bucket", torch.tensor(rows), persistent=False)  # (max_distance + 1,)
        self.heights = nn.Embedding(config.buckets, shape.n_heads)
        self.heights.weight.data.mul_(config.init_std)

    def bias(self, site: Site) -> Tensor:
        heights: Tensor = self.heights(self.get_buffer("bucket"))  # (max_distance + 1, H)
        return spread_distances(heights.T * self.config.scale, site)

    def table(self) -> Tensor:
        return self.heights.weight
