"""Corpora: files that are read as documents, one chunk at a time, so that memory stays small."""

import codecs
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from embedlab.config.corpora import CorpusConfig, DownloadConfig, FilesConfig, PythonDocsConfig
from embedlab.config.errors import UserError
from embedlab.data import python_docs
from embedlab.data.corpus_files import find_files, suffix_of
from embedlab.data.download import download
from embedlab.runs.file_hashes import known_sha256s, read_sha256s, sha256_of

CHUNK = 1 << 20  # bytes read at once


class Document(NamedTuple):
    """One text. Each call of `chunks()` reads it from its start, at most CHUNK bytes at a time."""

    source: str  # file, and line of a .jsonl file, for messages
    chunks: Callable[[], Iterator[str]]


@dataclass
class Corpus:
    """Files of text: a .txt or .md file is one document; a line of a .jsonl file is one, with its text in `field`."""

    name: str
    files: list[Path]
    field: str = "text"

    @property
    def sha256(self) -> str:
        """Hash of the file if there is one; of several files, hash of their hashes in order."""
        return self._combine(lambda: [sha256_of(path) for path in self.files])

    def known_sha256(self, cache_dir: Path) -> str:
        """Return `sha256` without reading files that have not changed since they were last hashed."""
        return self._combine(lambda: known_sha256s(self.files, cache_dir))

    def read_sha256(self, cache_dir: Path) -> str:
        """Return `sha256` of the files, all read whole, and keep it for `known_sha256`."""
        return self._combine(lambda: read_sha256s(self.files, cache_dir))

    def _combine(self, hash_files: Callable[[], list[str]]) -> str:
        with _report_read_errors(self.files[0]):
            sums = hash_files()
        return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()

    @property
    def kinds(self) -> list[str]:
        """The format of each file, which decides its text together with its bytes."""
        return [f"{kind} {self.field}" if "jsonl" in (kind := suffix_of(path)) else kind for path in self.files]

    def documents(self) -> Iterator[Document]:
        """Yield all documents that are not empty, in order. Raises UserError if a file cannot be read."""
        for path in self.files:
            yield from _read_jsonl(path, self.field) if ".jsonl" in suffix_of(path) else _read_whole(path)


def open_corpus(config: CorpusConfig, cache_dir: Path) -> Corpus:
    """Return the corpus that `config` describes; downloads and collected texts are kept below `cache_dir`."""
    match config:
        case FilesConfig():
            return Corpus(config.name, find_files(config.path), config.field)
        case DownloadConfig():
            return Corpus(config.name, [download(config, cache_dir)])
        case PythonDocsConfig():
            return Corpus(config.name, [python_docs.collect(cache_dir / "corpora", config.docstrings)])
    raise AssertionError(f"no such corpus: {config}")


def _read_whole(path: Path) -> Iterator[Document]:
    document = Document(str(path), lambda: _read_text(path))
    if any(document.chunks()):
        yield document


def _read_text(path: Path) -> Iterator[str]:
    """Yield the file's text as Python reads it: UTF-8, every newline as a line feed; without a byte order mark."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=True)
    started = False
    done = 0  # bytes read before this chunk
    with _report_read_errors(path), _open(path) as file:
        while True:
            chunk = file.read(CHUNK)
            if b"\0" in chunk:
                raise UserError(
                    f"corpus.path: {path} is binary (zero at byte {done + chunk.index(0)}): give UTF-8 text"
                )
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # error.object includes bytes kept from the chunk before
                raise _not_utf8(path, done - (len(error.object) - len(chunk)) + error.start) from None
            if text and not started:  # not "utf-8-sig", which reads a file of half a mark as empty
                started, text = True, text.removeprefix("\ufeff")
            if text:
                yield text
            if not chunk:
                return
            done += len(chunk)


def _read_jsonl(path: Path, field: str) -> Iterator[Document]:
    done = 0  # bytes of the lines before
    with _report_read_errors(path), _open(path) as file:
        for number, line in enumerate(file, 1):
            source = f"{path} line {number}"
            try:
                decoded = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, done + error.start) from None
            done += len(line)
            if text := _parse_line(decoded, field, source):
                yield Document(source, lambda text=text: iter([text]))  # type: ignore[misc]  # bind text now


def _parse_line(line: str, field: str, source: str) -> str:
    """Return the text in one line of a .jsonl file; "" for a blank line."""
    if not line.strip():
        return ""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"corpus.path: {source} is not JSON ({error}): correct the line or give other files") from None
    if not isinstance(record, dict) or field not in record:
        has = f"it has {', '.join(map(str, record))}" if isinstance(record, dict) and record else "it has none"
        raise UserError(f"corpus.field={field} is not a field of {source} ({has}): give corpus.field=NAME")
    text = record[field]
    if text is None:
        raise UserError(f"corpus.field={field} is null in {source}: remove the line or give it a text")
    if not isinstance(text, str):
        raise UserError(f"corpus.field={field} is not text in {source} but {type(text).__name__}: give another field")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"corpus.path: {source} holds U+{ord(text[error.start]):04X}, a lone surrogate, not text: remove it"
        ) from None
    return text


def _not_utf8(path: Path, offset: int) -> UserError:
    return UserError(f"corpus.path: {path} is not UTF-8 at byte {offset}: convert it to UTF-8")


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


@contextmanager
def _report_read_errors(path: Path) -> Iterator[None]:
    """Raise UserError if the file cannot be read or decompressed."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"corpus.path: {path} is not a complete .gz file ({error}): give another") from error
    except OSError as error:
        raise UserError(
            f"corpus.path: {error.filename or path} cannot be read ({error.strerror}): make it readable or give another"
        ) from error
