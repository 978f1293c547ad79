"""`python -m embedlab.check`: hash whole what runs do not read while a file's size and times stay the same.

A disk's fault leaves both as they were, so that only this finds it. Imports no torch.
"""

import argparse
import os
import sys
from pathlib import Path

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.config.program import program
from embedlab.runs.escaping import printable
from embedlab.runs.file_hashes import HASHES, forget_damaged
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.runs.streams import accept_any_text

CACHE_DIR = os.environ.get("EMBEDLAB_CACHE", "~/.cache/embedlab")  # as in conf/config.yaml
HELP = """\
Hashes every text and token file of 1 MB or more that runs take as unchanged, because its size and times are those of
their last look; smaller ones are hashed by every run. Prints the damaged ones and exits with status 1 if there are any.
The next run tokenizes their text again. Nothing is deleted."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit with status 1 if a file is damaged, or with one line for a UserError."""
    accept_any_text()
    given = make_parser().parse_args(arguments)
    try:
        with handle_signals(exit_at_once):
            damaged = check(Path(expand_user(given.cache_dir, "CACHE_DIR")))
    except (UserError, OSError) as error:
        sys.exit(printable(f"error: {error}"))
    sys.exit(1 if damaged else 0)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    parser = argparse.ArgumentParser(program("check"), description=HELP)
    parser.add_argument(
        "cache_dir", metavar="CACHE_DIR", nargs="?", default=CACHE_DIR, help="as cache_dir= (default: %(default)s)"
    )
    return parser


def check(cache_dir: Path) -> list[Path]:
    """Hash all known files of the cache, print what is found, and return the damaged ones.

    Raises UserError if the folder is not there.
    """
    if not cache_dir.is_dir():
        raise UserError(f"{cache_dir} is no folder: give the cache's, as in cache_dir=FOLDER")
    checked: set[Path] = set()
    damaged: dict[Path, None] = {}
    for kept in sorted((cache_dir / HASHES).glob("*.json")):
        whole, other = forget_damaged(kept)
        checked |= {*whole, *other}
        for path in other:
            if path not in damaged:
                print(printable(f"damaged  {path}: the next run reads or makes it again"), flush=True)
            damaged[path] = None
    size = sum(path.stat().st_size for path in checked if path.exists())
    print(f"hashed {len(checked)} files, {size / 1e6:.0f} MB; damaged: {len(damaged)}")
    return list(damaged)


if __name__ == "__main__":
    main()
