"""`python -m embedlab.compare FOLDER…`: which setting is better, and how sure are we?"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedlab.config.errors import UserError
from embedlab.config.program import program
from embedlab.runs.atomic_write import atomic_path
from embedlab.runs.escaping import one_line
from embedlab.runs.streams import accept_any_text

if TYPE_CHECKING:
    from embedlab.compare.comparison import Comparison

FINE, PARTLY, USAGE = 0, 1, 2
CHARTED = 4  # rankings (corpora, tokenizers) that get charts

ABOUT = """Compare finished runs: ranking, differences from a baseline with corrected p-values, figures and a report.

Give any mix of runs and sweeps. What varies between them is found by itself, seeds are averaged, and whatever is
unfinished, failed or unreadable is named and left out."""

EXAMPLES = f"""examples:
  {program("compare")} outputs/sweeps/positions
      every scheme of a sweep; writes outputs/sweeps/positions/comparison/report.html
  {program("compare")} outputs --where position=rotary,alibi,none --where model.embedding_dim=64
      some of all runs
  {program("compare")} outputs --baseline rotary --metric test.loss
      differences from rotary, in nats per token
  {program("compare")} outputs --by position
      schemes averaged over whatever else varies
  {program("compare")} outputs --metric extrapolation.512
      ranked by bits per byte at a context of 512 tokens (sliding windows; add .non_overlapping for the other protocol)

exit status: 0 all compared; 1 something was left out or refused, and is named; 2 the command cannot be understood"""


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    found = argparse.ArgumentParser(
        program("compare"),
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("folders", nargs="+", metavar="FOLDER", help="a run, a sweep, or any folder above them")
    found.add_argument(
        "--metric",
        metavar="KEY",
        help="a number of results.json to rank by, as test.loss "
        "(default: test.bits_per_byte, which compares across tokenizers)",
    )
    found.add_argument(
        "--by",
        metavar="KEY",
        action="append",
        default=[],
        help="a setting that makes rows; may be repeated, the first is held against the baseline "
        "(default: all that vary, the scheme first)",
    )
    found.add_argument(
        "--where",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="only runs with this setting; KEY=A,B takes either; may be repeated",
    )
    found.add_argument(
        "--baseline",
        metavar="NAME",
        help="what differences are taken from (default: none where the scheme none is there, else the first by name)",
    )
    found.add_argument(
        "--output",
        metavar="DIR",
        help="where to write (default: FOLDER/comparison for one folder, ./comparison for several or for a single run)",
    )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    accept_any_text()
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)
    options.folders = [os.path.expanduser(folder) for folder in options.folders]  # a shell leaves a quoted ~
    try:
        return _compare(options, f"{program('compare')} " + shlex.join(given))
    except UserError as error:
        print(f"embedlab.compare: {one_line(str(error))}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PARTLY
    except OSError as error:  # a disk that is full, a folder without rights
        place = f"{error.filename!a}: " if error.filename else ""
        print(f"embedlab.compare: {place}{error.strerror}; give another --output", file=sys.stderr)
        return PARTLY


def _compare(options: argparse.Namespace, command: str) -> int:
    from rich.console import Console

    from embedlab.compare import fairness, outputs, reading, terminal_table
    from embedlab.compare.comparison import compare

    console = Console(width=None if sys.stdout.isatty() else terminal_table.PIPED, highlight=False)
    errors = Console(
        stderr=True, width=None if sys.stderr.isatty() else terminal_table.PIPED, highlight=False, soft_wrap=True
    )
    runs, left = reading.read(options.folders)
    if not runs:
        terminal_table.left_out(left, errors)
        print("embedlab.compare: no finished run below these folders", file=sys.stderr)
        return PARTLY
    folder = _output(options)
    comparison = compare(
        runs, left, metric=options.metric, by=options.by, where=options.where, baseline=options.baseline
    )
    comparison.notes = fairness.notes(comparison)
    refused = fairness.refusals(comparison)
    outputs.prepare(folder)
    terminal_table.show(comparison, refused, console)
    terminal_table.left_out(comparison.left, errors)
    _write(comparison, refused, folder, command)
    print(f"\nWritten to {reading.clean(str(folder))}: {', '.join(outputs.NAMES)}, figures/", flush=True)
    return PARTLY if comparison.left or refused else FINE


def _write(comparison: "Comparison", refused: list[str], folder: Path, command: str) -> None:
    from embedlab.compare import outputs, report
    from embedlab.compare.charts.all_charts import charts, style_of

    styles = style_of(comparison)
    several = len(comparison.groups) > 1
    drawn = [
        list(charts(comparison, group, styles, f"{place}_" if several else "")) if place <= CHARTED else []
        for place, group in enumerate(comparison.groups, 1)
    ]
    shown = [chart for group in drawn for chart in group]
    names = [f"{chart.name}.{kind}" for chart in shown for kind in ("svg", "png")]
    outputs.refuse_foreign_figures(folder, names)
    outputs.clear_figures(folder)
    outputs.write(comparison, folder, refused, names)
    for chart in shown:
        outputs.write_whole(folder / "figures" / f"{chart.name}.svg", chart.svg)
        with atomic_path(folder / "figures" / f"{chart.name}.png") as beside:
            beside.write_bytes(chart.png)
    outputs.write_whole(folder / "report.html", report.page(comparison, refused, drawn, styles, command))


def _output(options: argparse.Namespace) -> Path:
    if options.output:
        return Path(options.output).expanduser()
    top = Path(options.folders[0])
    alone = len(options.folders) == 1 and top.is_dir()
    is_run = (top / "results.json").exists() or (top / ".hydra").exists()
    return top / "comparison" if alone and not is_run else Path("comparison")


if __name__ == "__main__":
    sys.exit(main())
