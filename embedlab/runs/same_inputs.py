"""Compare the text and files that a run used with those of now. Imports no torch."""

from dataclasses import dataclass
from typing import Any

SHOWN = 12  # hexadecimal digits of a hash in a message


@dataclass(frozen=True, slots=True)
class Inputs:
    """Hashes of what a run reads besides its settings, because the content at a path may have changed."""

    corpus: str | None  # sha256 of the text; None if the text cannot be read
    files: dict[str, str]  # {path: sha256} of the user's own files

    def changes_since(self, corpus: Any, files: Any) -> list[str]:
        """Return `text: sha256 1a2b…, now 3c4d…` for each that differs from what a run recorded.

        What was not recorded is not compared: runs of version 0.2.0 recorded no files, their checkpoints no text.
        """
        then = {"text": corpus, **(files if isinstance(files, dict) else {})}
        now = {"text": self.corpus, **self.files}
        return [
            f"{name}: sha256 {then[name][:SHOWN]}, now {sha256[:SHOWN]}"
            for name, sha256 in now.items()
            if sha256 is not None and isinstance(then.get(name), str) and then[name] != sha256
        ]
