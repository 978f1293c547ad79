"""What every scheme must do; new schemes are included by their names."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.config.errors import UserError
from embedlab.positions import names
from tests.positions.tiny_model import N_LAYERS, L, TinyModel, some_ids

# Settings that use another branch of a scheme's code; every scheme also runs with its defaults.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("learned", {"past_end": "clamp"}),
    ("rotary", {"layout": "interleaved", "fraction": 0.5}),
    ("rotary", {"scaling": "linear", "factor": 4}),
    ("rotary", {"scaling": "ntk", "factor": 4}),
    ("rotary", {"scaling": "yarn", "factor": 4}),
    ("shaw", {"values": True, "clip": 3}),
    ("t5", {"buckets": 8}),
    ("kerple", {"kernel": "power"}),
    ("fire", {"threshold": 2}),
    ("deberta", {"buckets": 6}),
    ("bert_relative", {"scores": "key"}),
    ("cope", {"max_positions": 3}),
]
CASES: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in names()] + VARIANTS
# Schemes whose result depends on the position itself, not only on distances.
ABSOLUTE = {"learned", "sinusoidal", "scaled_sinusoidal"}

EXPLICIT = {"score", "weights", "values"}  # hooks that need logits or weights

every_scheme = pytest.mark.parametrize(
    ("name", "settings"), CASES, ids=lambda part: part if isinstance(part, str) else ",".join(map(str, part.values()))
)


def same(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> bool:
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


@every_scheme
def test_gradients_are_finite_and_reach_every_parameter(name: str, settings: dict[str, Any]) -> None:
    model = TinyModel(name, **settings)
    logits = model(some_ids())
    assert logits.isfinite().all()
    logits.logsumexp(-1).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@every_scheme
def test_later_tokens_do_not_change_earlier_outputs(name: str, settings: dict[str, Any]) -> None:
    model = TinyModel(name, **settings).eval()
    ids = some_ids()
    for t in (1, L // 2, L - 1):
        changed = ids.clone()
        changed[:, t:] = (changed[:, t:] + 1) % 11
        assert same(model(ids)[:, :t], model(changed)[:, :t], 1e-6)
        assert not same(model(ids)[:, t:], model(changed)[:, t:])


@every_scheme
def test_fused_attention_equals_explicit_logits(name: str, settings: dict[str, Any]) -> None:
    model, ids = TinyModel(name, **settings), some_ids()
    with torch.no_grad():  # without training, learned biases use the fused path too
        assert same(model(ids), model(ids, exact=True))
    gradients = []
    for exact in (False, True):
        model.zero_grad()
        model(ids, exact=exact).logsumexp(-1).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert same(*gradients, tolerance=1e-4)


@every_scheme
def test_fused_attention_serves_all_but_score_weights_and_values(
    name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fused, calls = F.scaled_dot_product_attention, []
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or fused(*a, **k))
    model = TinyModel(name, **settings)
    layers = [model.scheme.hooks(layer) for layer in range(N_LAYERS)]
    with torch.no_grad():
        model(some_ids())
    assert len(calls) == sum(not hooks & EXPLICIT for hooks in layers)
    fixed = sum(not hooks & EXPLICIT and not trains_bias(model, hooks) for hooks in layers)
    calls.clear()
    model(some_ids())
    assert len(calls) == fixed  # a learned bias gets no gradient from the CPU's fused kernel


def trains_bias(model: TinyModel, hooks: frozenset[str]) -> bool:
    return "bias" in hooks and any(parameter.requires_grad for parameter in model.scheme.parameters())


@every_scheme
def test_saved_parameters_give_the_same_model(name: str, settings: dict[str, Any]) -> None:
    model, other = TinyModel(name, **settings), TinyModel(name, init_seed=5, **settings)
    other.load_state_dict(model.state_dict())
    assert same(model(some_ids()), other(some_ids()), 0)


@every_scheme
def test_float64_and_bfloat16_agree_with_float32(name: str, settings: dict[str, Any]) -> None:
    model, ids = TinyModel(name, **settings).eval(), some_ids()
    single = model(ids)
    double = model.double()(ids)
    assert double.dtype == torch.float64
    assert same(double, single.double(), 1e-4)
    half = model.bfloat16()(ids)
    assert half.dtype == torch.bfloat16
    assert (half.double() - double).abs().mean() < 0.2  # logits of size 4; bfloat16 keeps 8 bits


@every_scheme
def test_a_text_gives_the_same_logits_alone_and_in_a_batch(name: str, settings: dict[str, Any]) -> None:
    model, ids = TinyModel(name, **settings).eval(), some_ids()
    alone = torch.cat([model(row[None]) for row in ids])
    assert same(model(ids), alone)


@every_scheme
def test_shorter_windows_are_prefixes(name: str, settings: dict[str, Any]) -> None:
    model, ids = TinyModel(name, **settings).eval(), some_ids()
    for T in (1, 2, L - 1):
        assert same(model(ids[:, :T]), model(ids)[:, :T])


@every_scheme
def test_longer_windows_are_finite_or_refused(name: str, settings: dict[str, Any]) -> None:
    model, ids = TinyModel(name, **settings).eval(), some_ids(T=3 * L)
    longest = model.scheme.max_context_length
    assert model.scheme.beyond
    if longest is None:
        logits = model(ids)
        assert logits.isfinite().all()
        assert same(logits[:, :L], model(ids[:, :L]))
    else:
        assert model(ids[:, :longest]).isfinite().all()
        with pytest.raises(UserError, match=str(longest)):
            model(ids[:, : longest + 1])


@every_scheme
def test_only_absolute_schemes_depend_on_an_offset(name: str, settings: dict[str, Any]) -> None:
    model, ids = TinyModel(name, **settings).eval(), some_ids(T=L - 4)
    plain, shifted = model(ids), model(ids, positions=torch.arange(4, L))
    past_fires_threshold = settings.get("threshold", L) < L  # from there on FIRE divides by the query's position
    assert same(plain, shifted) == (name not in ABSOLUTE and not past_fires_threshold)


@every_scheme
def test_table_is_a_matrix_of_finite_numbers(name: str, settings: dict[str, Any]) -> None:
    table = TinyModel(name, **settings).scheme.table()
    assert table is None or (table.dim() == 2 and bool(table.isfinite().all()))
