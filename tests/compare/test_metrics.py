"""Metrics by which runs are ranked: a wrong one is refused with those that the runs have."""

from collections.abc import Callable

import pytest

from embedlab.compare.finished_run import Run
from embedlab.compare.metrics import choose_metric
from embedlab.config.errors import UserError
from tests.compare.synthetic import results

LENGTHS = "extrapolation.64, extrapolation.128, extrapolation.256, extrapolation.512"
LISTED = {
    "extrapolation.333": LENGTHS,
    "extrapolation": LENGTHS,
    "extrapolation.64.gliding": LENGTHS,
    "order_sensitivity.2": "order_sensitivity.0, order_sensitivity.1, order_sensitivity.4, order_sensitivity.16",
    "test.bits": "for example test.bits_per_byte, val.bits_per_byte, test.loss, val.loss, val.perplexity",
}


@pytest.mark.parametrize("asked", LISTED)
def test_a_metric_that_no_run_has_is_refused_with_those_there_are(
    runs_of: Callable[..., list[Run]], asked: str
) -> None:
    runs = runs_of(results("none"), results("learned"))
    with pytest.raises(UserError) as caught:
        choose_metric(asked, runs)
    assert str(caught.value).startswith(f"--metric {asked}: no run has this number; they have {LISTED[asked]}")


def test_a_length_at_which_no_run_is_defined_is_not_listed(runs_of: Callable[..., list[Run]]) -> None:
    with pytest.raises(UserError, match=r"they have extrapolation\.64$"):
        choose_metric("extrapolation.333", runs_of(results("learned")))
