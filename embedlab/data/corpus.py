"""Corpora: every one of them is files in the end, read as documents, a piece at a time, so that memory stays small."""

import codecs
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, NamedTuple

from embedlab.config.errors import UserError
from embedlab.config.tree import CorpusConfig, DownloadConfig, FilesConfig, PythonDocsConfig
from embedlab.data import python_docs
from embedlab.data.corpus_files import find_files, suffix_of
from embedlab.data.download import download
from embedlab.runs.file_hashes import sha256_of

CHUNK = 1 << 20  # bytes read at once


class Document(NamedTuple):
    """One text. `chunks()` reads it from its start, every time it is called, CHUNK bytes at most at once."""

    where: str  # file, and line in a .jsonl, for messages
    chunks: Callable[[], Iterator[str]]


@dataclass
class Corpus:
    """Files of text: one document a .txt or .md file, one a line of a .jsonl file (there `field` holds its text)."""

    name: str
    files: list[Path]
    field: str = "text"

    @cached_property
    def sha256(self) -> str:
        """Of the one file; of the files' own sha256, in order, where there are several."""
        return self.sha256_by(sha256_of)

    def sha256_by(self, hash_file: Callable[[Path], str]) -> str:
        """Return the same by another way to a file's sha256, as one that remembers."""
        sums = []
        for path in self.files:
            with _reading(path):
                sums.append(hash_file(path))
        return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()

    @property
    def kinds(self) -> list[str]:
        """How each file is read: what decides the text beside the files' bytes."""
        return [f"{kind} {self.field}" if "jsonl" in (kind := suffix_of(path)) else kind for path in self.files]

    def documents(self) -> Iterator[Document]:
        """All documents that hold any text, in order. Raises UserError for what cannot be read."""
        for path in self.files:
            yield from _lines(path, self.field) if ".jsonl" in suffix_of(path) else _whole(path)


def open_corpus(config: CorpusConfig, cache_dir: Path) -> Corpus:
    """The corpus that `config` describes; what is downloaded or collected first is kept below `cache_dir`."""
    match config:
        case FilesConfig():
            return Corpus(config.name, find_files(config.path), config.field)
        case DownloadConfig():
            return Corpus(config.name, [download(config, cache_dir / "downloads")])
        case PythonDocsConfig():
            return Corpus(config.name, [python_docs.collect(cache_dir / "corpora", config.docstrings)])
    raise AssertionError(f"no such corpus: {config}")


def _whole(path: Path) -> Iterator[Document]:
    document = Document(str(path), lambda: _text(path))
    if any(document.chunks()):
        yield document


def _text(path: Path) -> Iterator[str]:
    """The file's text as Python reads text: UTF-8, every kind of newline as one; without a byte order mark."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=True)
    started = False
    done = 0  # bytes read before this chunk
    with _reading(path), _open(path) as file:
        while True:
            chunk = file.read(CHUNK)
            if b"\0" in chunk:
                raise UserError(
                    f"corpus.path: {path} is binary (zero at byte {done + chunk.index(0)}): give UTF-8 text"
                )
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # error.object also holds bytes kept from the chunk before
                raise _not_utf8(path, done - (len(error.object) - len(chunk)) + error.start) from None
            if text and not started:  # by hand: "utf-8-sig" takes a file of half a mark for an empty one
                started, text = True, text.removeprefix("\ufeff")
            if text:
                yield text
            if not chunk:
                return
            done += len(chunk)


def _lines(path: Path, field: str) -> Iterator[Document]:
    done = 0
    with _reading(path), _open(path) as file:
        for number, line in enumerate(file, 1):
            where = f"{path} line {number}"
            try:
                decoded = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, done + error.start) from None
            done += len(line)
            if text := _field(decoded, field, where):
                yield Document(where, lambda text=text: iter([text]))  # type: ignore[misc]  # bound now, not later


def _field(line: str, field: str, where: str) -> str:
    """The text in one line of a .jsonl; "" for a blank line."""
    if not line.strip():
        return ""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"corpus.path: {where} is no JSON ({error}): mend the line or give other files") from None
    if not isinstance(record, dict) or field not in record:
        has = f"it has {', '.join(map(str, record))}" if isinstance(record, dict) and record else "it has none"
        raise UserError(f"corpus.field={field} is no field of {where} ({has}): give corpus.field=NAME")
    text = record[field]
    if text is None:
        raise UserError(f"corpus.field={field} is null in {where}: remove the line or give it a text")
    if not isinstance(text, str):
        raise UserError(f"corpus.field={field} holds no text in {where} but {type(text).__name__}: give another field")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"corpus.path: {where} holds U+{ord(text[error.start]):04X}, a lone surrogate, which is no text: remove it"
        ) from None
    return text


def _not_utf8(path: Path, offset: int) -> UserError:
    return UserError(f"corpus.path: {path} is not UTF-8 at byte {offset}: convert it to UTF-8")


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"corpus.path: {path} is no whole .gz file ({error}): give another") from error
    except OSError as error:
        raise UserError(f"corpus.path: {path} cannot be read ({error.strerror}): mend it or give another") from error
