"""Fixtures for the tests of the comparison."""

from collections.abc import Callable
from typing import Any

import pytest

from embedlab.compare import reading
from embedlab.compare.comparison import Comparison, compare
from embedlab.compare.finished_run import Run
from tests.compare import synthetic


@pytest.fixture
def runs_of() -> Callable[..., list[Run]]:
    """runs_of({...}, …): runs as `read` returns them, from dictionaries of results.json, without files."""

    def make(*found: dict[str, Any]) -> list[Run]:
        runs = []
        for number, results in enumerate(found):
            settings = dict(reading.flatten(results["config"])) | {
                "position.name": results["position"],
                "seed": results["seed"],
            }
            runs.append(Run(f"run{number}", results["seed"], settings, results))
        return runs

    return make


@pytest.fixture
def compared(runs_of: Callable[..., list[Run]]) -> Callable[..., Comparison]:
    """compared({scheme: [value of each seed]}, …): a comparison of runs with these bits per byte."""

    def make(values: dict[str, list[float]], **options: Any) -> Comparison:
        return compare(
            runs_of(
                *(
                    synthetic.results(scheme, seed, bits=bits)
                    for scheme, each in values.items()
                    for seed, bits in enumerate(each, 1)
                )
            ),
            **options,
        )

    return make
