"""`python -m embedlab.compare FOLDER…`: find out which setting is better, and how sure that is."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.config.program import program
from embedlab.runs.atomic_write import atomic_path
from embedlab.runs.escaping import one_line
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.runs.streams import accept_any_text

if TYPE_CHECKING:
    from embedlab.compare.comparison import Comparison

FINE, PARTLY, USAGE = 0, 1, 2
CHARTED = 4  # rankings (corpora, tokenizers) that get charts

ABOUT = """Compare finished runs: ranking, differences from a baseline with corrected p-values, figures and a report.

Give any mix of runs and sweeps. The settings that vary are found automatically, seeds are averaged, and unfinished,
failed or unreadable runs are listed and excluded."""

EXAMPLES = f"""examples:
  {program("compare")} outputs/sweeps/positions
      every scheme of a sweep; writes outputs/sweeps/positions/comparison/report.html
  {program("compare")} outputs --where position=rotary,alibi,none --where model.embedding_dim=64
      only some of the runs
  {program("compare")} outputs --baseline rotary --metric test.loss
      differences from rotary, in nats per token
  {program("compare")} outputs --by position
      schemes, averaged over all other settings that vary
  {program("compare")} outputs --metric extrapolation.512
      ranked by bits per byte at a context of 512 tokens (sliding windows; add .non_overlapping for the other protocol)
  {program("compare")} outputs --metric test.bits_per_byte,extrapolation.512,train_seconds
      ranked by the first, with columns for the others

exit status: 0 all compared; 1 something was excluded or refused, and is listed; 2 the command is wrong"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        program("compare"),
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="a run, a sweep, or any folder above them")
    parser.add_argument(
        "--metric",
        metavar="KEY",
        action="append",
        default=[],
        help="the number of results.json to rank by, for example test.loss "
        "(default: test.bits_per_byte, which compares across tokenizers); KEY,KEY or a repeated option shows several, "
        "and the first one ranks",
    )
    parser.add_argument(
        "--by",
        metavar="KEY",
        action="append",
        default=[],
        help="a setting that makes rows; may be repeated, and the first one names the baseline "
        "(default: all that vary, the scheme first)",
    )
    parser.add_argument(
        "--where",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="only runs with this setting; KEY=A,B accepts either; may be repeated",
    )
    parser.add_argument(
        "--baseline",
        metavar="NAME",
        help="the row or value that others are compared with (default: the scheme none, else the first by name)",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="output folder (default: FOLDER/comparison for one folder, ./comparison for several or for a single run)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    accept_any_text()
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = make_parser().parse_args(given)
    try:
        options.folders = [expand_user(folder, "RUN_FOLDER") for folder in options.folders]
        with handle_signals(exit_at_once):
            return _compare(options, f"{program('compare')} " + shlex.join(given))
    except UserError as error:
        print(f"embedlab.compare: {one_line(str(error))}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # the reader closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PARTLY
    except OSError as error:  # a full disk, a folder without write permission
        path = f"{error.filename!a}: " if error.filename else ""
        print(f"embedlab.compare: {path}{error.strerror}; give another --output", file=sys.stderr)
        return PARTLY


def _compare(options: argparse.Namespace, command: str) -> int:
    from rich.console import Console

    from embedlab.compare import advice, fairness, outputs, reading, terminal_table
    from embedlab.compare.comparison import compare
    from embedlab.compare.finished_run import clean

    console = Console(width=None if sys.stdout.isatty() else terminal_table.PIPED, highlight=False)
    errors = Console(
        stderr=True, width=None if sys.stderr.isatty() else terminal_table.PIPED, highlight=False, soft_wrap=True
    )
    runs, excluded = reading.read(options.folders)
    if not runs:
        terminal_table.show_excluded(excluded, errors)
        print("embedlab.compare: no finished run below these folders", file=sys.stderr)
        return PARTLY
    folder = _output_folder(options)
    metrics = [key.strip() for keys in options.metric for key in keys.split(",")]
    comparison = compare(
        runs,
        excluded,
        metric=metrics[0] if metrics else None,
        also=metrics[1:],
        by=options.by,
        where=options.where,
        baseline=options.baseline,
    )
    comparison.notes = fairness.find_unequal_treatment(comparison)
    advice.add_advice(comparison)
    refused = fairness.refusals(comparison)
    outputs.prepare_folder(folder)
    terminal_table.show(comparison, refused, console)
    terminal_table.show_excluded(comparison.excluded, errors)
    _write(comparison, refused, folder, command)
    print(f"\nWritten to {clean(str(folder))}: {', '.join(outputs.FILES)}, figures/", flush=True)
    return PARTLY if comparison.excluded or refused else FINE


def _write(comparison: "Comparison", refused: list[str], folder: Path, command: str) -> None:
    from embedlab.compare import outputs, report
    from embedlab.compare.charts.all_charts import charts, style_of

    styles = style_of(comparison)
    several = len(comparison.groups) > 1
    drawn = [
        list(charts(comparison, group, styles, f"{number}_" if several else "")) if number <= CHARTED else []
        for number, group in enumerate(comparison.groups, 1)
    ]
    all_drawn = [chart for group in drawn for chart in group]
    names = [f"{chart.name}.{kind}" for chart in all_drawn for kind in ("svg", "png")]
    outputs.refuse_foreign_figures(folder, names)
    outputs.remove_earlier_figures(folder)
    outputs.write_tables(comparison, folder, refused, names)
    for chart in all_drawn:
        outputs.write_text(folder / "figures" / f"{chart.name}.svg", chart.svg)
        with atomic_path(folder / "figures" / f"{chart.name}.png") as path:
            path.write_bytes(chart.png)
    outputs.write_text(folder / "report.html", report.render_page(comparison, refused, drawn, styles, command))


def _output_folder(options: argparse.Namespace) -> Path:
    if options.output:
        return Path(expand_user(options.output, "--output"))
    top = Path(options.folders[0])
    alone = len(options.folders) == 1 and top.is_dir()
    is_run = (top / "results.json").exists() or (top / ".hydra").exists()
    return top / "comparison" if alone and not is_run else Path("comparison")


if __name__ == "__main__":
    sys.exit(main())
