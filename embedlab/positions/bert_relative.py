"""BERT's relative positions: a learned vector for each distance, multiplied by the query and, by default, the key.

logits[i, j] = (q_i · k_j + q_i · E[δ] (+ k_j · E[δ] with key_query)) / √K. Row L - 1 + δ of the 2L - 1 belongs to
distance δ, as in BERT; a causal model uses the last L rows, and only they are counted as parameters. Distances are not
clipped, so a text longer than the window is refused.

Sources: Shaw et al. 2018 (arXiv 1803.02155; key); Huang et al. 2020, "Improve Transformer Models with Better Relative
Position Embeddings" (arXiv 2009.13658), method 4 (key_query); transformers' `relative_key` and `relative_key_query`,
with one table for each layer as there: n_layers · L · K parameters.
Reference: transformers 4.57.6 BertSelfAttention, recorded (5.x dropped it).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least, one_of, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.distance_rows import add_rows_of_keys, rows_of_queries
from embedlab.positions.site import Site

SCORES = ("key", "key_query")


@dataclass(slots=True)
class BertRelativeConfig(PositionConfig):
    """Settings of `bert_relative`."""

    scores: str = setting("key: queries multiply the vectors; key_query: queries and keys do", "key_query")
    init_std: float = setting("standard deviation of the vectors at initialisation", 0.02)

    def validate(self, shape: Shape) -> None:
        one_of(SCORES, position__scores=self.scores)
        at_least(0, position__init_std=self.init_std)

    def build(self, shape: Shape) -> "BertRelative":
        return BertRelative(self, shape)


class BertRelative(Scheme):
    """Logits plus products with the vectors of distance."""

    config: BertRelativeConfig

    def __init__(self, config: BertRelativeConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        L = shape.context_length
        self.max_context_length = L
        self.beyond = f"undefined past its table of distances up to {L - 1} tokens"
        self.vectors = nn.Parameter(torch.randn(shape.n_layers, 2 * L - 1, shape.head_dim) * config.init_std)

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        L = self.shape.context_length
        if (farthest := int(site.queries[-1] - site.keys[0])) >= L:
            raise UserError(
                f"a distance of {farthest} tokens is past the table of position=bert_relative, which ends at {L - 1}: "
                f"shorten the text to {L} tokens or train with a larger data.context_length"
            )
        past = self.vectors[site.layer, L - 1 :] * q.size(-1) ** -0.5  # (L, K), distances 0 … L - 1
        logits = logits + rows_of_queries(q, past, site)
        return add_rows_of_keys(logits, k, past, site) if self.config.scores == "key_query" else logits

    def count_parameters(self) -> int:
        return self.vectors[:, self.shape.context_length - 1 :].numel()

    def table(self) -> Tensor:
        return self.vectors[0]
