"""What counts as a setting, and what does not."""

from typing import Any

import pytest

from embedlab.runs.same_inputs import Inputs
from embedlab.runs.same_settings import deciding_settings, differences


def test_each_setting_that_differs_is_named() -> None:
    then = {"optimizer": {"lr": 0.002}, "seed": 1, "trainer": {"max_steps": 5}}
    now = {"optimizer": {"lr": 0.01}, "seed": 1, "trainer": {"max_steps": 5, "precision": "16-true"}}
    assert differences(then, now) == ["optimizer.lr=0.002, now 0.01", "trainer.precision=None, now 16-true"]
    assert differences(then, then) == []


def test_folders_are_not_settings() -> None:
    there = {"run_dir": "/a/run", "output_dir": "/a", "callbacks": {"best": {"dirpath": "/a/run/checkpoints"}}}
    here = {"run_dir": "/b", "output_dir": "/c", "callbacks": {"best": {"dirpath": "/b/checkpoints"}}}
    assert deciding_settings(there) == deciding_settings(here)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("embedlab.callbacks.best.Best", "embedlab.training.best.Best"),
        ("embedlab.resume.history.MetricsCSV", "embedlab.training.resume.history.MetricsCSV"),
        ("embedlab.resume.callback.Checkpoints", "embedlab.training.resume.callback.Checkpoints"),
        ("embedlab.callbacks.projector.Projector", "embedlab.tensorboard.projector.Projector"),
    ],
)
def test_the_module_of_one_of_our_classes_is_not_a_setting(then: str, now: str) -> None:
    assert differences({"callbacks": {"x": {"_target_": then}}}, {"callbacks": {"x": {"_target_": now}}}) == []


def test_another_class_is_a_setting() -> None:
    def targets(then: str, now: str) -> list[str]:
        return differences({"callbacks": {"x": {"_target_": then}}}, {"callbacks": {"x": {"_target_": now}}})

    assert targets("embedlab.training.best.Best", "embedlab.training.best.Last") == [
        "callbacks.x._target_=Best, now Last"
    ]
    assert targets("mine.Best", "other.Best") == ["callbacks.x._target_=mine.Best, now other.Best"]
    assert targets("embedlab.training.best.Best", "mine.Best") == ["callbacks.x._target_=Best, now mine.Best"]


def test_inputs_that_changed_are_named_with_both_hashes() -> None:
    now = Inputs("a" * 64, {"mine.py": "b" * 64, "new.py": "c" * 64})
    assert now.changes_since("a" * 64, {"mine.py": "b" * 64}) == []
    assert now.changes_since("d" * 64, {"mine.py": "e" * 64}) == [
        f"text: sha256 {'d' * 12}, now {'a' * 12}",
        f"mine.py: sha256 {'e' * 12}, now {'b' * 12}",
    ]
    others: tuple[Any, ...] = (None, "junk", [], {"mine.py": 3})
    for nothing in others:  # of 0.2.0, or of another program
        assert now.changes_since(None, nothing) == []
    assert Inputs(None, {}).changes_since("d" * 64, {"mine.py": "e" * 64}) == []  # no longer there
