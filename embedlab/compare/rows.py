"""Rows of a ranking, and the runs that may be ranked together."""

from dataclasses import dataclass, field
from typing import Any

from embedlab.compare import statistics
from embedlab.compare.reading import Run

Trial = tuple[tuple[str, float], ...]  # (setting, value) of what is tuned: learning rate, scale of the bias


def shown(trial: Trial) -> str:
    """`lr 0.002, scale 8`."""
    return ", ".join(f"{key.rpartition('.')[2]} {value:g}" for key, value in trial)


@dataclass(slots=True)
class Row:
    """One setting of a ranking."""

    keys: dict[str, Any]  # the varying settings that make it
    label: str
    colour_key: str  # rows that share it (a scheme at several widths) share a colour
    runs: list[Run]  # those that count: of the trial chosen, with a finite metric
    lost: int  # runs without a finite metric
    by_seed: dict[int, float]
    mean: statistics.Mean
    tuned: Trial | None = None  # chosen by validation from `tried`
    tried: dict[Trial, list[Run]] = field(default_factory=dict)
    spread: float | None = None  # validation figure of the worst trial less that of the best
    is_baseline: bool = False
    baseline: str = ""
    difference: statistics.Difference | None = None
    unpaired: list[int] = field(default_factory=list)  # seeds in `mean` that no pair of `difference` holds
    unpaired_baseline: list[int] = field(default_factory=list)  # and those of the baseline's mean
    p: float | None = None  # Holm-corrected
    more_seeds: int | None = None

    @property
    def decided(self) -> bool:
        """Whether the difference from the baseline is beyond chance at statistics.LEVEL."""
        return self.p is not None and self.p < statistics.LEVEL

    @property
    def outside_pairs(self) -> str:
        """`7 of rotary; 1 of none`: seeds that the means hold and the difference does not; "" where there is none."""
        sides = ((self.unpaired, self.label), (self.unpaired_baseline, self.baseline))
        return "; ".join(f"{', '.join(map(str, seeds))} of {label}" for seeds, label in sides if seeds)

    def average(self, *keys: str) -> float | None:
        """Mean over the runs of another number of results.json."""
        found = [value for run in self.runs if (value := run.number(*keys)) is not None]
        return sum(found) / len(found) if found else None


@dataclass(slots=True)
class Group:
    """Runs that may be ranked together, best row first."""

    reason: dict[str, str]  # what they share that other groups do not
    rows: list[Row]
    runs: list[Run]
    baseline: str = ""

    @property
    def title(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.reason.items())
