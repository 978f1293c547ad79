"""The rows of a ranking, and groups of runs that may be ranked together."""

from dataclasses import dataclass, field
from typing import Any

from embedlab.compare import statistics
from embedlab.compare.finished_run import Run

Trial = tuple[tuple[str, float], ...]  # (key, value) of each tuned setting: learning rate, scale of the bias


def format_trial(trial: Trial) -> str:
    """Format as `lr 0.002, scale 8`."""
    return ", ".join(f"{key.rpartition('.')[2]} {value:g}" for key, value in trial)


@dataclass(slots=True)
class Row:
    """One setting of a ranking."""

    keys: dict[str, Any]  # {key: value} that identifies the row
    label: str
    colour_key: str  # rows that share it (a scheme at several widths) share a colour
    runs: list[Run]  # those with a finite metric, of the chosen trial
    without_number: int  # runs without a finite metric
    by_seed: dict[int, float]
    mean: statistics.Mean
    tuned: Trial | None = None  # chosen by validation from `tried`
    tried: dict[Trial, list[Run]] = field(default_factory=dict)
    spread: float | None = None  # validation score of the worst trial minus that of the best
    is_baseline: bool = False
    baseline: str = ""
    against: "Row | None" = None  # the baseline's row
    difference: statistics.Difference | None = None
    unpaired: list[int] = field(default_factory=list)  # seeds in `mean` but in no pair of `difference`
    unpaired_baseline: list[int] = field(default_factory=list)  # the same for the baseline's mean
    p: float | None = None  # corrected for all comparisons, and for all looks of a sweep until=decided
    looked_at: int | None = None  # seeds at the last look of such a sweep
    gaps: list[float] = field(default_factory=list)  # differences of the pairs, in the order of their seeds
    more_seeds: int | None = None
    also: dict[str, statistics.Mean] = field(default_factory=dict)  # {another metric asked for: its mean}
    mean_with_text: tuple[float, float] | None = None  # 95 % intervals that also cover other text of the same kind
    difference_with_text: tuple[float, float] | None = None
    letters: str = ""  # rows of a ranking that share a letter cannot be told apart; "" if no pair could be tested

    @property
    def decided(self) -> bool:
        """Whether the difference from the baseline is beyond chance at statistics.LEVEL."""
        return self.p is not None and self.p < statistics.LEVEL

    @property
    def outside_pairs(self) -> str:
        """`7 of rotary; 1 of none`: seeds in the means but not in the difference; "" if there are none."""
        sides = ((self.unpaired, self.label), (self.unpaired_baseline, self.baseline))
        return "; ".join(f"{', '.join(map(str, seeds))} of {label}" for seeds, label in sides if seeds)

    def average(self, *keys: str) -> float | None:
        """Return the mean over the runs of another number of results.json; None if no run has it."""
        found = [value for run in self.runs if (value := run.number(*keys)) is not None]
        return sum(found) / len(found) if found else None


@dataclass(slots=True)
class Pair:
    """Two rows of one ranking, `a` the better one by mean, and a minus b over what both were run at."""

    a: Row
    b: Row
    difference: statistics.Difference
    p: float | None = None  # Holm-corrected; None if the pair could not be tested

    @property
    def told_apart(self) -> bool:
        """Whether the difference is beyond chance at statistics.LEVEL."""
        return self.p is not None and self.p < statistics.LEVEL


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence for a person who must choose; `topic` is the question that it answers."""

    topic: str
    sentence: str


@dataclass(slots=True)
class Group:
    """Runs that may be ranked together; rows from best to worst."""

    reason: dict[str, str]  # {key: value} that these runs share and other groups do not
    rows: list[Row]
    runs: list[Run]
    baseline: str = ""
    pairs: list[Pair] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)

    @property
    def title(self) -> str:
        """`corpus a@1234abcd, tokenizer bytes`; "" if there is one group."""
        return ", ".join(f"{key} {value}" for key, value in self.reason.items())
