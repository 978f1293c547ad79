"""With strange values for every setting, a command works, or prints one line and ends with exit status 1."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.field.forked import train_py
from tests.field.strange import VALUES, composer, keys

KEYS = keys()
VALUE = st.one_of(
    st.sampled_from(VALUES),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.text("abc'\"\\$={}[](),:~ é\n0", max_size=8),
    st.lists(st.sampled_from(VALUES[:22]), max_size=3).map(lambda values: f"[{','.join(values)}]"),
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def line() -> Callable[[Sequence[str]], str | None]:
    return composer()


def test_usual_settings_pass_the_checks(line: Callable[[Sequence[str]], str | None]) -> None:
    """Else the next test would see the checks' own failures as lines that a user reads."""
    assert line([]) is None
    assert line(["position=rotary", "position.base=100", "seed=3", "+trainer.profiler=simple"]) is None
    assert line(["seed=-1"]) == "seed=-1 is too small: give at least 0"


@given(st.sampled_from(KEYS), VALUE)
@settings(max_examples=2000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_composing_a_strange_value_works_or_is_one_line(
    line: Callable[[Sequence[str]], str | None], key: tuple[str, ...], value: str
) -> None:
    said = line([*key[:-1], f"{key[-1]}={value}"])
    assert said is None or (said.strip() and "\n" not in said), said


def real_cases() -> list[list[str]]:
    """Return overrides of real runs: some of whole groups, half of the rest settings of schemes, half any other."""
    draw = random.Random(0)
    whole = [("corpus",), ("trainer",), ("run_dir",)]
    of_schemes = [key for key in KEYS if key[0].startswith("position=")]
    others = [key for key in KEYS if key not in of_schemes and key not in whole]
    chosen = [draw.choice(half) for half in (of_schemes, others) for _ in range(30)]
    chosen += [key for key in whole for _ in range(5)]
    cases = [[*choice, f"{key}={draw.choice(VALUES)}"] for *choice, key in chosen]
    return [case for case in cases if not case[-1].startswith(("output_dir=/", "cache_dir=/"))]  # outside the test


@pytest.mark.parametrize("overrides", real_cases(), ids=" ".join)
def test_a_strange_value_runs_or_is_one_line(field: list[str], tmp_path: Path, overrides: list[str]) -> None:
    ended = train_py([*field, *overrides], tmp_path)
    assert "Traceback" not in ended.said, ended.said
    if ended.status:
        assert ended.status == 1, ended.said
        assert sum(text.startswith("error: ") for text in ended.said.splitlines()) == 1, ended.said
        assert not list(tmp_path.rglob("results.json")) or "diverged" in ended.said
    elif "${" not in overrides[-1]:  # of a folder: it is not below this one
        assert list(tmp_path.rglob("results.json")), ended.said
