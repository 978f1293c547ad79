"""Forgetting attention (FoX): each token has a gate that fades everything before it.

logits[i, j] += Σ ln f_l over l = j + 1 … i, with the forget gate f_l = σ(w_h · x_l + b_h) in (0, 1): an ALiBi
whose slope depends on content. Computed as c_i - c_j from running sums c of ln f, in float32 or wider. The sum is added
to the logits without division by √K. x is the layer's normed input.

Source: Lin et al. 2025, "Forgetting Transformer: Softmax Attention with a Forget Gate" (arXiv 2503.02130), equations 5
and 6. H(D + 1) parameters a layer. Reference: a slow loop (as flash-linear-attention's naive_forgetting_attn).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site


@dataclass(slots=True)
class ForgettingConfig(PositionConfig):
    """Settings of `forgetting`: none."""

    def build(self, shape: Shape) -> "Forgetting":
        return Forgetting(self, shape)


class Forgetting(Scheme):
    """Logits plus sums of log forget gates."""

    def __init__(self, config: ForgettingConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.gates = nn.ModuleList(nn.Linear(shape.embedding_dim, shape.n_heads) for _ in range(shape.n_layers))

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        assert site.x is not None, "position=forgetting reads the layer's input: call attend with x"
        gate = self.gates[site.layer](site.x).mT  # (B, H, T)
        sums = F.logsigmoid(gate.to(torch.promote_types(gate.dtype, torch.float32))).cumsum(-1)[..., None]  # c
        one = torch.ones_like(q[..., :1]) * q.size(-1) ** 0.5  # attention divides by √K
        parts = round_in_parts(sums, q.dtype)
        q = torch.cat([q, *(part * one for part in parts), *(one for _ in parts)], dim=-1)
        k = torch.cat([k, *(torch.ones_like(part) for part in parts), *(-part for part in parts)], dim=-1)
        return q, k


def round_in_parts(x: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Return tensors of `dtype` whose sum is x: one, or three if it keeps fewer digits than float32.

    A sum of 700 in bfloat16's 8 bits would be wrong by up to 2, which is added to a logit.
    """
    parts: list[Tensor] = []
    for _ in range(1 if torch.finfo(dtype).bits >= 32 else 3):
        parts.append(x.to(dtype))
        x = x - parts[-1].to(x.dtype)
    return parts
