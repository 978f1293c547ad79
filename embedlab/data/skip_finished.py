"""Whether a finished job may be skipped: same settings, same text, same code. Imports no torch."""

import functools
from pathlib import Path

from embedlab.config.corpora import CorpusConfig, DownloadConfig, FilesConfig, PythonDocsConfig
from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.data import python_docs
from embedlab.data.corpus import open_corpus
from embedlab.runs.file_hashes import hash_files, sha256_of
from embedlab.runs.folder import read_finished
from embedlab.runs.results import Results
from embedlab.runs.same_inputs import Inputs


def finished_results(folder: Path, config: Config, remedy: str) -> Results | None:
    """Return results.json of a finished job; None if there is none.

    Raises UserError if it was made with other settings, from another text or by other code.
    """
    results = read_finished(folder, config, remedy)
    if results is None:
        return None
    about = results.get("corpus")
    then = about.get("sha256") if isinstance(about, dict) else None
    text = None if then is None else text_sha256(config.corpus, Path(config.cache_dir).expanduser())
    now = Inputs(text, hash_files(config) if results.get("files") else {})
    why = ", as python_docs does with the Python version" if isinstance(config.corpus, PythonDocsConfig) else ""
    if changed := now.changes_since(then, results.get("files")):
        raise UserError(
            f"{folder} is finished, but its text or files have changed since it started "
            f"({'; '.join(changed[:3])}){why}: restore the old content; {remedy}"
        )
    return results


def text_sha256(corpus: CorpusConfig, cache_dir: Path) -> str | None:
    """Return the sha256 that a run on this corpus would record; None if the text cannot be read."""
    try:
        match corpus:
            case DownloadConfig():
                return corpus.sha256.lower()  # a run accepts no other text
            case FilesConfig():
                return open_corpus(corpus, cache_dir).known_sha256(cache_dir)
            case PythonDocsConfig():
                return _collected_sha256(corpus.docstrings, cache_dir)
    except UserError:
        return None  # then the text is not compared
    raise AssertionError(f"no such corpus: {corpus}")


@functools.cache  # the running Python's text, which does not change during this process
def _collected_sha256(docstrings: bool, cache_dir: Path) -> str:
    return sha256_of(python_docs.collect(cache_dir / "corpora", docstrings))
