"""Whether text and code are still those that a run was given. Imports no torch."""

from dataclasses import dataclass
from typing import Any

SHOWN = 12  # hexadecimal digits of a hash in a message


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run reads beside its settings; a settings' file may name the same path and mean another content."""

    corpus: str | None  # sha256 of the text; None where it is not there to be compared
    files: dict[str, str]  # {path: sha256} of the user's own files

    def changes_since(self, corpus: Any, files: Any) -> list[str]:
        """Return `text: sha256 1a2b…, now 3c4d…` for each that differs from what a run recorded.

        Runs of version 0.2.0 recorded no files, their checkpoints no text: nothing is compared there.
        """
        then = {"text": corpus, **(files if isinstance(files, dict) else {})}
        now = {"text": self.corpus, **self.files}
        return [
            f"{name}: sha256 {then[name][:SHOWN]}, now {sha256[:SHOWN]}"
            for name, sha256 in now.items()
            if sha256 is not None and isinstance(then.get(name), str) and then[name] != sha256
        ]
