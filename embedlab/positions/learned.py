"""Learned absolute positions: x + E[i], one trainable vector a place.

Source: Radford et al. 2019 (GPT-2); the source chapters' own scheme. L·D learned numbers.
Oracle: x-transformers' AbsolutePositionalEmbedding (it multiplies by D^-½; we do not, as GPT-2 does not).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least, one_of, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape

PAST_END = ("refuse", "clamp")


@dataclass(slots=True)
class LearnedConfig(PositionConfig):
    """A table of one vector a position."""

    init_std: float = setting("standard deviation of the vectors at the start", 0.02)
    past_end: str = setting("past the table's end: refuse, or clamp (later tokens take the last vector)", "refuse")

    def validate(self, shape: Shape) -> None:
        at_least(0, position__init_std=self.init_std)
        one_of(PAST_END, position__past_end=self.past_end)

    def build(self, shape: Shape) -> "Learned":
        return Learned(self, shape)


class Learned(Scheme):
    def __init__(self, config: LearnedConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.vectors = nn.Embedding(shape.context_length, shape.embedding_dim)  # (L, D)
        self.vectors.weight.data.mul_(config.init_std)
        self.clamp = config.past_end == "clamp"
        if self.clamp:
            self.beyond = f"repeats its last vector past {shape.context_length} tokens"
        else:
            self.max_context_length = shape.context_length
            self.beyond = f"undefined past its table of {shape.context_length} vectors"

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """x (B, T, D) + E[positions] (T, D)."""
        rows = self.vectors.num_embeddings
        if self.clamp:
            positions = positions.clamp(max=rows - 1)
        elif len(positions) and (last := int(positions[-1])) >= rows:
            raise UserError(
                f"position {last} is past the table of {rows} learned vectors: "
                "shorten the text or set position.past_end=clamp"
            )
        return x + self.vectors(positions)

    def table(self) -> Tensor:
        return self.vectors.weight
