"""Which jobs a sweep has."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from embedlab.config.errors import UserError
from embedlab.sweep.points import Point, expand_points

RATES = ["position=none,t5", "optimizer.lr=1,2,3,4", "seed=1,2"]
INSTEAD = {"position=t5": {"optimizer.lr": "2,3", "position.scale": "1,8"}}


def points(params: list[str], arguments: list[str], instead: dict[str, dict[str, str]] | None = None) -> list[Point]:
    return expand_points(OverridesParser.create(), params, arguments, instead or {})


def test_every_combination_and_the_command_line_comes_first() -> None:
    assert points(["seed=1,2"], ["position=none,t5"]) == [
        ["seed=1", "position=none"],
        ["seed=1", "position=t5"],
        ["seed=2", "position=none"],
        ["seed=2", "position=t5"],
    ]
    assert points(["seed=1,2"], ["seed=7"]) == [["seed=7"]]
    assert points([], ["seed=1,1"]) == [["seed=1"]]  # a job is trained once


def test_another_budget_of_the_same_size() -> None:
    found = points(RATES, [], INSTEAD)
    assert len(found) == 16
    assert sum("position=t5" in point for point in found) == 8
    assert ["position=none", "optimizer.lr=4", "seed=2"] in found
    assert {tuple(point) for point in found if "position=t5" in point} == {
        ("position=t5", f"seed={seed}", f"optimizer.lr={lr}", f"position.scale={scale}")
        for seed in (1, 2)
        for lr in (2, 3)
        for scale in (1, 8)
    }


def test_values_of_the_command_line_are_kept() -> None:
    found = points(RATES, ["optimizer.lr=5", "seed=1"], INSTEAD)
    assert sorted(found) == [
        ["position=none", "optimizer.lr=5", "seed=1"],
        ["position=t5", "optimizer.lr=5", "seed=1", "position.scale=1"],
        ["position=t5", "optimizer.lr=5", "seed=1", "position.scale=8"],
    ]
    assert points(RATES, ["position=none", "seed=1", "optimizer.lr=1"], INSTEAD) == [
        ["position=none", "optimizer.lr=1", "seed=1"]
    ]


@pytest.mark.parametrize("instead", ["t5", ["t5"], {"position=t5": "position.scale=8"}])
def test_a_value_of_another_form_is_reported(instead: Any) -> None:
    with pytest.raises(UserError, match=r"hydra\.sweeper\.instead=.* is not a mapping of mappings"):
        points(RATES, [], instead)
