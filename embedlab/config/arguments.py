"""The arguments of a training command, checked and ordered before Hydra parses them. Imports no torch."""

import re

from hydra._internal.utils import get_args_parser

from embedlab.config.errors import UserError
from embedlab.config.help import setting_names
from embedlab.config.program import program

FLAGS = (("-r", "--run"), ("-m", "--multirun"), ("-c", "--cfg"), ("-i", "--info"), ("-sc", "--shell-completion"))
OVERRIDE = re.compile(r"[^-=][^=]*=|~[^/]*$")  # KEY=VALUE, +KEY=VALUE, ~KEY; never an option


def check_flags(arguments: list[str]) -> None:
    """Raise UserError for Hydra flags that exclude each other, for which Hydra itself prints a traceback."""
    given = [flag for names in FLAGS if (flag := next((name for name in names if name in arguments), None))]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} do not go together: leave one of them out")


def arrange(arguments: list[str]) -> list[str]:
    """Return the arguments with Hydra's options first, so that `seed=1 -m position=none,alibi` is a sweep too.

    Raises UserError for an option that Hydra does not know.
    """
    overrides = [word for word in arguments if OVERRIDE.match(word)]
    options = [word for word in arguments if word not in overrides]
    known = {name for action in get_args_parser()._actions for name in action.option_strings}
    for word in options:
        name, equals, value = word.partition("=")
        if re.match(r"--?[a-z]", word) and not any(option.startswith(name) for option in known):
            key = name.lstrip("-")
            remedy = f"`{program('train')} --hydra-help` lists all"
            if equals or key in setting_names():
                remedy = f"write {key}={value if equals else 'VALUE'}, without dashes"
            raise UserError(f"{word} is no option: {remedy}")
    return [*options, *overrides]
