"""Mistakes that the user can mend."""


class UserError(ValueError):
    """A mistake that the user can correct; the message names the override, its value and the remedy."""


class OwnCodeError(UserError):
    """An exception in a file of the user's own, in one line; its cause has the traceback."""


class ProcessFailedError(Exception):
    """An exception in another process of the run, in one line; its cause has the traceback."""
