"""Hydra's errors as one short message: the override, its value, the remedy."""

import difflib
import re

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from embedlab.config.help import setting_names
from embedlab.config.optional import REPLACED, needed_extra, replaced

HELP = "`python train.py --help` lists all"


def explain(error: HydraException | OmegaConfBaseException) -> str:
    """One line for what Hydra and OmegaConf say in several, with a remedy."""
    text = str(error).strip()
    cause = str(error.__cause__ or error).strip().splitlines()[0]
    if isinstance(error, OverrideParseException):
        quotes = "in quotes where the value holds commas, brackets or quotes of its own"
        return f"{error.override!r} is no override: write KEY=VALUE, {quotes}"
    if missing := re.search(r"Could not find '(.+)/(.+?)'", text):
        group, name = missing.groups()
        if group == "hydra/launcher" and name in REPLACED:
            return replaced(name)
        if group == "hydra/launcher" and (remedy := needed_extra(name)):
            return f"{group}={name} is not installed: {remedy}"
        known = re.findall(r"^\t(\S+)$", text, re.MULTILINE)
        choices = f"give one of {', '.join(known)}" if known else HELP
        return f"{group}={name} is unknown: {choices}"
    if missing := re.search(r"In 'hydra/launcher/(.+)': Could not load 'hydra/launcher/(.+)'", text):
        return f"hydra/launcher={missing[1]} is not installed: {needed_extra(missing[2]) or HELP}"
    if unknown := re.search(r"use \+(.+)", text):
        return f"{unknown[1]} names no setting{_suggestion(unknown[1])}: {HELP}"
    if wrong := re.search(r"Error merging override (.+)", text):
        return f"{wrong[1]} cannot be set: {cause}; {HELP} with what they mean"
    if text.startswith("Ambiguous value"):
        key = text.splitlines()[0].partition("argument ")[2]
        remedy = "add -m to sweep over them, write them as [a,b] for a list, or in quotes where they are one value"
        return f"{key} gives several values: {remedy}"
    return text.splitlines()[0]


def _suggestion(override: str) -> str:
    key = override.partition("=")[0].lstrip("+~")
    if key in setting_names():
        return f" of the chosen {key.partition('.')[0]} (choose another with {key.partition('.')[0]}=NAME)"
    close = difflib.get_close_matches(key, setting_names(), n=1, cutoff=0.75)
    return f" (did you mean {close[0]}?)" if close else ""
