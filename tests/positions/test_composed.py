"""Schemes made of others, compared with the others themselves."""

from collections.abc import Callable

import pytest
import torch

from embedlab.config.errors import UserError
from embedlab.model.attention import attend
from embedlab.positions.composed import Composed
from embedlab.positions.config import shape_of
from embedlab.positions.site import square
from tests.positions.tiny_model import L, TinyModel, scheme, some_ids


def qkv(T: int = L) -> torch.Tensor:
    return torch.randn(3, 2, 4, T, 4, generator=torch.Generator().manual_seed(0))


def test_per_layer_uses_schemes_in_turn() -> None:
    both = scheme("per_layer", n_layers=5, schemes=["t5", "none", {"name": "rotary", "base": 50.0}])
    t5, rotary = scheme("t5", n_layers=2), scheme("rotary", base=50.0)
    for layer, expected in enumerate([t5, scheme("none"), rotary, t5, scheme("none")]):
        assert both.hooks(layer) == expected.hooks()
        assert torch.equal(attend(both, *qkv(), layer=layer), attend(expected, *qkv()))


def test_per_layer_makes_parameters_only_for_the_layers_that_a_scheme_serves() -> None:
    both = scheme("per_layer", n_layers=5, schemes=["shaw", "none", "shaw"])  # layers 0, 2, 3, 5 …
    assert [part.keys.size(0) for part in both.schemes if hasattr(part, "keys")] == [3]
    last = scheme("shaw", n_layers=3)
    assert torch.equal(attend(both, *qkv(), layer=3), attend(last, *qkv(), layer=2))


def test_a_scheme_of_the_input_acts_once_in_any_layers_turn() -> None:
    both = scheme("per_layer", n_layers=4, schemes=["rotary", "learned"])
    x = torch.zeros(1, L, 16)
    assert torch.equal(both.embed(x, square(torch.arange(L)))[0], both.table())
    assert "embed" in both.hooks(0)
    assert both.max_context_length == L


def test_randomized_positions_are_sorted_distinct_and_the_same_within_a_step() -> None:
    drawn = scheme("randomized", longest=40)
    positions = torch.arange(L)
    by_step = []
    for step in range(20):
        drawn.at_step(step)
        drawn_positions = drawn.inner_positions(positions)
        assert torch.equal(drawn_positions, drawn.inner_positions(positions))
        assert bool((drawn_positions.diff() > 0).all())
        assert 0 <= int(drawn_positions[0]) <= int(drawn_positions[-1]) < 40
        by_step.append(tuple(drawn_positions.tolist()))
    assert len(set(by_step)) == 20
    resumed = scheme("randomized", longest=40)
    resumed.at_step(19)
    assert tuple(resumed.inner_positions(positions).tolist()) == by_step[19]


@pytest.mark.parametrize("evaluate", [False, True])
def test_randomized_draws_other_positions_under_every_seed(evaluate: bool) -> None:
    def drawn(**settings: int) -> list[int]:
        made = scheme("randomized", longest=40, evaluate="drawn", **settings).train(not evaluate)
        assert isinstance(made, Composed)
        return made.inner_positions(torch.arange(L)).tolist()

    by_seed = [drawn(run_seed=seed) for seed in range(10)]
    assert len(set(map(tuple, by_seed))) == 10
    assert drawn(run_seed=3) == by_seed[3]
    assert drawn(run_seed=3, seed=7) == by_seed[7]  # the setting replaces the run's seed


def test_randomized_does_not_advance_other_random_streams() -> None:
    drawn = scheme("randomized")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    attend(drawn, *qkv())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("inner", ["rotary", "learned", "t5", "shaw", "bert_relative", "transformer_xl"])
def test_randomized_is_its_inner_scheme_at_the_drawn_positions(inner: str) -> None:
    model = TinyModel("randomized", inner=inner, longest=30)
    model.scheme.at_step(5)
    assert isinstance(model.scheme, Composed)
    drawn_positions = model.scheme.inner_positions(torch.arange(L))
    drawn = model(some_ids())
    plain = model.eval()(some_ids())
    model.scheme = model.scheme.inner(0)[0]
    assert torch.allclose(drawn, model(some_ids(), positions=drawn_positions), atol=1e-6)
    assert torch.allclose(plain, model(some_ids()), atol=1e-6)
    assert not torch.allclose(drawn, plain, atol=1e-5)


def test_randomized_draws_in_evaluation_on_request() -> None:
    drawn = scheme("randomized", longest=30, evaluate="drawn").eval()
    drawn_positions = drawn.inner_positions(torch.arange(L))
    assert int(drawn_positions[-1]) > L
    drawn.at_step(7)
    assert torch.equal(drawn_positions, drawn.inner_positions(torch.arange(L)))
    with pytest.raises(UserError, match="longest=30"):
        drawn.inner_positions(torch.arange(31))


@pytest.mark.parametrize("inner", ["rotary", "learned", "alibi", {"name": "shaw", "clip": 2}])
def test_drop_after_is_its_inner_scheme_and_then_none(inner: str | dict[str, object]) -> None:
    model, ids = TinyModel("drop_after", inner=inner, step=3), some_ids()
    with_scheme = model(ids)
    for step in range(3):
        model.scheme.at_step(step)
    assert torch.equal(model(ids), with_scheme)
    model.scheme.at_step(3)
    without = model(ids)
    assert model.scheme.hooks() == frozenset()
    assert model.scheme.max_context_length is None
    model.scheme = scheme("none")
    assert torch.equal(without, model(ids))


@pytest.mark.parametrize(
    ("n_steps", "step", "drops_at"), [(120, None, 96), (1, None, 1), (120, 50, 50), (None, 50, 50), (120, 120, None)]
)
def test_drop_after_drops_after_four_fifths_or_at_its_step(
    n_steps: int | None, step: int | None, drops_at: int | None
) -> None:
    dropping = scheme("drop_after", inner="alibi", n_steps=n_steps, step=step)
    hooks = []
    for now in range(200):
        dropping.at_step(now)
        hooks.append(bool(dropping.hooks()))
        assert dropping.settled == (drops_at is None or now >= drops_at)
    assert hooks.index(False) == drops_at if drops_at else all(hooks)


def test_a_scheme_with_an_inner_scheme_that_will_change_is_not_settled() -> None:
    both = scheme("per_layer", schemes=["rotary", {"name": "drop_after", "step": 5}])
    assert not both.settled
    both.at_step(5)
    assert both.settled


def test_a_saved_model_restores_that_its_scheme_is_removed() -> None:
    model, loaded = TinyModel("drop_after", inner="learned", step=1), TinyModel("drop_after", inner="learned", step=1)
    model.scheme.at_step(1)
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(loaded(some_ids(T=2 * L)), model(some_ids(T=2 * L)))


def test_command_line_settings_reach_inner_schemes(make_config: Callable[..., object]) -> None:
    config = make_config("position=per_layer", "position.schemes=[rotary,rotary,{name: t5, buckets: 8},none]")
    assert [part.name for part, _, _ in config.position.parts(shape_of(config)._replace(n_layers=4))] == [
        "rotary",
        "t5",
        "none",
    ]
    config = make_config("position=randomized", "position.inner={name: rotary, layout: interleaved}")
    assert config.position.inner == {"name": "rotary", "layout": "interleaved"}


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("per_layer", {"schemes": []}, r"position.schemes=\[\]"),
        ("per_layer", {"schemes": ["rotry"]}, "position=rotry is unknown"),
        ("per_layer", {"schemes": [{"base": 3}]}, "names no scheme"),
        ("per_layer", {"schemes": [{"name": "t5", "bucket": 3}]}, r"position.schemes=t5: \+bucket names no setting"),
        (
            "drop_after",
            {"inner": {"name": "t5", "buckets": "many"}},
            r"position.inner.buckets=many cannot be used: give a whole number",
        ),
        ("drop_after", {"step": 0}, "position.step=0"),
        ("randomized", {"longest": 5}, "position.longest=5"),
        ("randomized", {"inner": "forgetting"}, "position.inner=forgetting"),
    ],
)
def test_mistakes_are_reported(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        scheme(name, **settings)
