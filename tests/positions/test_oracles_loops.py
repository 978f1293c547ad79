"""Schemes compared with slow double loops that transcribe the papers' formulas, in float64."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from embedlab.model.attention import attend
from embedlab.positions import build
from embedlab.positions.base import Scheme

B, H, T, K = 2, 3, 9, 4
D = H * K


def make(name: str, **settings: object) -> Scheme:
    torch.manual_seed(0)
    return (
        build(name, embedding_dim=D, n_heads=H, n_layers=2, context_length=T, **settings).double().requires_grad_(False)
    )


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, B, H, T, K, generator=generator, dtype=torch.float64)
    return q, k, v, torch.randn(B, T, D, generator=generator, dtype=torch.float64)


def by_hand(v: Tensor, logit: Callable[[int, int, int, int], Tensor | float]) -> Tensor:
    """Compute causal attention one element at a time; logit(b, h, i, j)."""
    out = torch.zeros(B, H, T, K, dtype=torch.float64)
    for b in range(B):
        for h in range(H):
            for i in range(T):
                row = torch.stack([torch.as_tensor(logit(b, h, i, j), dtype=torch.float64) for j in range(i + 1)])
                out[b, h, i] = row.softmax(0) @ v[b, h, : i + 1]
    return out


def close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kernel", ["log", "power"])
def test_kerple(kernel: str) -> None:
    kerple = make("kerple", kernel=kernel)
    q, k, v, _ = inputs()
    p, a = kerple.p.flatten().tolist(), kerple.a.flatten().tolist()
    assert all(0 < number < 2 for number in p)
    assert all(0 < number < 1 for number in a)

    def logit(b: int, h: int, i: int, j: int) -> Tensor:
        far = -p[h] * math.log(1 + a[h] * (i - j)) if kernel == "log" else -a[h] * (i - j) ** p[h]
        return q[b, h, i] @ k[b, h, j] / K**0.5 + far

    close(attend(kerple, q, k, v), by_hand(v, logit))


@pytest.mark.parametrize("dims", [128, 6])
def test_sandwich(dims: int) -> None:
    q, k, v, _ = inputs()

    def logit(b: int, h: int, i: int, j: int) -> Tensor:
        waves = sum(math.cos((i - j) * 10_000 ** (-2 * m / dims)) for m in range(dims // 2)) - dims / 2
        return q[b, h, i] @ k[b, h, j] / K**0.5 + waves / ((h + 1) * 8 / H)

    close(attend(make("sandwich", dims=dims), q, k, v), by_hand(v, logit))


@pytest.mark.parametrize("threshold", [None, 3.0])
def test_fire(threshold: float | None) -> None:
    fire, (q, k, v, _), layer = make("fire", threshold=threshold, width=5), inputs(), 1
    with torch.no_grad():
        fire.c[layer], fire.multiplier[layer] = -0.3, 1.2
    inner, _, outer = fire.networks[layer]

    def psi(x: float) -> float:
        return math.log(abs(-0.3 * x) + 1)

    def logit(b: int, h: int, i: int, j: int) -> Tensor:
        share = psi(i - j) / (psi(max(1.2 * (threshold or T), i)) + 1e-6)
        hidden = [max(0.0, float(w * share + c)) for w, c in zip(inner.weight[:, 0], inner.bias, strict=True)]
        bias = sum(w * x for w, x in zip(outer.weight[h], hidden, strict=True)) + outer.bias[h]
        return q[b, h, i] @ k[b, h, j] / K**0.5 + bias

    close(attend(fire, q, k, v, layer=layer), by_hand(v, logit))


def test_shaw_with_values() -> None:
    shaw, (q, k, v, _), layer, clip = make("shaw", values=True, clip=3), inputs(), 1, 3
    keys, values = shaw.keys[layer], shaw.value_vectors[layer]
    expected = torch.zeros_like(v)
    for b in range(B):
        for h in range(H):
            for i in range(T):
                rows = [clip + min(i - j, clip) for j in range(i + 1)]
                weights = (
                    torch.stack([q[b, h, i] @ (k[b, h, j] + keys[r]) for j, r in enumerate(rows)]) / K**0.5
                ).softmax(0)
                expected[b, h, i] = sum(w * (v[b, h, j] + values[rows[j]]) for j, w in enumerate(weights))
    close(attend(shaw, q, k, v, layer=layer), expected)


def test_forgetting() -> None:
    forgetting, (q, k, v, x), layer = make("forgetting"), inputs(), 1
    keep = forgetting.gates[layer](x).sigmoid()  # (B, T, H)

    def logit(b: int, h: int, i: int, j: int) -> Tensor:
        return q[b, h, i] @ k[b, h, j] / K**0.5 + keep[b, j + 1 : i + 1, h].log().sum()

    close(attend(forgetting, q, k, v, x, layer), by_hand(v, logit))


def test_path() -> None:
    path, (q, k, v, x), layer = make("path"), inputs(), 1
    strengths = 2 * path.strengths[layer](x).sigmoid()  # (B, T, H)
    w = path.directions[layer](x).view(B, T, H, K)
    w = w / w.norm(dim=-1, keepdim=True)

    def logit(b: int, h: int, i: int, j: int) -> Tensor:
        key = k[b, h, j]
        for t in range(j + 1, i + 1):  # the key's nearest successor reflects it first, the query's own token last
            key = key - strengths[b, t, h] * w[b, t, h] * (w[b, t, h] @ key)
        return q[b, h, i] @ key / K**0.5

    close(attend(path, q, k, v, x, layer), by_hand(v, logit))


@pytest.mark.parametrize("max_positions", [3, None])
def test_cope(max_positions: int | None) -> None:
    cope, (q, k, v, _), layer = make("cope", max_positions=max_positions), inputs(), 1
    vectors = cope.vectors[layer]

    def logit(b: int, h: int, i: int, j: int) -> Tensor:
        counted = sum(float((q[b, h, i] @ k[b, h, t] / K**0.5).sigmoid()) for t in range(j, i + 1))
        counted = min(counted, len(vectors) - 1)
        below, above = math.floor(counted), math.ceil(counted)
        vector = (
            vectors[below]
            if below == above
            else vectors[below] * (above - counted) + vectors[above] * (counted - below)
        )
        return q[b, h, i] @ k[b, h, j] / K**0.5 + q[b, h, i] @ vector

    close(attend(cope, q, k, v, layer=layer), by_hand(v, logit))


@pytest.mark.parametrize("layer", [0, 1])
def test_transformer_xl(layer: int) -> None:
    xl, (q, k, v, _) = make("transformer_xl", init_std=0.5), inputs()
    u, w = xl.content_bias[layer, :, :, 0], xl.distance_bias[layer, :, 0]

    def logit(b: int, h: int, i: int, j: int) -> Tensor:
        angles = [(i - j) * 10_000 ** (-2 * m / D) for m in range(D // 2)]
        wave = torch.tensor([math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]).double()
        key = (wave @ xl.distance_keys[layer])[h * K : (h + 1) * K]
        return ((q[b, h, i] + u[h]) @ k[b, h, j] + (q[b, h, i] + w[h]) @ key) / K**0.5

    close(attend(xl, q, k, v, layer=layer), by_hand(v, logit))
