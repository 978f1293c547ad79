"""The model: token table + positions + head.

B batch, T window, D model width, V vocabulary.
"""

import torch
from torch import Tensor, nn

from embedlab import positions as schemes
from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.model.blocks import AttentionHead, LinearHead
from embedlab.model.loss import chunked_cross_entropy, token_losses
from embedlab.positions.config import shape_of
from embedlab.positions.site import square
from embedlab.runs.random_streams import torch_draws_from
from embedlab.runs.results import Parameters


class LanguageModel(nn.Module):
    """A model that predicts the next token.

    Token table, head and scheme each draw from a random stream that depends on the seed only: so two schemes under one
    seed start from the same table and head. `table` (V, D) is the token table to start with instead of a random one.
    """

    def __init__(self, config: Config, vocab_size: int, table: Tensor | None = None) -> None:
        super().__init__()
        model = config.model
        with torch_draws_from(config.seed, "table"):
            self.tokens = token_table(vocab_size, model.embedding_dim, model.init_std)
        if table is not None:
            self.tokens.weight.data.copy_(table)
        with torch_draws_from(config.seed, "head"):
            self.head = AttentionHead(model) if model.head == "attention" else LinearHead(model, vocab_size)
        weight = self.tokens.weight.detach()
        token_rms = float(torch.linalg.vector_norm(weight)) / weight.numel() ** 0.5
        with torch_draws_from(config.seed, "scheme"):
            self.scheme = schemes.build_from(config.position, shape_of(config)._replace(token_rms=token_rms))
        self.dropout = nn.Dropout(model.dropout)
        self.chunk = model.loss_chunk_tokens
        hooks = self.scheme.hooks()
        if model.head == "linear" and hooks and "embed" not in hooks:
            raise UserError(
                f"position={config.position.name} acts only between tokens, and model.head=linear reads each "
                "token alone: choose model=attention, or position=none, learned or sinusoidal"
            )

    def forward(self, ids: Tensor, positions: Tensor | None = None, last: int | None = None) -> Tensor:
        """Return the head's output (B, T, D) for ids (B, T); its products with `output_table` are the logits.

        With `last`, only the last so many rows are returned, and the last layer computes no others.
        """
        T = ids.size(1)
        limit = self.scheme.max_context_length
        if positions is None:
            if limit is not None and limit < T:
                raise UserError(
                    f"a context of {T} tokens is too long for this model: its positions are {self.scheme.beyond}"
                )
            positions = torch.arange(T, device=ids.device)
        x = self.dropout(self.scheme.embed(self.tokens(ids), square(positions)))
        hidden: Tensor = self.head(x, self.scheme, positions, last)
        return hidden

    @property
    def output_table(self) -> Tensor:
        """The output layer's matrix (V, D): the token table itself, or the linear head's own."""
        return self.head.weight if isinstance(self.head, LinearHead) else self.tokens.weight

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss in nats/token of ids, targets (B, T)."""
        return chunked_cross_entropy(self(ids).flatten(0, 1), self.output_table, targets.flatten(), self.chunk)

    def losses(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return the losses (B, T) in nats, one for each target, without gradient."""
        hidden = self(ids).flatten(0, 1)  # (B·T, D)
        return token_losses(hidden, self.output_table, targets.flatten(), self.chunk).view_as(targets)

    def logits(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return all logits (B, T, V) at once, as training never does."""
        hidden: Tensor = self(ids, positions)
        return hidden @ self.output_table.T

    def parameter_counts(self) -> Parameters:
        """Count the parameters of each part, frozen ones included; of the scheme those that a causal model can use."""
        position = self.scheme.count_parameters()
        embedding, head = (sum(weight.numel() for weight in part.parameters()) for part in (self.tokens, self.head))
        return {"total": position + embedding + head, "position": position, "embedding": embedding, "head": head}


def token_table(vocab_size: int, embedding_dim: int, init_std: float) -> nn.Embedding:
    """Return (V, D) trainable vectors, normal with `init_std`; with 1 they equal those of torch.nn.Embedding."""
    table = nn.Embedding(vocab_size, embedding_dim)
    table.weight.data.mul_(init_std)
    return table
