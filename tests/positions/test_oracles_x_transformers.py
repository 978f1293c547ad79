"""Schemes compared with x-transformers."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.model.attention import attend
from embedlab.positions import build
from embedlab.positions.base import Scheme
from embedlab.positions.site import square

xt = pytest.importorskip("x_transformers.x_transformers", reason="x-transformers (dev extra) is the oracle here")

B, H, T, K = 2, 4, 12, 8
D = H * K
POSITIONS = torch.arange(T)


def make(name: str, n_heads: int = H, **settings: object) -> Scheme:
    torch.manual_seed(0)
    return build(name, embedding_dim=n_heads * K, n_heads=n_heads, n_layers=1, context_length=T, **settings)


def qkv(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(B, H, T, K, generator=generator) for _ in range(3)]


def causal(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """Compute plain causal attention of q, k (B, H, T, any width), scaled by K."""
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    return (q @ k.mT * K**-0.5 + bias).masked_fill(future, -torch.inf).softmax(-1) @ v


def close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_learned_is_absolute_positional_embedding_without_its_scale() -> None:
    learned, theirs = make("learned"), xt.AbsolutePositionalEmbedding(D, T)
    theirs.emb.weight.data = learned.vectors.weight.data
    x = torch.randn(B, T, D)
    close(learned.embed(x, square(POSITIONS)), x + theirs(x) * D**0.5)


@pytest.mark.parametrize("base", [10_000.0, 100.0])
def test_scaled_sinusoidal(base: float) -> None:
    x = torch.randn(B, T, D)
    close(
        make("scaled_sinusoidal", base=base).embed(x, square(POSITIONS)),
        x + xt.ScaledSinusoidalEmbedding(D, theta=base)(x),
    )


@pytest.mark.parametrize("n_heads", [1, 2, 3, 4, 5, 8, 12])
def test_alibi(n_heads: int) -> None:
    theirs = xt.AlibiPositionalBias(n_heads)(T, T)
    close(make("alibi", n_heads).bias(square(POSITIONS)).tril(), theirs.tril())


def test_t5_with_its_scale() -> None:
    t5, theirs = make("t5", buckets=8, max_distance=10, scale=5.0), xt.RelativePositionBias(5.0, True, 8, 10, H)
    theirs.relative_attention_bias.weight.data = t5.heights.weight.data
    close(t5.bias(square(POSITIONS)), theirs(T, T))


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_rotary_interleaved(fraction: float) -> None:
    q, k, _ = qkv()
    freqs, _ = xt.RotaryEmbedding(int(K * fraction))(POSITIONS)
    for ours, x in zip(
        make("rotary", layout="interleaved", fraction=fraction).rotate(q, k, square(POSITIONS)), (q, k), strict=True
    ):
        close(ours, xt.apply_rotary_pos_emb(x, freqs))


def test_rotary_layouts_agree_after_permuting_dimensions() -> None:
    q, k, _ = qkv()
    pairs_first = torch.cat([torch.arange(0, K, 2), torch.arange(1, K, 2)])
    interleaved, _ = make("rotary", layout="interleaved").rotate(q, k, square(POSITIONS))
    half, _ = make("rotary").rotate(q[..., pairs_first], k, square(POSITIONS))
    close(half, interleaved[..., pairs_first])


def test_rotary_ntk_is_base_rescaling() -> None:
    theirs = xt.RotaryEmbedding(K, base_rescale_factor=4.0)
    close(make("rotary", scaling="ntk", factor=4.0).frequencies().float(), theirs.inv_freq)


@pytest.mark.parametrize("scale_base", [512.0, 8.0])
def test_xpos(scale_base: float) -> None:
    q, k, v = qkv()
    freqs, scale = xt.RotaryEmbedding(K, use_xpos=True, scale_base=scale_base)(POSITIONS)
    theirs = causal(xt.apply_rotary_pos_emb(q, freqs, scale), xt.apply_rotary_pos_emb(k, freqs, scale**-1), v)
    close(attend(make("xpos", scale_base=scale_base), q, k, v), theirs)


def test_pope() -> None:
    q, k, v = qkv()
    pope, theirs = make("pope"), xt.PolarEmbedding(K, H)
    phase = torch.empty(H, 1, K).uniform_(-3 * math.pi, 1)  # also past both ends of [-2π, 0]
    pope.phase.data, theirs.learned_bias.data = phase, phase
    freqs, bias = theirs(POSITIONS)
    expected = causal(xt.apply_polar_pos_emb(q, freqs), xt.apply_polar_pos_emb(k, freqs + bias), v)
    close(attend(pope, q, k, v), expected)
    close(attend(pope, q, k, v, exact=True), expected)


@pytest.mark.parametrize("max_positions", [4, T])
def test_cope(max_positions: int) -> None:
    q, k, v = qkv()
    cope, theirs = make("cope", max_positions=max_positions), xt.CoPE(K, H, max_positions)
    vectors = torch.randn(max_positions, K)
    cope.vectors.data[0], theirs.pos_emb.data = vectors, vectors
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    masked = (q @ k.mT * K**-0.5).masked_fill(future, -torch.inf)
    close(attend(cope, q, k, v), F.softmax(masked + theirs(q, masked), dim=-1) @ v)
