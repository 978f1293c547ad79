"""Explain Hydra's errors in one short message: the override, its value, the remedy."""

import difflib
import re
import traceback

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from embedlab.config.help import object_settings, setting_names
from embedlab.config.optional import REPLACED, install_hint, replaced_launcher
from embedlab.config.program import lists_all


def explain(error: Exception) -> str:
    """Return one line, with a remedy, for an error of Hydra or OmegaConf."""
    text = str(error).strip()
    if not text:  # Hydra raises some errors without a message
        behind = str(error.__cause__ or error.__context__ or "").strip() or type(error).__name__
        reason = behind.splitlines()[0]
        return f"the settings do not compose ({reason}): check quotes and what follows $; {lists_all()}"
    cause = (str(error.__cause__ or "").strip() or text).splitlines()[0]
    if not isinstance(error, HydraException | OmegaConfBaseException):
        files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
        if any(name.endswith("defaults_list.py") for name in files):  # Hydra failed to find the yaml of a choice
            return f"a group's choice must be a name ({cause}): give GROUP=NAME; {lists_all()}"
        return f"{type(error).__name__}: {cause}; HYDRA_FULL_ERROR=1 shows where"
    if isinstance(error, OverrideParseException):
        quotes = "in quotes if the value holds commas, brackets or quotes"
        return f"{error.override!r} is no override: write KEY=VALUE, {quotes}"
    if missing := re.search(r"Could not find '(.+)/(.+?)'", text):
        group, name = missing.groups()
        if group == "hydra/launcher" and name in REPLACED:
            return replaced_launcher(name)
        if group == "hydra/launcher" and (remedy := install_hint(name)):
            return f"{group}={name} is not installed: {remedy}"
        known = re.findall(r"^\t(\S+)$", text, re.MULTILINE)
        choices = f"give one of {', '.join(known)}" if known else lists_all()
        return f"{group}={name} is unknown: {choices}"
    if missing := re.search(r"In 'hydra/launcher/(.+)': Could not load 'hydra/launcher/(.+)'", text):
        return f"hydra/launcher={missing[1]} is not installed: {install_hint(missing[2]) or lists_all()}"
    if unknown := re.search(r"use \+(.+)", text):
        return f"{unknown[1]} names no setting{suggest(unknown[1])}: {lists_all()}"
    if wrong := re.search(r"Error merging override (.+)", text):
        return f"{wrong[1]} cannot be set: {cause}; {lists_all()} with what they mean"
    if text.startswith("Ambiguous value"):
        key = text.splitlines()[0].partition("argument ")[2]
        remedy = "add -m to sweep over them, write them as [a,b] for a list, or in quotes if they are one value"
        return f"{key} gives several values: {remedy}"
    return text.splitlines()[0]


def suggest(override: str) -> str:
    """Return what may be meant by an override of an unknown setting, in brackets; "" if nothing is close."""
    key = override.partition("=")[0].lstrip("+~")
    if key in setting_names():
        return f" of the chosen {key.partition('.')[0]} (choose another with {key.partition('.')[0]}=NAME)"
    close = difflib.get_close_matches(
        key, [*setting_names(), *object_settings("trainer/default", "callbacks/default")], n=1, cutoff=0.75
    )
    return f" (did you mean {close[0]}?)" if close else ""
