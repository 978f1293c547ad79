"""Attention by blocks of queries equals attention at once, and hooks get the rectangles that they are promised."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.evaluation.lens import Watched, join
from embedlab.model import attention
from embedlab.model.attention import BLOCK, attend
from embedlab.positions import build
from embedlab.positions.base import Scheme
from embedlab.positions.distance_rows import add_rows_of_keys, rows_of_queries, spread_distances
from embedlab.positions.forgetting import round_in_parts
from embedlab.positions.site import Site, square
from tests.positions.test_contract import every_scheme
from tests.positions.tiny_model import scheme as small_scheme

B, H, K, LAYERS, LONGEST = 2, 4, 4, 2, 2 * BLOCK + 3
D = H * K


def outputs_and_gradients(scheme: Scheme, T: int, exact: bool) -> list[Tensor]:
    generator = torch.Generator().manual_seed(T)
    q, k, v = (torch.randn(B, H, T, K, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3))
    x = torch.randn(B, T, D, generator=generator, dtype=torch.float64).requires_grad_()
    out = attend(scheme, q, k, v, x, LAYERS - 1, exact=exact)
    wanted = [q, k, v, x, *scheme.parameters()]
    gradients = torch.autograd.grad(
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum(), wanted, allow_unused=True
    )
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
    return [out.detach(), *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("T", [1, BLOCK - 1, BLOCK, BLOCK + 1, LONGEST])
@every_scheme
def test_blocks_equal_attention_at_once(name: str, settings: dict[str, Any], T: int) -> None:
    torch.manual_seed(0)
    scheme = build(name, embedding_dim=D, n_heads=H, n_layers=LAYERS, context_length=LONGEST, **settings).double()
    fast, exact = (outputs_and_gradients(scheme, T, exact) for exact in (False, True))
    torch.testing.assert_close(fast, exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("last", [1, 16, BLOCK + 1, LONGEST])
@every_scheme
def test_the_last_queries_alone(name: str, settings: dict[str, Any], last: int, exact: bool) -> None:
    torch.manual_seed(0)
    scheme = (
        build(name, embedding_dim=D, n_heads=H, n_layers=LAYERS, context_length=LONGEST, **settings).double().eval()
    )
    q, k, v = (torch.randn(B, H, LONGEST, K, dtype=torch.float64) for _ in range(3))
    x = torch.randn(B, LONGEST, D, dtype=torch.float64)
    with torch.no_grad():
        whole = attend(scheme, q, k, v, x, LAYERS - 1)
        alone = attend(scheme, q, k, v, x, LAYERS - 1, last=last, exact=exact)
    torch.testing.assert_close(alone, whole[:, :, -last:], rtol=1e-9, atol=1e-9)


class Spy(Scheme):
    """Records the sites and shapes that its hooks get."""

    def __init__(self) -> None:
        plain = small_scheme("none")
        super().__init__(plain.config, plain.shape)
        self.calls: list[tuple[str, list[int], list[int], int, tuple[int, ...]]] = []

    def note(self, hook: str, site: Site, *shapes: torch.Size) -> None:
        assert site.x is not None
        assert site.x.size(1) == len(site.keys)
        assert torch.equal(site.distances, site.queries[:, None] - site.keys)
        self.calls.append((hook, site.queries.tolist(), site.keys.tolist(), site.layer, *map(tuple, shapes)))

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        self.note("rotate", site, q.shape)
        return q, k

    def bias(self, site: Site) -> Tensor:
        self.note("bias", site)
        return -site.distances.double().expand(H, -1, -1)

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        self.note("score", site, q.shape, k.shape, logits.shape)
        assert logits[..., site.distances < 0].isneginf().all()
        return logits

    def weights(self, logits: Tensor, site: Site) -> Tensor:
        self.note("weights", site, logits.shape)
        return logits.exp()  # no softmax: rows do not sum to 1

    def values(self, weights: Tensor, v: Tensor, site: Site) -> Tensor:
        self.note("values", site, weights.shape, v.shape)
        return weights @ v


def test_hooks_get_the_rows_at_hand_and_all_keys_up_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "BLOCK", 3)
    spy, x, T = Spy(), torch.randn(B, 5, D, dtype=torch.float64), 5
    q, k, v = torch.randn(3, B, H, T, K, dtype=torch.float64)
    out = attend(spy, q, k, v, x, 1, positions=torch.arange(2, 7))
    everything, late, early = [2, 3, 4, 5, 6], [5, 6], [2, 3, 4]
    assert spy.calls[0] == ("rotate", everything, everything, 1, (B, H, 5, K))
    assert spy.calls[1:5] == [  # the last block first
        ("bias", late, everything, 1),
        ("score", late, everything, 1, (B, H, 2, K), (B, H, 5, K), (B, H, 2, 5)),
        ("weights", late, everything, 1, (B, H, 2, 5)),
        ("values", late, everything, 1, (B, H, 2, 5), (B, H, 5, K)),
    ]
    assert [(hook, queries, keys) for hook, queries, keys, *_ in spy.calls[5:]] == [
        (hook, early, early) for hook in ("bias", "score", "weights", "values")
    ]
    delta = torch.arange(5)[:, None] - torch.arange(5)
    expected = (q @ k.mT / K**0.5 - delta).exp().tril() @ v
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(attend(Spy(), q, k, v, x, 1, exact=True), expected)


@pytest.mark.parametrize("spacing", [1, 3])
@pytest.mark.parametrize(("Tq", "Tk", "rows"), [(1, 1, 1), (1, 5, 9), (3, 3, 2), (3, 7, 4), (4, 8, 20), (5, 12, 12)])
@pytest.mark.parametrize("heads", [True, False])
def test_rows_of_distance_are_those_of_a_slow_lookup(spacing: int, Tq: int, Tk: int, rows: int, heads: bool) -> None:
    positions = torch.arange(2, 2 + Tk) * spacing
    site = Site(positions[-Tq:], positions)
    assert site.consecutive == (spacing == 1 or Tk == 1)
    q, k = torch.randn(2, 3, Tq, K), torch.randn(2, 3, Tk, K)
    table = torch.randn(3, rows, K) if heads else torch.randn(rows, K)
    looked_up = table[..., site.distances.clamp(0, rows - 1), :].expand(3, -1, -1, -1)  # (H, Tq, Tk, K)
    seen = site.distances >= 0
    logits = torch.randn(2, 3, Tq, Tk)
    by_query, by_key = rows_of_queries(q, table, site), add_rows_of_keys(logits, k, table, site) - logits
    torch.testing.assert_close(by_query[..., seen], torch.einsum("bhik,hijk->bhij", q, looked_up)[..., seen])
    torch.testing.assert_close(by_key[..., seen], torch.einsum("bhjk,hijk->bhij", k, looked_up)[..., seen])
    values = torch.randn(3, rows)
    spread = spread_distances(values, site)
    assert torch.equal(spread, values[:, site.distances.clamp(0, rows - 1)])


@pytest.mark.parametrize("name", ["shaw", "forgetting", "t5", "rotary"])
def test_the_lens_joins_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for block in (BLOCK, 5):
        monkeypatch.setattr(attention, "BLOCK", block)
        watched = Watched(small_scheme(name))
        generator = torch.Generator().manual_seed(0)
        q, k, v = torch.randn(3, 1, H, 12, K, generator=generator)
        attend(watched, q, k, v, torch.randn(1, 12, D, generator=generator))
        seen.append((join(watched.logits[0], -torch.inf), join(watched.seen_weights[0], 0.0)))
    torch.testing.assert_close(*seen)


def test_sums_of_forgetting_keep_their_digits_in_bfloat16() -> None:
    sums = -torch.linspace(0, 900, 1000)
    parts = round_in_parts(sums, torch.bfloat16)
    assert all(part.dtype == torch.bfloat16 for part in parts)
    torch.testing.assert_close(sum(part.float() for part in parts), sums, rtol=1e-6, atol=1e-6)
    assert (sums.bfloat16().float() - sums).abs().max() > 1
    assert [part.dtype for part in round_in_parts(sums, torch.float32)] == [torch.float32]


def test_forgetting_in_bfloat16_is_close_over_a_long_window() -> None:
    torch.manual_seed(0)
    forgetting = build("forgetting", embedding_dim=D, n_heads=H, n_layers=1, context_length=512)
    q, k, v = torch.randn(3, 1, H, 512, K)
    x = torch.randn(1, 512, D)
    expected = attend(forgetting, q, k, v, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = attend(forgetting, *(part.bfloat16() for part in (q, k, v)), x.bfloat16())
    assert (half.float() - expected).abs().mean() < 0.02


class Mixing(Scheme):
    """Half of each token's channels come from the token before."""

    def mix(self, x: Tensor, site: Site) -> Tensor:
        half = x.size(-1) // 2
        return torch.cat([F.pad(x, (0, 0, 1, 0))[:, :-1, :half], x[..., half:]], dim=-1)


def test_mixing_is_served_by_fused_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = small_scheme("none")
    mixing = Mixing(plain.config, plain.shape)
    assert mixing.hooks() == {"mix"}
    monkeypatch.setattr(attention, "_attend_explicitly", None)
    q, k, v = torch.randn(3, B, H, 5, K)
    torch.testing.assert_close(attend(mixing, q, k, v), attend(plain, q, k, v))


def test_a_site_of_all_positions_is_square() -> None:
    site = square(torch.arange(3), layer=1)
    assert site._fields == ("queries", "keys", "layer", "x")
    assert site.distances.tolist() == [[0, -1, -2], [1, 0, -1], [2, 1, 0]]
    assert site.rows(1, 2).distances.tolist() == [[1, 0]]
