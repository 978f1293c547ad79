"""Mistakes that the user can mend, and OmegaConf's errors in one line. Imports no torch."""

from omegaconf.errors import ConfigKeyError, MissingMandatoryValue

from embedlab.config.program import lists_all


class UserError(ValueError):
    """A mistake that the user can correct; the message names the override, its value and the remedy."""


class OwnCodeError(UserError):
    """An exception in a file of the user's own, in one line; its cause has the traceback."""


def complaint(error: Exception) -> str:
    """Return OmegaConf's error as one line. Classes with slots raise AttributeError for unknown keys given with `+`."""
    key = getattr(error, "full_key", None)
    if isinstance(error, ConfigKeyError):
        return f"+{key} names no setting: {lists_all()}"
    if isinstance(error, AttributeError):
        _, _, typo = str(error).removesuffix("'").rpartition("'")  # 'Config' object has no attribute 'typo'
        return f"+{typo} names no setting: {lists_all()}"
    if isinstance(error, MissingMandatoryValue):
        return f"{key} has no value: give {key}=VALUE"
    return f"{key}: {str(error).strip().splitlines()[0]}"
