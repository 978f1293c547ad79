"""`embedlab COMMAND …`, or `python -m embedlab COMMAND …`: all that people call, under one name."""

import sys
from importlib import import_module

from embedlab import __doc__ as about
from embedlab import __version__
from embedlab.config.program import CONSOLE

COMMANDS = {  # name: (module whose main() it is, what it does)
    "train": ("embedlab.cli", "train one model, or sweep over many (-m); settings as KEY=VALUE"),
    "compare": ("embedlab.compare.__main__", "compare finished runs: ranking, statistics, figures, a report"),
    "evaluate": ("embedlab.evaluate", "measure a finished run anew, from its best checkpoint"),
    "export": ("embedlab.export", "write a run's token table as word2vec, safetensors, npy or tsv"),
    "check": ("embedlab.check", "hash cached texts and tokens whole, to find damage that no run would notice"),
}


def main() -> None:
    """Call the command that the first argument names. Exit with status 1 and one line if it is unknown."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
    elif name == "--version":
        print(f"{CONSOLE} {__version__}")
    elif name in COMMANDS:
        sys.argv[:] = [f"{CONSOLE} {name}", *arguments]
        sys.exit(import_module(COMMANDS[name][0]).main())
    else:
        sys.exit(f"error: {CONSOLE} {ascii(name)[1:-1]} is no command: give one of {', '.join(COMMANDS)}")


def usage() -> str:
    """Return the text of `embedlab --help`."""
    lines = [f"  {CONSOLE} {name:<9} {does}" for name, (_, does) in COMMANDS.items()]
    first = (about or "").splitlines()[0]
    return "\n".join([first, "", *lines, "", f"`{CONSOLE} COMMAND --help` explains a command; {CONSOLE} --version"])


if __name__ == "__main__":
    main()
