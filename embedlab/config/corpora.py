"""Settings of the corpora: where the text comes from and how it is split. Imports no torch."""

from dataclasses import dataclass
from typing import Any

from embedlab.config.errors import UserError
from embedlab.config.settings import setting


@dataclass(slots=True)
class CorpusConfig:
    """The text to learn from."""

    name: str = setting("name of the corpus, for folders and reports")
    val_fraction: float = setting("share of the text kept for validation, 0 to 1")
    test_fraction: float = setting("share of the text kept for the final test, 0 to 1")

    def validate(self) -> None:
        for part in ("val", "test"):
            share = getattr(self, f"{part}_fraction")
            if not 0 < share < 1:
                raise UserError(f"corpus.{part}_fraction={share} is not a share: give a number between 0 and 1, as 0.1")
        if self.val_fraction + self.test_fraction >= 1:
            raise UserError(
                f"corpus.val_fraction={self.val_fraction} and corpus.test_fraction={self.test_fraction} "
                "leave nothing to train on: give a sum below 1"
            )


@dataclass(slots=True)
class PythonDocsConfig(CorpusConfig):
    """Python's own documentation, read from the running Python."""

    docstrings: bool = setting("whether the standard library's docstrings are added to pydoc_data.topics")


@dataclass(slots=True)
class DownloadConfig(CorpusConfig):
    """One text file, downloaded once."""

    url: str = setting("address of the text file")
    sha256: str = setting("sha256 of the text file, in hexadecimal")


@dataclass(slots=True)
class FilesConfig(CorpusConfig):
    """Your own text."""

    path: Any = setting("a file, a list of files, a folder or a glob: .txt, .md, .jsonl, each plain or .gz")
    field: str = setting("the field of a .jsonl line that holds the text")

    def validate(self) -> None:
        CorpusConfig.validate(self)
        paths = self.path if isinstance(self.path, list) else [self.path]
        if not paths or not all(isinstance(path, str) and path for path in paths):
            raise UserError(f"corpus.path={self.path!r} names no file: give corpus.path=FILE, a folder or a glob")
