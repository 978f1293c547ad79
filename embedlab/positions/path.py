"""PaTH: a product of reflections between key and query, one for each token between them, set by its content.

logits[i, j] = q_i · H_i H_{i-1} … H_{j+1} k_j / √K, H_t = I - β_t w_t w_tᵀ, w_t of length 1 from W x_t for each
head and β_t = 2 σ(u · x_t + b). Pairs near one another are computed at once by the UT transform:
A = lower(Q Kᵀ) - lower(Q Wᵀ) (I + strictLower(diag(β) W Wᵀ))⁻¹ diag(β) strictLower(W Kᵀ). Earlier keys
go by chunks of 64 tokens: each key is reflected to the end of its chunk, and a query crosses whole chunks one by one.
This is the plain form: w comes from one full matrix, without the paper's low rank and short convolution. x is the
layer's normed input.

Source: Yang et al. 2025, "PaTH Attention: Position Encoding via Accumulating Householder Transformations" (arXiv
2505.16381), section 3. D² + H(D + 1) parameters a layer. Reference: a slow loop of the product.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site

CHUNK = 64  # tokens whose reflections are joined


@dataclass(slots=True)
class PathConfig(PositionConfig):
    """Settings of `path`: none."""

    def build(self, shape: Shape) -> "Path":
        return Path(self, shape)


class Path(Scheme):
    """Logits of keys reflected by the tokens up to the query."""

    def __init__(self, config: PathConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        D, H = shape.embedding_dim, shape.n_heads
        self.directions = nn.ModuleList(nn.Linear(D, D, bias=False) for _ in range(shape.n_layers))
        self.strengths = nn.ModuleList(nn.Linear(D, H) for _ in range(shape.n_layers))

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        """Append to each key what `score` needs of its token, and zeros to each query: q · k stays as it is.

        Appended are w, β w, and for each whole chunk of tokens S, its keys reflected by their successors in the chunk,
        and Y, with which the whole chunk reflects by I - Wᵀ Y.
        """
        assert site.x is not None, "position=path reads the layer's input: call attend with x"
        B, H, T, K = k.size()
        w = self.directions[site.layer](site.x).view(B, T, H, K).transpose(1, 2)  # (B, H, T, K)
        strength = 2 * self.strengths[site.layer](site.x).sigmoid().mT[..., None]  # (B, H, T, 1)
        precise = torch.promote_types(q.dtype, torch.float32)  # long products; the solver takes no half precision
        with torch.autocast(q.device.type, enabled=False):
            q, k, w, strength = (part.to(precise) for part in (q, k, w, strength))
            w = F.normalize(w, dim=-1)
            whole = (T - 1) // CHUNK * CHUNK  # the last chunk is in no query's past
            widened = [k, w, strength * w]
            if whole:
                S, Y = reflect(*(part[:, :, :whole].reshape(B, H, -1, CHUNK, K) for part in widened))
                widened += [F.pad(part.flatten(2, 3), (0, 0, 0, T - whole)) for part in (S, Y)]
            return F.pad(q, (0, K * (len(widened) - 1))), torch.cat(widened, dim=-1)

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        Tq, Tk = logits.shape[-2:]
        K = self.shape.head_dim
        start = (Tk - Tq) // CHUNK * CHUNK  # keys before it are in whole chunks
        with torch.autocast(q.device.type, enabled=False):
            q, past, near = q[..., :K], k[:, :, :start], k[:, :, start:]
            k, w, scaled = near[..., : 3 * K].chunk(3, dim=-1)
            reached = (q @ w.mT).tril(Tk - Tq - start)  # (B, H, Tq, Tk - start)
            right = (scaled @ k.mT).tril(-1)
            turned = reached @ solve(scaled, w, torch.cat([right, scaled], dim=-1) if start else right)
            changes = [-turned[..., : Tk - start]]
            if start:
                k, w, _, S, Y = past.reshape(*k.shape[:2], -1, CHUNK, 5 * K).chunk(
                    5, dim=-1
                )  # each (B, H, chunks, CHUNK, K)
                query = q - turned[..., -K:]
                chunks = zip(torch.cat([S, k], dim=-1).unbind(2), (w.mT @ Y).unbind(2), strict=True)
                for both, crossed in reversed(list(chunks)):  # the query crosses one chunk after another
                    changes.insert(0, torch.cat([query, -q], dim=-1) @ both.mT)
                    query = query - query @ crossed
            change: Tensor = torch.cat(changes, dim=-1) * K**-0.5
        return logits + change.to(logits.dtype)


def solve(scaled: Tensor, w: Tensor, right: Tensor) -> Tensor:
    """Return (I + strictLower(β W Wᵀ))⁻¹ times the right side, where `scaled` is β W (..., T, K)."""
    between = (scaled @ w.mT).tril(-1)  # its unit diagonal is implied
    solved: Tensor = torch.linalg.solve_triangular(between, right, upper=False, unitriangular=True)
    return solved


def reflect(k: Tensor, w: Tensor, scaled: Tensor) -> tuple[Tensor, Tensor]:
    """Return S and Y of whole chunks: k, w, β w (B, H, chunks, CHUNK, K) -> two of that shape."""
    solved = solve(scaled, w, torch.cat([(scaled @ k.mT).tril(-1), scaled], dim=-1))
    return k - solved[..., : -k.size(-1)].mT @ w, solved[..., -k.size(-1) :]
