"""Rows and pairs with all their numbers, for comparison.json and the csv files."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from embedlab.compare.comparison import Comparison
from embedlab.compare.rows import Row
from embedlab.compare.varying import RATE, SCALE, format_value
from embedlab.runs.escaping import csv_cell


def row_records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows of all rankings, each from best to worst."""
    return [
        row_record(comparison, group.title, group.baseline, rank, row)
        for group in comparison.groups
        for rank, row in enumerate(group.rows, 1)
    ]


def row_record(comparison: Comparison, group: str, baseline: str, rank: int, row: Row) -> dict[str, Any]:
    """Return a row with all its numbers for comparison.json and comparison.csv; None for a number that it lacks."""
    gap = row.difference
    return {
        "group": group,
        "rank": rank,
        "setting": row.label,
        **row.keys,
        "mean": row.mean.mean,
        "low": row.mean.low,
        "high": row.mean.high,
        "low_with_text": row.mean_with_text[0] if row.mean_with_text else None,
        "high_with_text": row.mean_with_text[1] if row.mean_with_text else None,
        "sd": row.mean.sd,
        "letters": row.letters,
        "seeds": row.mean.n,
        "runs": len(row.runs),
        "runs_without_number": row.without_number,
        "learning_rate_chosen": dict(row.tuned or ()).get(RATE),
        "bias_scale_chosen": dict(row.tuned or ()).get(SCALE),
        "tries": max(1, len(row.tried)),
        "tries_spread": row.spread,
        "baseline": row.baseline or (row.label if row.is_baseline else None),
        "difference": gap.mean if gap else None,
        "difference_low": gap.low if gap else None,
        "difference_high": gap.high if gap else None,
        "difference_low_with_text": row.difference_with_text[0] if row.difference_with_text else None,
        "difference_high_with_text": row.difference_with_text[1] if row.difference_with_text else None,
        "method": gap.method if gap else None,
        "pairs": gap.n if gap else None,
        "seeds_outside_pairs": row.outside_pairs or None,
        "p": gap.p if gap else None,
        "p_holm": row.p,
        "decided": row.decided if gap else None,
        "looked_at": row.looked_at,
        "more_seeds": row.more_seeds,
        **_also(comparison, row),
        "parameters": row.average("parameters", "total"),
        "parameters_position": row.average("parameters", "position"),
        "tokens_per_second": row.average("tokens_per_second"),
        "train_seconds": row.average("train_seconds"),
        "peak_memory_bytes": row.average("peak_memory_bytes"),
        "token_effective_rank": row.average("tables", "token", "effective_rank"),
        "token_isotropy": row.average("tables", "token", "isotropy"),
        "values": {str(seed): value for seed, value in row.by_seed.items()},
    }


def _also(comparison: Comparison, row: Row) -> dict[str, float | int | None]:
    """Return `NAME.mean`, `NAME.low`, `NAME.high` and `NAME.seeds` of each metric that is shown beside the first."""
    found: dict[str, float | int | None] = {}
    for metric in comparison.also:
        mean = row.also.get(metric.name)
        found[f"{metric.name}.mean"] = mean.mean if mean else None
        found[f"{metric.name}.low"] = mean.low if mean else None
        found[f"{metric.name}.high"] = mean.high if mean else None
        found[f"{metric.name}.seeds"] = mean.n if mean else 0
    return found


def pair_records(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield every pair of settings: `difference` is that of a minus b, `p` is corrected by Holm over all pairs."""
    for group in comparison.groups:
        for pair in group.pairs:
            yield {
                "group": group.title,
                "a": pair.a.label,
                "b": pair.b.label,
                "difference": pair.difference.mean,
                "low": pair.difference.low,
                "high": pair.difference.high,
                "p": pair.p,
                "p_uncorrected": pair.difference.p,
                "method": pair.difference.method,
                "pairs": pair.difference.n,
                "told_apart": pair.told_apart if pair.p is not None else None,
            }


def to_csv(records: Sequence[dict[str, Any]], excluded: str = "") -> str:
    """Return the records as csv, with a column for every key but the `excluded` one."""
    columns = list(dict.fromkeys(key for record in records for key in record if key != excluded))
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(map(_csv_value, columns))
    writer.writerows([_csv_value(record.get(key)) for key in columns] for record in records)
    return sheet.getvalue()


def _csv_value(value: Any) -> Any:
    return format_value(value) if isinstance(value, bool) else csv_cell(value)
