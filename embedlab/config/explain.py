"""Explain Hydra's errors in one short message: the override, its value, the remedy."""

import difflib
import re
import traceback

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from embedlab.config.help import object_settings, setting_names
from embedlab.config.omegaconf_errors import describe_wrong_value
from embedlab.config.optional import NOT_OFFERED, REPLACED, install_hint, replaced_launcher
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
    if missing := re.search(r"Could not find '(.+)/(.*?)'", text):
        group, name = missing.groups()
        if group == "hydra/launcher" and name in REPLACED:
            return replaced_launcher(name)
        if group == "hydra/launcher" and (remedy := install_hint(name)):
            return f"{group}={name} is not installed: {remedy}"
        known = [choice for choice in re.findall(r"^\t(\S+)$", text, re.MULTILINE) if choice not in NOT_OFFERED]
        choices = f"give one of {', '.join(known)}" if known else lists_all()
        if not name:
            return f"{group}= names nothing: {choices}"
        near = _closest(name.lower(), known)
        return f"{group}={name} is unknown{near}: {choices}{own_scheme(name) if group == 'position' else ''}"
    if missing := re.search(r"In 'hydra/launcher/(.+)': Could not load 'hydra/launcher/(.+)'", text):
        return f"hydra/launcher={missing[1]} is not installed: {install_hint(missing[2]) or lists_all()}"
    if unknown := re.search(r"use \+(.+)", text):
        return f"{unknown[1]} names no setting{suggest(unknown[1]) or of_free_group(unknown[1])}: {lists_all()}"
    if present := re.match(r"Could not append to config. An item is already at '(.+)'", text):
        return f"+{present[1]} adds a setting that is there already: write {present[1]}=VALUE, without +"
    if absent := re.match(r"Could not delete from config. '(.+)' does not exist", text):
        return f"~{absent[1]} names no setting{suggest(absent[1])}: {lists_all()}"
    if other := re.match(r"Could not delete from config. The value of '(.+)' is (.*) and not (.*)\.$", text, re.M):
        return f"~{other[1]}={other[3]} deletes nothing, because the value is {other[2]}: write ~{other[1]}"
    if deleted := re.search(r"Error merging override ~([^=]+)", text):
        return f"~{deleted[1]} allows no deletion, because a run needs the setting: give {deleted[1]}=VALUE"
    if wrong := re.search(r"Error merging override (.+)", text, re.DOTALL):
        return describe_wrong_value(error.__cause__, wrong[1]) or f"{wrong[1]} cannot be set: {cause}; {lists_all()}"
    if text.startswith("Ambiguous value"):
        key = text.splitlines()[0].partition("argument ")[2]
        remedy = "add -m to sweep over them, write them as [a,b] for a list, or in quotes if they are one value"
        return f"{key} gives several values: {remedy}"
    return text.splitlines()[0]


def own_scheme(name: str) -> str:
    """Return the overrides that choose a scheme from the user's own file, which `position=NAME` does not find."""
    stem = name.removesuffix(".py")
    return f"; or, for your own file, position=none position.name={stem} position.file={stem}.py"


FREE = {  # groups of settings that are not all listed -> who knows the others
    "trainer": "lightning.Trainer",
    "callbacks": "the callback",
    "logger": "the logger",
    "position": "the scheme in position.file",
}


def of_free_group(override: str) -> str:
    """Return who may know a setting that no yaml lists, with the override that passes it on; "" for other groups."""
    group, dot, _ = override.partition(".")
    return f" (if {FREE[group]} has it, write +{override})" if dot and group in FREE else ""


def suggest(override: str) -> str:
    """Return what may be meant by an override of an unknown setting, in brackets; "" if nothing is close."""
    key = override.partition("=")[0].lstrip("+~")
    if key in setting_names():
        return f" of the chosen {key.partition('.')[0]} (choose another with {key.partition('.')[0]}=NAME)"
    known = [*setting_names(), *object_settings("trainer/default", "callbacks/default")]
    known = [name for name in known if not key.startswith(f"{name}.")]  # a group is not what is meant
    return _closest(key, known)


def _closest(name: str, known: list[str]) -> str:
    """Return the known name that may be meant, in brackets; "" if none is close."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f" (did you mean {close[0]}?)" if close else ""
