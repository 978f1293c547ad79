"""A small causal transformer, to test schemes without the rest of the package."""

from typing import Any

import torch
from torch import Tensor, nn

from embedlab.model.attention import attend
from embedlab.positions import build
from embedlab.positions.base import Scheme
from embedlab.positions.site import square

D, H, N_LAYERS, L, VOCAB = 16, 4, 2, 12, 11  # K = 4


def scheme(name: str, n_layers: int = N_LAYERS, init_seed: int = 0, **settings: Any) -> Scheme:
    torch.manual_seed(init_seed)
    return build(name, embedding_dim=D, n_heads=H, n_layers=n_layers, context_length=L, **settings)


class TinyModel(nn.Module):
    """Token table, positions, pre-norm attention layers; the output layer shares the token table."""

    def __init__(
        self, name: str, n_layers: int = N_LAYERS, init_seed: int = 0, vocab: int = VOCAB, **settings: Any
    ) -> None:
        super().__init__()
        torch.manual_seed(init_seed)
        self.tokens = nn.Embedding(vocab, D)
        self.norms = nn.ModuleList(nn.LayerNorm(D) for _ in range(n_layers))
        self.qkv = nn.ModuleList(nn.Linear(D, 3 * D) for _ in range(n_layers))
        self.out = nn.ModuleList(nn.Linear(D, D) for _ in range(n_layers))
        self.scheme = scheme(name, n_layers, init_seed, **settings)

    def forward(self, ids: Tensor, positions: Tensor | None = None, exact: bool = False) -> Tensor:
        """Return logits (B, T, vocab) for ids (B, T)."""
        B, T = ids.size()
        positions = torch.arange(T) if positions is None else positions
        h = self.scheme.embed(self.tokens(ids), square(positions))
        for layer, (norm, qkv, out) in enumerate(zip(self.norms, self.qkv, self.out, strict=True)):
            x = norm(h)
            if "mix" in self.scheme.hooks(layer):
                x = self.scheme.mix(x, square(positions, layer, x))
            q, k, v = qkv(x).view(B, T, 3, H, D // H).permute(2, 0, 3, 1, 4)  # each (B, H, T, K)
            mixed = attend(self.scheme, q, k, v, x=x, layer=layer, positions=positions, exact=exact)
            h = h + out(mixed.transpose(1, 2).reshape(B, T, D))
        return h @ self.tokens.weight.T


def some_ids(B: int = 3, T: int = L, seed: int = 1) -> Tensor:
    return torch.randint(VOCAB, (B, T), generator=torch.Generator().manual_seed(seed))
