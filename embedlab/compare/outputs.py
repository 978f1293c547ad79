"""comparison.csv, comparison.json and comparison.md: the same numbers, one row for each setting."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from embedlab import __version__
from embedlab.compare.comparison import Comparison
from embedlab.compare.rows import Row
from embedlab.compare.statistics import LEVEL
from embedlab.compare.varying import RATE, SCALE, format_value
from embedlab.compare.verdict import (
    cells,
    decimals_for,
    format_more_seeds,
    format_number,
    format_p,
    format_plus_minus,
    headings,
)
from embedlab.config.errors import UserError
from embedlab.runs.atomic_write import atomic_write
from embedlab.runs.escaping import csv_cell
from embedlab.runs.escaping import markdown as escape
from embedlab.runs.ownership import MARK

OURS = "embedlab.compare"  # `made_by` in comparison.json: it identifies a folder written by this command
FOOTNOTE = (
    "Means over seeds ± half their 95 % t-interval; Δ paired by seed if runs share seeds, else Welch; p-values "
    "corrected by Holm. Bold: beyond chance at 5 %."
)
FILES = ("comparison.csv", "comparison.json", "comparison.md", "report.html")


def prepare_folder(folder: Path) -> None:
    """Create the folder. Raises UserError if it is a run's, contains other people's files or cannot be created."""
    if any((folder / name).exists() for name in ("results.json", ".hydra", MARK)):
        raise UserError(f"--output {folder} is a run's folder: give another one, as --output comparison")
    foreign = [name for name in FILES if os.path.lexists(folder / name)]
    if foreign and not _read_earlier(folder):
        raise UserError(f"--output {folder} contains a {foreign[0]} that no comparison wrote: give another folder")
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {folder} cannot be created: {error.strerror}; give another folder") from error


def refuse_foreign_figures(folder: Path, figures: list[str]) -> None:
    """Raise UserError if one of these `figures` exists and no earlier comparison wrote it."""
    earlier = _read_earlier(folder).get("figures") or []
    if foreign := [name for name in figures if os.path.lexists(folder / "figures" / name) and name not in earlier]:
        raise UserError(
            f"--output {folder} contains a figures/{foreign[0]} that no comparison wrote: give another folder"
        )


def remove_earlier_figures(folder: Path) -> None:
    """Remove the figures of an earlier comparison in this folder, so that no outdated one stays."""
    for name in _read_earlier(folder).get("figures") or []:
        if isinstance(name, str) and Path(name).name == name and name.endswith((".png", ".svg")):
            (folder / "figures" / name).unlink(missing_ok=True)


def _read_earlier(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and found.get("made_by") == OURS else {}
    except (OSError, ValueError, RecursionError):
        return {}


def write_text(path: Path, text: str) -> None:
    """Write the file completely or not at all."""
    with atomic_write(path, newline="") as file:
        file.write(text)


def write_tables(comparison: Comparison, folder: Path, refused: list[str], figures: list[str]) -> None:
    """Write the three files; comparison.json first, because it proves that the others and the figures are ours."""
    rows = [
        row_record(comparison, group.title, group.baseline, rank, row)
        for group in comparison.groups
        for rank, row in enumerate(group.rows, 1)
    ]
    columns = list(dict.fromkeys(key for row in rows for key in row if key != "values"))
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(map(_csv_value, columns))
    writer.writerows([_csv_value(row.get(key)) for key in columns] for row in rows)
    whole = {
        "made_by": OURS,
        "version": __version__,
        "metric": comparison.metric.name,
        "unit": comparison.metric.unit,
        "higher_is_better": comparison.metric.higher_is_better,
        "by": comparison.by,
        "level": LEVEL,
        "runs": len(comparison.runs),
        "rows": rows,
        "refused": refused,
        "notes": comparison.notes,
        "left_out": [{"path": item.path, "kind": item.kind, "reason": item.reason} for item in comparison.excluded],
        "figures": figures,
    }
    write_text(folder / "comparison.json", json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(folder / "comparison.csv", sheet.getvalue())
    write_text(folder / "comparison.md", markdown_table(comparison))


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
        "sd": row.mean.sd,
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
        "method": gap.method if gap else None,
        "pairs": gap.n if gap else None,
        "seeds_outside_pairs": row.outside_pairs or None,
        "p": gap.p if gap else None,
        "p_holm": row.p,
        "decided": row.decided if gap else None,
        "more_seeds": row.more_seeds,
        "parameters": row.average("parameters", "total"),
        "parameters_position": row.average("parameters", "position"),
        "tokens_per_second": row.average("tokens_per_second"),
        "train_seconds": row.average("train_seconds"),
        "peak_memory_bytes": row.average("peak_memory_bytes"),
        "token_effective_rank": row.average("tables", "token", "effective_rank"),
        "token_isotropy": row.average("tables", "token", "isotropy"),
        "values": {str(seed): value for seed, value in row.by_seed.items()},
    }


def markdown_table(comparison: Comparison) -> str:
    """Return the ranking as a Markdown table, for a paper's draft or an issue."""
    metric = comparison.metric
    lines: list[str] = []
    for group in comparison.groups:
        head = escape(metric.name) + (f" ({metric.unit})" if metric.unit else "")
        lines += [f"**{escape(group.title)}**", ""] if group.title else []
        gap_head = f"Δ from {escape(group.baseline)}"
        columns = [*map(escape, headings(comparison)), head, "seeds", gap_head, "p (Holm)", "more seeds", "parameters"]
        columns.append("tokens/s")
        lines += [f"| {' | '.join(columns)} |", "|---" * len(comparison.by) + "|--:" * 7 + "|"]
        for row in group.rows:
            places, gap = decimals_for(row.mean.mean), row.difference
            line = [
                *(f"**{escape(cell)}**" if row.decided else escape(cell) for cell in cells(row)),
                format_plus_minus(row.mean.mean, row.mean.high, places),
                str(row.mean.n),
                format_plus_minus(gap.mean, gap.high, places, sign=True) if gap else "–",
                format_p(row.p),
                format_more_seeds(row) or "–",
                *(
                    "–" if value is None else format_number(value, 3)
                    for value in (row.average("parameters", "total"), row.average("tokens_per_second"))
                ),
            ]
            lines.append(f"| {' | '.join(line)} |")
        lines.append("")
        outside = [f"{escape(row.label)}: {escape(row.outside_pairs)}" for row in group.rows if row.outside_pairs]
        if outside:
            lines += [f"Seeds in the means but not in the pairs: {' — '.join(outside)}.", ""]
    lines.append(FOOTNOTE)
    return "\n".join(lines) + "\n"


def _csv_value(value: Any) -> Any:
    return format_value(value) if isinstance(value, bool) else csv_cell(value)
