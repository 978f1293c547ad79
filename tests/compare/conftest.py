"""Fixtures for the tests of the comparison."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from embedlab.compare import reading
from embedlab.compare.comparison import Comparison, compare
from embedlab.compare.finished_run import Run
from tests.compare import synthetic

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


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
