"""The model's head, all that follows the embeddings: causal pre-norm transformer blocks (Radford et al. 2019), or none.

B batch, T window, D width, H heads, K = D // H. With `last`, a forward pass returns only the last so many of T rows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.config.groups import ModelConfig
from embedlab.model.attention import attend
from embedlab.positions.base import Scheme
from embedlab.positions.site import square


class Attention(nn.Module):
    """Queries, keys, values and output of one layer; `attend` and the scheme do what is between them."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        D = config.embedding_dim
        self.layer, self.n_heads = layer, config.n_heads
        self.qkv = nn.Linear(D, 3 * D, bias=False)
        self.out = nn.Linear(D, D, bias=False)

    def forward(self, x: Tensor, scheme: Scheme, positions: Tensor, last: int | None = None) -> Tensor:
        B, T, _ = x.size()
        q, k, v = self.qkv(x).view(B, T, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)  # each (B, H, T, K)
        y = attend(scheme, q, k, v, x, self.layer, positions, last=last)  # (B, H, T, K)
        mixed: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return mixed


class Block(nn.Module):
    """Attention and a two-layer network, each added to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        D, hidden = config.embedding_dim, round(config.mlp_ratio * config.embedding_dim)
        self.norm1 = nn.LayerNorm(D)
        self.attention = Attention(config, layer)
        self.norm2 = nn.LayerNorm(D)
        self.expand = nn.Linear(D, hidden, bias=False)
        self.contract = nn.Linear(hidden, D, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, scheme: Scheme, positions: Tensor, last: int | None = None) -> Tensor:
        normed, layer = self.norm1(x), self.attention.layer
        if "mix" in scheme.hooks(layer):
            normed = scheme.mix(normed, scheme.locate(square(positions, layer, normed)))
        x = last_rows(x, last) + self.dropout(self.attention(normed, scheme, positions, last))
        added: Tensor = self.dropout(self.contract(F.gelu(self.expand(self.norm2(x)))))
        return x + added


class AttentionHead(nn.Module):
    """Blocks and a final norm; the output layer shares the token table."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layers))
        self.norm = nn.LayerNorm(config.embedding_dim)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                # layers that add to the residual stream start smaller, so that its variance does not grow with depth
                adds = name.endswith(("out.weight", "contract.weight"))
                nn.init.normal_(weight, std=config.init_std / ((2 * config.n_layers) ** 0.5 if adds else 1))

    def forward(self, x: Tensor, scheme: Scheme, positions: Tensor, last: int | None = None) -> Tensor:
        *lower, highest = self.blocks
        for block in lower:
            x = block(x, scheme, positions)
        normed: Tensor = self.norm(highest(x, scheme, positions, last))  # no layer reads its other rows
        return normed


class LinearHead(nn.Module):
    """No layers: logits are one matrix times the summed embeddings."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        weight = torch.empty(vocab_size, config.embedding_dim)
        self.weight = nn.Parameter(nn.init.normal_(weight, std=config.init_std))  # (V, D)

    def forward(self, x: Tensor, scheme: Scheme, positions: Tensor, last: int | None = None) -> Tensor:
        return last_rows(x, last)


def last_rows(x: Tensor, last: int | None) -> Tensor:
    """Return the last rows of x (B, T, …); x itself if `last` is None, which costs the backward pass nothing."""
    return x if last is None else x[:, -last:]
