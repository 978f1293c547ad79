"""The plan of a sweep with hydra.sweeper.until=decided, in its folder; the comparison corrects p-values for it."""

import json
from pathlib import Path

from embedlab.config.errors import UserError
from embedlab.runs.atomic_write import atomic_write

FILE = "plan.json"
LEVELS = 4  # folders between a job and its sweep, as hydra.sweep.subdir may name several


def write_plan(folder: Path, looks: tuple[int, ...]) -> None:
    """Record after how many seeds the sweep in `folder` looks at its results.

    Raises UserError if the folder holds another plan: decisions that were made by it would no longer hold.
    """
    path = folder / FILE
    if path.exists() and (planned := read_looks(folder)) != looks:
        whose = f"plans looks at {planned} seeds, not {looks}" if planned else "belongs to another program"
        raise UserError(f"{path} {whose}: give sweep_name=ANOTHER")
    with atomic_write(folder / FILE) as file:
        json.dump({"until": "decided", "looks": looks}, file)


def find_looks(folder: Path) -> tuple[int, ...]:
    """Return the looks of the sweep that the runs in `folder` belong to; () if it has no plan, or an unreadable one."""
    return next((looks for one in [folder, *folder.parents][:LEVELS] if (looks := read_looks(one))), ())


def read_looks(folder: Path) -> tuple[int, ...]:
    """Return the looks planned in the folder of a sweep; () if there is no plan."""
    try:
        looks = json.loads((folder / FILE).read_text(encoding="utf-8"))["looks"]
    except (OSError, ValueError, LookupError, TypeError):
        return ()
    valid = isinstance(looks, list) and all(type(n) is int and n >= 2 for n in looks) and looks == sorted(set(looks))
    return tuple(looks) if valid else ()
