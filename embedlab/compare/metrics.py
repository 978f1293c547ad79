"""What runs are ranked by: any number of results.json, with its unit and which way is better."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedlab.compare.reading import Run, number
from embedlab.config.errors import UserError

DEFAULTS = ("test.bits_per_byte", "val.bits_per_byte", "test.loss", "val.loss")
UNITS = {
    "bits_per_byte": "bits/byte",
    "loss": "nats/token",
    "perplexity": "perplexity",
    "tokens_per_second": "tokens/s",
    "eval_tokens_per_second": "tokens/s",
    "train_seconds": "s",
    "peak_memory_bytes": "bytes",
    "rise": "nats/token",
}
HIGHER_IS_BETTER = ("tokens_per_second", "eval_tokens_per_second")
NATS = ("loss", "perplexity", "rise")  # per token: means nothing across tokenizers
NOT_SCORES = ("seed", "schema", "config", "corpus")


@dataclass(frozen=True, slots=True)
class Metric:
    """A dotted path into results.json, `extrapolation.CONTEXT[.PROTOCOL]` or `order_sensitivity.KEEP`."""

    name: str

    @property
    def last(self) -> str:
        return {"extrapolation": "bits_per_byte", "order_sensitivity": "rise"}.get(
            self.name.partition(".")[0], self.name.rpartition(".")[2]
        )

    @property
    def unit(self) -> str:
        """Unit in words, "" where it has none."""
        return UNITS.get(self.last, "")

    @property
    def higher_is_better(self) -> bool:
        return self.last in HIGHER_IS_BETTER

    @property
    def per_token(self) -> bool:
        """Whether it only compares within one tokenizer."""
        return self.last in NATS

    @property
    def tuned_by(self) -> "Metric":
        """The validation figure that may choose a learning rate for this metric without looking at the test."""
        return Metric("val.bits_per_byte" if not self.per_token else "val.loss")

    def value(self, run: Run) -> float | None:
        """This metric of one run; None where it is missing or not finite, and of a diverged run, its speed too."""
        if run.diverged:
            return None
        first, *rest = self.name.split(".")
        if first == "extrapolation" and rest:
            protocol = rest[1] if len(rest) > 1 else "sliding"
            return _entry(run, first, ("context_length", rest[0]), ("protocol", protocol), "bits_per_byte")
        if first == "order_sensitivity" and rest:
            return _entry(run, first, ("keep", rest[0]), ("", ""), "rise")
        return run.number(first, *rest)


def _entry(run: Run, key: str, at: tuple[str, str], also: tuple[str, str], value: str) -> float | None:
    for entry in run.entries(key):
        if str(entry.get(at[0])) == at[1] and (also[0] not in entry or entry[also[0]] == also[1]):
            return number(entry.get(value)) if entry.get("defined") is not False else None
    return None


def choose(asked: str | None, runs: Sequence[Run]) -> Metric:
    """The metric asked for, or the first of DEFAULTS that half of the runs have; UserError for one that no run has."""
    if asked is None:
        have = {name: sum(Metric(name).value(run) is not None for run in runs) for name in DEFAULTS}
        often = [name for name in DEFAULTS if 2 * have[name] >= len(runs)]  # one diverged run changes nothing
        return Metric((often or sorted(DEFAULTS, key=lambda name: -have[name]))[0])
    metric = Metric(asked)
    if asked.partition(".")[0] in NOT_SCORES or all(metric.value(run) is None for run in runs):
        raise UserError(f"--metric {asked}: no run has this number; as an example, they have {', '.join(_some(runs))}")
    return metric


def _some(runs: Sequence[Run]) -> list[str]:
    names = (*DEFAULTS, "val.perplexity", "tokens_per_second", "train_seconds", "peak_memory_bytes", "parameters.total")
    return [name for name in names if any(Metric(name).value(run) is not None for run in runs)] or ["none of the usual"]
