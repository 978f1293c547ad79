"""What charts draw: limits that one exploding line does not rule, binned positions, the Pareto front, tick labels."""

import math
import random
from collections.abc import Callable
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedlab.compare.charts.all_charts import charts, style_of
from embedlab.compare.charts.clipping import find_limits
from embedlab.compare.charts.frame import Chart
from embedlab.compare.charts.mean_curves import by_position
from embedlab.compare.comparison import Comparison, compare
from embedlab.compare.finished_run import Run
from embedlab.compare.metrics import Metric
from tests.compare import synthetic

LINES = st.lists(st.tuples(st.floats(1, 9), st.floats(0, 3)).map(lambda line: (line[0], line[0] + line[1])), min_size=5)


@given(LINES, st.booleans())
def test_limits_lose_only_far_lines(lines: list[tuple[float, float]], log: bool) -> None:
    lows, highs = zip(*lines, strict=True)
    limits = find_limits(lows, highs, log)
    kept = [line for line in lines if limits is None or (limits[0] <= line[0] and line[1] <= limits[1])]
    assert 2 * len(kept) > len(lines), "the usual lines, more than half, are always whole"


@pytest.mark.parametrize("log", [False, True])
def test_one_far_line_is_cut_off_and_a_wide_but_even_spread_is_not(log: bool) -> None:
    lows, highs = [2.0, 2.1, 2.2, 2.3, 2.4, 2.5], [3.0, 3.1, 3.2, 3.3, 3.4, 3.5]
    assert find_limits(lows, highs, log) is None
    limits = find_limits([*lows, 2.0], [*highs, 90.0], log)
    assert limits is not None and limits[0] < 2.0 and 3.5 < limits[1] < 4
    assert find_limits([*lows, 2.0], [*highs, 4.0], log) is None  # far out, but cutting it would gain little
    assert find_limits([1.0, 2.0], [3.0, 90.0], log) is None  # two lines have no usual range


def drawn(comparison: Comparison) -> dict[str, Chart]:
    return {chart.name: chart for chart in charts(comparison, comparison.groups[0], style_of(comparison))}


def test_loss_by_position_is_averaged_in_bins(runs_of: Callable[..., list[Run]]) -> None:
    found = synthetic.results("none", 1, bits=2.0)
    rng = random.Random(1)
    found["loss_by_position"] = losses = [5 / position + 2 + rng.gauss(0, 0.3) for position in range(1, 65)]
    (run,) = runs_of(found)
    points = by_position(Metric("test.loss"))(run)
    assert points[1] == losses[0] and points[2] == losses[1]
    whole = {math.sqrt(first * last): fmean(losses[first - 1 : last]) for first, last in ((32, 45), (46, 63), (64, 64))}
    assert {x: points[x] for x in whole} == pytest.approx(whole)
    assert len(points) <= 14


def test_a_pareto_chart_names_its_front(compared: Callable[..., Comparison]) -> None:
    found = drawn(compared({"none": [3.0, 3.1], "rotary": [2.0, 2.1], "alibi": [2.5, 2.6]}))
    assert found["pareto"].title == "Quality against training time"
    assert "Pareto front" in found["pareto"].about
    assert "seconds of training" in found["pareto"].svg


def test_a_far_mean_is_written_at_the_edge_of_the_ranking(compared: Callable[..., Comparison]) -> None:
    values = {f"s{i}": [2 + i / 10, 2.02 + i / 10] for i in range(8)}
    far = drawn(compared(values | {"far": [41.5, 41.5]}))["ranking"]
    assert "A triangle at the edge" in far.about and ">41.5  <" in far.svg
    assert "triangle" not in drawn(compared(values))["ranking"].about


def test_series_are_marked_in_the_svg_and_listed(runs_of: Callable[..., list[Run]]) -> None:
    comparison = compare(runs_of(*(synthetic.results(name, seed) for name in ("none", "rotary") for seed in (1, 2))))
    chart = drawn(comparison)["loss_by_position"]
    assert [entry.name for entry in chart.entries] == ["rotary", "none"]
    for entry in chart.entries:
        assert f'id="series-{entry.series}-' in chart.svg
