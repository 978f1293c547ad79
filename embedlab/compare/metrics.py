"""Metrics that runs are ranked by: any number of results.json, with its unit and which direction is better."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedlab.compare.finished_run import Run, number
from embedlab.config.errors import UserError
from embedlab.runs.results_keys import units

DEFAULTS = ("test.bits_per_byte", "val.bits_per_byte", "test.loss", "val.loss")
HIGHER_IS_BETTER = ("tokens_per_second", "eval_tokens_per_second")
PER_TOKEN = ("nats/token", "perplexity")  # units that do not compare across tokenizers
NOT_SCORES = ("seed", "schema", "config", "corpus")


@dataclass(frozen=True, slots=True)
class Metric:
    """A dotted path into results.json, `extrapolation.CONTEXT[.PROTOCOL]` or `order_sensitivity.KEEP`."""

    name: str

    @property
    def key(self) -> str:
        """Its key in results.json, as the schema names it."""
        first = self.name.partition(".")[0]
        return {
            "extrapolation": "extrapolation.bits_per_byte",
            "order_sensitivity": "order_sensitivity.rise",
        }.get(first, self.name)

    @property
    def unit(self) -> str:
        """The unit; "" if it has none."""
        return units().get(self.key, "")

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger number is better, as for speeds."""
        return self.key in HIGHER_IS_BETTER

    @property
    def per_token(self) -> bool:
        """Whether it compares only within one tokenizer."""
        return self.unit in PER_TOKEN

    @property
    def tuned_by(self) -> "Metric":
        """The validation score that chooses a learning rate for this metric, so that no test score is used."""
        return Metric("val.bits_per_byte" if not self.per_token else "val.loss")

    def value(self, run: Run) -> float | None:
        """Return this metric of a run; None if it is missing or not finite, or if the run diverged (speeds too)."""
        if run.diverged:
            return None
        first, *rest = self.name.split(".")
        if first == "extrapolation" and rest:
            protocol = rest[1] if len(rest) > 1 else "sliding"
            return _entry_value(run, first, ("context_length", rest[0]), ("protocol", protocol), "bits_per_byte")
        if first == "order_sensitivity" and rest:
            return _entry_value(run, first, ("keep", rest[0]), ("", ""), "rise")
        return run.number(first, *rest)


def _entry_value(run: Run, key: str, at: tuple[str, str], also: tuple[str, str], value: str) -> float | None:
    for entry in run.entries(key):
        if str(entry.get(at[0])) == at[1] and (also[0] not in entry or entry[also[0]] == also[1]):
            return number(entry.get(value)) if entry.get("defined") is not False else None
    return None


def choose_metric(asked: str | None, runs: Sequence[Run]) -> Metric:
    """Return the metric asked for, or else the first of DEFAULTS that at least half of the runs have.

    Raises UserError if no run has the metric asked for.
    """
    if asked is None:
        have = {name: sum(Metric(name).value(run) is not None for run in runs) for name in DEFAULTS}
        often = [name for name in DEFAULTS if 2 * have[name] >= len(runs)]  # one diverged run changes nothing
        return Metric((often or sorted(DEFAULTS, key=lambda name: -have[name]))[0])
    metric = Metric(asked)
    if asked.partition(".")[0] in NOT_SCORES or all(metric.value(run) is None for run in runs):
        raise UserError(f"--metric {asked}: no run has this number; they have {_describe_available(asked, runs)}")
    return metric


BY_ENTRY = {"extrapolation": "context_length", "order_sensitivity": "keep"}  # lists -> what their entries differ in


def _describe_available(asked: str, runs: Sequence[Run]) -> str:
    """Return which metrics the runs have: all of a list's if one of its entries was asked for, else examples."""
    first = asked.partition(".")[0]
    if first in BY_ENTRY:
        found = {entry.get(BY_ENTRY[first]) for run in runs for entry in run.entries(first)}
        names = [f"{first}.{n}" for n in sorted(n for n in found if isinstance(n, int))]
        if measured := [name for name in names if any(Metric(name).value(run) is not None for run in runs)]:
            return ", ".join(measured)
    return f"for example {', '.join(_examples(runs))}"


def _examples(runs: Sequence[Run]) -> list[str]:
    names = (*DEFAULTS, "val.perplexity", "tokens_per_second", "train_seconds", "peak_memory_bytes", "parameters.total")
    return [name for name in names if any(Metric(name).value(run) is not None for run in runs)] or ["none of the usual"]
