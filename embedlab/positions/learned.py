"""Learned absolute positions: x + E[i], one trainable vector for each position.

They start with half the RMS of the token vectors, as in GPT-2 (0.01 beside 0.02).

Source: Radford et al. 2019 (GPT-2); the scheme of the source chapters. L·D parameters.
Reference: x-transformers' AbsolutePositionalEmbedding (which multiplies by D^-½; this does not, like GPT-2).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least, one_of, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape, loudness_cautions
from embedlab.positions.site import Site

GPT2_TOKENS = 0.02  # standard deviation of GPT-2's token vectors at the start
PAST_END = ("refuse", "clamp")


@dataclass(slots=True)
class LearnedConfig(PositionConfig):
    """Settings of `learned`."""

    loudness: float = setting("RMS of the position vectors over that of the token vectors at the start", 0.5)
    init_std: float | None = setting("standard deviation of the vectors at the start; null: by loudness", None)
    past_end: str = setting("past the table's end: refuse, or clamp (later tokens use the last vector)", "refuse")

    def validate(self, shape: Shape) -> None:
        at_least(0, position__loudness=self.loudness, position__init_std=self.std(shape))
        one_of(PAST_END, position__past_end=self.past_end)

    def std(self, shape: Shape) -> float:
        """Return the standard deviation of the vectors at the start."""
        return self.loudness * (shape.token_rms or GPT2_TOKENS) if self.init_std is None else self.init_std

    def cautions(self, shape: Shape) -> list[str]:
        if self.init_std is None:
            return loudness_cautions(f"position.loudness={self.loudness}", self.loudness)
        if not shape.token_rms:
            return []
        return loudness_cautions(f"position.init_std={self.init_std}", self.init_std / shape.token_rms)

    def build(self, shape: Shape) -> "Learned":
        return Learned(self, shape)


class Learned(Scheme):
    """Token vectors plus a table of position vectors."""

    def __init__(self, config: LearnedConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.vectors = nn.Embedding(shape.context_length, shape.embedding_dim)  # (L, D)
        self.vectors.weight.data.mul_(config.std(shape))
        self.clamp = config.past_end == "clamp"
        if self.clamp:
            self.beyond = f"repeats its last vector past {shape.context_length} tokens"
        else:
            self.max_context_length = shape.context_length
            self.beyond = f"undefined past its table of {shape.context_length} vectors"

    def embed(self, x: Tensor, site: Site) -> Tensor:
        """Return x (B, T, D) + E[positions] (T, D)."""
        rows, positions = self.vectors.num_embeddings, site.keys
        if self.clamp:
            positions = positions.clamp(max=rows - 1)
        elif len(positions) and (last := int(positions[-1])) >= rows:
            raise UserError(
                f"position {last} is past the table of {rows} learned vectors: "
                "shorten the text or set position.past_end=clamp"
            )
        vectors: Tensor = self.vectors(positions)
        return x + vectors

    def table(self) -> Tensor:
        return self.vectors.weight
