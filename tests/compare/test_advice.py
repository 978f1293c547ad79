"""Advice for a choice: the best, ties, what to avoid, each with its evidence; unstable settings by simulation."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedlab.compare.__main__ import FINE, main
from embedlab.compare.advice import add_advice
from embedlab.compare.comparison import Comparison, compare
from embedlab.compare.costs import pareto_front
from embedlab.compare.finished_run import Run
from embedlab.compare.stability import find_unstable
from tests.compare import synthetic

TRIAL = {  # four seeds each, as version 0.2.0 measured them in 600 steps at width 64; kerple is unstable
    "forgetting": 2.751,
    "rotary": 2.779,
    "shaw": 2.845,
    "alibi": 3.105,
    "t5": 3.382,
    "learned": 3.468,
    "none": 3.670,
    "scaled_sinusoidal": 3.867,
    "sinusoidal": 4.556,
}
KERPLE = [2.90, 3.34, 2.98, 3.28]


def trial() -> dict[str, list[float]]:
    """Return {scheme: value of each seed}; rotary is so near to forgetting that the seeds cannot tell."""
    rng = random.Random(1)
    values = {name: [mean + rng.gauss(0, 0.02) for _ in range(4)] for name, mean in TRIAL.items()}
    return values | {"kerple": KERPLE}


def sentences(comparison: Comparison) -> dict[str, str]:
    add_advice(comparison)
    found: dict[str, str] = {}
    for advice in comparison.groups[0].advice:
        found[advice.topic] = f"{found.get(advice.topic, '')} {advice.sentence}".strip()
    return found


def test_the_best_what_ties_and_what_to_avoid(compared: Callable[..., Comparison]) -> None:
    comparison = compared(trial())
    found = sentences(comparison)
    rows = {row.label: row for row in comparison.rows}
    best = found["At the trained length"]
    assert best.startswith(f"forgetting is the best so far ({rows['forgetting'].mean.mean:.3f}")
    ties, _, rest = best.partition("These seeds cannot tell it apart from")[2].partition(";")
    pairs = {pair.b.label: pair for pair in comparison.groups[0].pairs if pair.a.label == "forgetting"}
    assert {name for name in TRIAL if re.search(rf"\b{name} \(", ties)} == {
        name for name, pair in pairs.items() if not pair.told_apart and name != "kerple"
    }
    assert rest.strip() == f"{sum(pair.told_apart for pair in pairs.values())} of 9 others are worse."
    worst = rows["sinusoidal"].difference
    assert worst is not None
    assert found["To avoid"].startswith("sinusoidal and scaled_sinusoidal are worse than none by ")
    assert re.search(rf" to {worst.mean:.3f} bits/byte \(p [<≤] 0\.\d+, 4 seeds\)", found["To avoid"])


def test_the_best_alone_is_told_apart_from_all_others(compared: Callable[..., Comparison]) -> None:
    found = sentences(compared({"rotary": [2.0, 2.01, 2.02], "none": [3.0, 3.012, 3.02]}))
    assert re.search(
        r"told apart from the other; the nearest is none \(1\.\d+ bits/byte away, 95 % .*p ",
        found["At the trained length"],
    )
    assert "To avoid" not in found


def test_one_seed_asks_for_more(compared: Callable[..., Comparison]) -> None:
    found = sentences(compared({"rotary": [2.0], "none": [3.0]}))
    assert found["At the trained length"].endswith(
        "no pair can be tested, so nothing is known of chance: run more seeds."
    )


def test_an_unstable_setting_is_named_with_its_seeds(compared: Callable[..., Comparison]) -> None:
    comparison = compared(trial())
    assert [row.label for row in find_unstable(comparison.groups[0])] == ["kerple"]
    assert (
        "kerple is unstable: 2.900, 2.980 (seeds 1, 3) and 3.280, 3.340 (seeds 4, 2)."
        in sentences(comparison)["To avoid"]
    )


def longer(scheme: str, seed: int, bits: list[float | None]) -> dict[str, Any]:
    """Return results with these bits per byte at 1, 2, 4 … times the window of 64; None is not defined."""
    rng = random.Random(f"{scheme}{seed}")
    found = synthetic.results(scheme, seed, bits=(bits[0] or 0) + rng.gauss(0, 0.005))
    found["extrapolation"] = [
        {
            "context_length": 64 * 2**i,
            "protocol": "sliding",
            "bits_per_byte": None if value is None else value + rng.gauss(0, 0.005),
            "loss": value,
            "defined": value is not None,
            "note": "" if value is not None else "undefined past its table",
        }
        for i, value in enumerate(bits)
    ]
    return found


def test_past_the_trained_length(runs_of: Callable[..., list[Run]]) -> None:
    curves: dict[str, list[float | None]] = {
        "rotary": [2.77, 2.9, 4.8],
        "alibi": [2.90, 2.89, 2.88],
        "kerple": [2.76, 2.74, 2.74],
        "learned": [3.0, None, None],
    }
    runs = runs_of(*(longer(name, seed, bits) for name, bits in curves.items() for seed in (1, 2, 3, 4)))
    found = sentences(compare(runs))["Past the trained length"]
    assert found.startswith("kerple is the best at 256 tokens (2.7")
    assert re.search(r"told apart from all others there; the nearest is alibi \(\+0\.1\d+, p . 0\.0", found)
    assert re.search(r"To avoid there, because worse than at 64 tokens: rotary \(\+2\.0\d+, p < 0\.001\)\.", found)
    assert "Not defined at 256 tokens: learned (undefined past its table)." in found


def with_cost(scheme: str, seed: int, bits: float, parameters: int, seconds: float) -> dict[str, Any]:
    found = synthetic.results(scheme, seed, bits=bits + random.Random(f"{scheme} {seed}").gauss(0, 0.004))
    found["parameters"]["total"], found["train_seconds"] = parameters, seconds
    found["extrapolation"] = []
    return found


def test_per_parameter_and_per_second(runs_of: Callable[..., list[Run]]) -> None:
    table = {  # bits, parameters, seconds
        "none": (3.6, 1000, 10.0),
        "rotary": (2.8, 1000, 10.2),  # as fast as none within the noise of a clock
        "shaw": (2.7, 1200, 30.0),
        "deberta": (3.0, 1500, 40.0),  # dearer and worse than shaw
    }
    runs = runs_of(*(with_cost(name, seed, *row) for name, row in table.items() for seed in (1, 2, 3, 4, 5)))
    found = sentences(compare(runs))
    for topic, front, more in (
        (
            "Per parameter",
            r"rotary \(2\.8\d\d for 1,000 parameters\) and shaw \(2\.[67]\d\d for 1,200 parameters\)",
            "25 %",
        ),
        (
            "Per second",
            r"rotary \(2\.8\d\d for 10\.2 s of training\) and shaw \(2\.[67]\d\d for 30 s of training\)",
            "33 %",
        ),
    ):
        assert re.search(rf"{front}\. Each step is beyond chance \(p ", found[topic]), found[topic]
        assert re.search(rf"dearer and worse: deberta \({more} more than shaw, worse by 0\.3\d+, p ", found[topic])


def test_the_front_against_its_definition(compared: Callable[..., Comparison]) -> None:
    """A row is on the front if no other one is at most as dear and better."""
    rng = random.Random(4)
    rows = compared({f"s{i}": [rng.uniform(2, 4)] for i in range(40)}).rows
    points = [(row, rng.uniform(1, 9)) for row in rows]
    expected = {
        row.label
        for row, cost in points
        if not any(other.mean.mean < row.mean.mean and its <= cost for other, its in points)
    }
    front = pareto_front(points, higher_is_better=False)
    assert {row.label for row, _ in front} == expected
    assert [cost for _, cost in front] == sorted(cost for _, cost in front)


def test_every_sentence_has_its_evidence_in_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = synthetic.sweep(tmp_path / "sweep", seeds=4)
    assert main([str(sweep), "--output", str(tmp_path / "out")]) == FINE
    shown = " ".join(capsys.readouterr().out.split())
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())["advice"]
    assert {"At the trained length", "Past the trained length", "Per parameter", "Per second"} <= {
        advice["topic"] for advice in found
    }
    page, draft = ((tmp_path / "out" / name).read_text() for name in ("report.html", "comparison.md"))
    for advice in found:
        assert re.search(r"p [=<≤] \d|seeds|undefined", advice["sentence"]), advice
        assert advice["sentence"] in shown
        assert advice["topic"] in page and advice["topic"] in draft
    assert found[0]["sentence"][:40] in page
