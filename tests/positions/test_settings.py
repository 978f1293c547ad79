"""Settings of the schemes: effects, errors, cautions; and counts of parameters."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from embedlab import positions
from embedlab.config.errors import UserError
from embedlab.positions.config import Shape
from tests.positions.tiny_model import D, H, L, TinyModel, scheme, some_ids

SHAPE = Shape(D, H, 3, L)
K = D // H
KEYS = [
    (name, field)
    for name in positions.names()
    for field in fields(positions.config_class(name))
    if field.name not in ("name", "file")
]
# Settings to compare if tripling a number or inverting a flag has no effect: (before, after).
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "bert_relative.scores": ({}, {"scores": "key"}),
    "cope.max_positions": ({}, {"max_positions": 3}),
    "deberta.buckets": ({}, {"buckets": 6}),
    "deberta.max_distance": ({}, {"max_distance": 5}),
    "drop_after.inner": ({}, {"inner": "alibi"}),
    "drop_after.step": ({}, {"step": 2}),
    "fire.threshold": ({}, {"threshold": 3.0}),
    "kerple.kernel": ({}, {"kernel": "power"}),
    "learned.init_std": ({}, {"init_std": 1.0}),
    "learned.past_end": ({}, {"past_end": "clamp"}),
    "per_layer.schemes": ({}, {"schemes": ["none", "rotary"]}),
    "randomized.inner": ({}, {"inner": "alibi"}),
    "randomized.evaluate": ({}, {"evaluate": "drawn"}),
    "randomized.longest": ({}, {"longest": 20}),
    "randomized.seed": ({}, {"seed": 1}),
    "rotary.factor": ({"scaling": "linear", "factor": 2.0}, {"scaling": "linear", "factor": 3.0}),
    "rotary.fraction": ({}, {"fraction": 0.5}),
    "rotary.layout": ({}, {"layout": "interleaved"}),
    "rotary.scaling": ({"scaling": "linear", "factor": 2.0}, {"scaling": "yarn", "factor": 2.0}),
    "sandwich.dims": ({}, {"dims": 64}),
    "shaw.clip": ({}, {"clip": 3}),
    "t5.buckets": ({}, {"buckets": 8}),
    "t5.max_distance": ({}, {"max_distance": 20}),
}
# Parameters of each scheme with its defaults, for n layers.
COUNTS: dict[str, Callable[[int], int]] = {
    "none": lambda n: 0,
    "learned": lambda n: L * D,
    "sinusoidal": lambda n: 0,
    "scaled_sinusoidal": lambda n: 1,
    "rotary": lambda n: 0,
    "xpos": lambda n: 0,
    "pope": lambda n: H * K,
    "alibi": lambda n: 0,
    "t5": lambda n: 32 * H,
    "kerple": lambda n: 2 * H,
    "sandwich": lambda n: 0,
    "fire": lambda n: n * (2 * 32 + 32 * H + H + 2),
    "shaw": lambda n: n * L * K,  # without the rows of distances below 0, which no causal pair has
    "bert_relative": lambda n: n * L * K,
    "transformer_xl": lambda n: n * (2 * H * K + D * D),
    "deberta": lambda n: L * D + n * 2 * D * D,
    "cope": lambda n: n * L * K,
    "forgetting": lambda n: n * H * (D + 1),
    "path": lambda n: n * (D * D + H * (D + 1)),
    "per_layer": lambda n: 0,
    "randomized": lambda n: 0,
    "drop_after": lambda n: 0,
}


def behaviour(name: str, settings: dict[str, Any]) -> list[Tensor]:
    """Return a model's logits in training, at its window and at twice that (or an empty tensor, if refused)."""
    model = TinyModel(name, **settings)
    model.scheme.at_step(3)
    outputs = [model(some_ids()), model.eval()(some_ids())]
    try:
        outputs.append(model(some_ids(T=2 * L)))
    except UserError:
        outputs.append(torch.zeros(0))
    return outputs


@pytest.mark.parametrize(("name", "field"), KEYS, ids=[f"{name}.{field.name}" for name, field in KEYS])
def test_every_setting_has_an_effect(name: str, field: Any) -> None:
    default = field.default if field.default is not MISSING else field.default_factory()
    if (key := f"{name}.{field.name}") in CHANGES:
        before, after = CHANGES[key]
    else:
        assert isinstance(default, bool | int | float), f"add to CHANGES how to change position.{key}"
        before, after = {}, {field.name: not default if isinstance(default, bool) else default * 3}
    pairs = zip(behaviour(name, before), behaviour(name, after), strict=True)
    assert any(a.shape != b.shape or not torch.allclose(a, b, atol=1e-6) for a, b in pairs)


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("name", positions.names())
def test_parameter_counts_follow_the_formulas(name: str, n_layers: int) -> None:
    assert scheme(name, n_layers).count_parameters() == COUNTS[name](n_layers)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("learned", {}), ("deberta", {}), ("bert_relative", {}), ("shaw", {}), ("shaw", {"values": True, "clip": 3})],
)
def test_only_rows_that_get_a_gradient_are_counted(name: str, settings: dict[str, Any]) -> None:
    model = TinyModel(name, **settings)
    model(some_ids()).square().sum().backward()
    rows = [row for p in model.scheme.parameters() if p.grad is not None for row in p.grad.flatten(0, -2)]
    assert sum(len(row) for row in rows if row.any()) == model.scheme.count_parameters()


def test_value_vectors_double_shaws_parameters() -> None:
    assert scheme("shaw", 2, values=True, clip=3).count_parameters() == 2 * 2 * 4 * K


@pytest.mark.parametrize("outer", [{"name": "randomized", "inner": "shaw"}, {"name": "per_layer", "schemes": ["shaw"]}])
def test_a_composed_scheme_counts_as_its_schemes_do(outer: dict[str, Any]) -> None:
    length = 4 * L if outer["name"] == "randomized" else L
    assert scheme(outer.pop("name"), 2, **outer).count_parameters() == 2 * length * K


@pytest.mark.parametrize("name", positions.names())
def test_settings_are_checked_without_the_scheme_itself(name: str) -> None:
    config = positions.configure(name)
    config.validate(SHAPE)
    assert isinstance(config.cautions(SHAPE), list)
    assert (Path(__file__).parents[2] / "conf" / "position" / f"{name}.yaml").is_file()


@pytest.mark.parametrize(
    ("spec", "shape", "part"),
    [
        ("alibi", SHAPE._replace(n_heads=1), "slope 0.004"),
        ({"name": "t5", "buckets": 32, "max_distance": 128}, SHAPE._replace(context_length=64), "leaves 5 buckets"),
        ({"name": "fire", "threshold": 512.0}, SHAPE, "far over the window"),
        ({"name": "cope", "max_positions": 64}, SHAPE, "never trained"),
        ({"name": "deberta", "max_distance": 64}, SHAPE, "leaves 52 rows"),
        ({"name": "per_layer", "schemes": ["rotary", "rotary", "rotary", "none"]}, SHAPE, "never act"),
        ({"name": "per_layer", "schemes": [{"name": "fire", "threshold": 512.0}]}, SHAPE, "far over the window"),
        ({"name": "drop_after", "inner": "alibi"}, SHAPE._replace(n_heads=1, n_steps=9), "slope 0.004"),
        ({"name": "drop_after", "step": 1000}, SHAPE._replace(n_steps=120), "position.step=1000 is past the 120 steps"),
        ({"name": "drop_after"}, SHAPE, "trainer.max_steps, which is not given, so the scheme is never dropped"),
    ],
)
def test_cautions(spec: Any, shape: Shape, part: str) -> None:
    (caution,) = positions.configure(spec).cautions(shape)
    assert part in caution


@pytest.mark.parametrize("length", [17, 32, 48, 64, 100, 256, 1000])
def test_t5_uses_all_its_buckets_by_default_if_the_window_is_long_enough(length: int) -> None:
    config = positions.configure("t5")
    assert bool(config.cautions(SHAPE._replace(context_length=length))) == (length < 48)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("rotary", {"layout": "halves"}, "position.layout=halves"),
        ("rotary", {"factor": 2.0}, "position.factor=2.0"),
        ("rotary", {"scaling": "yarn"}, "position.factor=1.0"),
        ("rotary", {"fraction": 0.1}, "position.fraction=0.1"),
        ("rotary", {"fraction": 1.5}, "position.fraction=1.5"),
        ("rotary", {"base": 1.0}, "position.base=1.0"),
        ("t5", {"buckets": 8, "max_distance": 4}, "position.max_distance=4"),
        ("t5", {"buckets": 1}, "position.buckets=1"),
        ("t5", {"scale": 0.0}, "position.scale=0.0"),
        ("sandwich", {"dims": 7}, "position.dims=7"),
        ("fire", {"c": 0.0}, "position.c=0.0"),
        ("deberta", {"buckets": 24}, "at most 20"),
        ("xpos", {"scale_base": 0.0}, "position.scale_base=0.0"),
        ("kerple", {"kernel": "linear"}, "position.kernel=linear"),
        ("shaw", {"clip": -1}, "position.clip=-1"),
        ("cope", {"max_positions": 0}, "position.max_positions=0"),
        ("bert_relative", {"scores": "query"}, "position.scores=query"),
        ("learned", {"past_end": "wrap"}, "position.past_end=wrap"),
        ("alibi", {"slope": 2}, "position=alibi"),
        ("rotery", {}, "position=rotery is unknown"),
    ],
)
def test_mistakes_are_reported(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        scheme(name, **settings)


def test_xpos_refuses_heads_of_odd_width() -> None:
    with pytest.raises(UserError, match="a head has 3 dimensions"):
        positions.build("xpos", embedding_dim=6, n_heads=2, n_layers=1, context_length=L)
