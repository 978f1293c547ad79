"""PaTH: a product of reflections between key and query, one for each token between them, set by its content.

logits[i, j] = q_i · H_i H_{i-1} … H_{j+1} k_j / √K, H_t = I - β_t w_t w_tᵀ, w_t of length 1 from W x_t for each
head and β_t = 2 σ(u · x_t + b). All pairs are computed at once by the UT transform, with the text as one chunk:
A = lower(Q Kᵀ) - lower(Q Wᵀ) (I + strictLower(diag(β) W Wᵀ))⁻¹ diag(β) strictLower(W Kᵀ). This is the plain form: w
comes from one full matrix, without the paper's low rank and short convolution. x is the layer's normed
input.

Source: Yang et al. 2025, "PaTH Attention: Position Encoding via Accumulating Householder Transformations" (arXiv
2505.16381), section 3. D² + H(D + 1) parameters a layer. Reference: a slow loop of the product.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.positions.base import Scheme, Site
from embedlab.positions.config import PositionConfig, Shape


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

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        assert site.x is not None, "position=path reads the layer's input: call attend with x"
        B, H, T, K = k.size()
        w = self.directions[site.layer](site.x).view(B, T, H, K).transpose(1, 2)  # (B, H, T, K)
        strength = 2 * self.strengths[site.layer](site.x).sigmoid().mT[..., None]  # (B, H, T, 1)
        precise = torch.promote_types(q.dtype, torch.float32)  # long products; the solver takes no half precision
        with torch.autocast(q.device.type, enabled=False):
            q, k, w, strength = (part.to(precise) for part in (q, k, w, strength))
            w = F.normalize(w, dim=-1)
            between = (strength * (w @ w.mT)).tril(-1)  # (B, H, T, T); unitriangular adds its diagonal
            reached = torch.linalg.solve_triangular(
                between, strength * (w @ k.mT).tril(-1), upper=False, unitriangular=True
            )
            turned = (q @ w.mT).tril(T - q.size(-2)) @ reached
        reflected: Tensor = turned * K**-0.5
        return logits - reflected.to(logits.dtype)
