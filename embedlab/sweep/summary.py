"""What a sweep reports at its end: its jobs, a short comparison, and the commands that come next."""

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from embedlab.config.errors import UserError
from embedlab.config.program import program

log = logging.getLogger("embedlab")


def show_jobs(jobs: Sequence[Any], folder: Path) -> None:
    """Log each failed job with its reason and folder, and the number of jobs by outcome."""
    counts = {"finished": 0, "skipped": 0, "failed": 0, "not finished": 0}
    for one in jobs:
        counts[one.outcome or "not finished"] += 1
        if one.outcome == "failed":
            log.error("%s — failed: %s\n    %s", one, one.reason, one.folder)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    log.info("sweep of %d jobs: %s; outputs in %s", len(jobs), counted, folder)


def show_comparison(folder: Path) -> None:
    """Print the ranking of the finished jobs in `folder`, and the commands for a report and for TensorBoard."""
    from embedlab.compare import advice, fairness, reading, terminal_table  # scipy takes a fifth of a second
    from embedlab.compare.comparison import compare

    runs, left = reading.read([str(folder)])
    if len(runs) < 2:
        return
    width = None if sys.stdout.isatty() else terminal_table.PIPED
    console = Console(width=width, highlight=False)
    try:
        comparison = compare(runs, left)
    except UserError as error:  # what was swept cannot be ranked
        log.info("no ranking: %s", error)
    else:
        advice.add_advice(comparison)
        terminal_table.show(comparison, fairness.refusals(comparison), console)
        # show_jobs has listed what is unfinished, with its reason
        terminal_table.show_excluded([one for one in comparison.excluded if one.kind != "unfinished"], console)
    shown = shlex.quote(os.path.relpath(folder) if folder.is_relative_to(Path.cwd()) else str(folder))
    console.print(f"report       {program('compare')} {shown}", markup=False, soft_wrap=True)
    console.print(f"TensorBoard  tensorboard --logdir {shown}", markup=False, soft_wrap=True)
