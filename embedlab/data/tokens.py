"""Token ids of a corpus, divided into training, validation and test text, cached on disk as memory maps."""

import hashlib
import itertools
import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from embedlab.config.errors import UserError
from embedlab.config.tree import CorpusConfig
from embedlab.data.cache import load_or_build
from embedlab.data.corpus import Corpus, Document, open_corpus
from embedlab.data.pieces import safe_pieces, split_at
from embedlab.data.tokenizer import Tokenizer
from embedlab.runs.file_hashes import sha256_of
from embedlab.runs.results import Corpus as CorpusResults
from embedlab.runs.results import CorpusFacts, Splits

log = logging.getLogger(__name__)
RECIPE = 1  # increase it if the same corpus and tokenizer would give other ids
SPLITS = ("train", "val", "test")
MANY_DOCUMENTS = 50  # from here on each whole document goes to one split
LOG_SECONDS = 10  # between two progress messages


@dataclass(frozen=True)
class Tokens:
    """Read-only 1-D ids of each split, of the smallest sufficient unsigned type, and facts about the corpus."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    corpus: CorpusResults


def prepare(config: CorpusConfig, tokenizer: Tokenizer, cache_dir: Path) -> Tokens:
    """Return the corpus as token ids, from the cache below `cache_dir` or tokenized now, in little memory.

    With 50 documents or more, a hash of each text chooses its split, so that all splits are alike and equal documents
    are in the same one. Fewer documents are each cut into three pieces at the ends of words: training, validation,
    test. One <|endoftext|> separates documents. Raises UserError if the corpus is empty, unreadable or changing.
    """
    corpus = open_corpus(config, cache_dir)
    parts = [RECIPE, corpus.sha256, corpus.kinds, tokenizer.fingerprint, config.val_fraction, config.test_fraction]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    folder = cache_dir / "tokens" / re.sub(r"[^\w.-]", "_", f"{config.name}-{tokenizer.name}-{key[:16]}")
    info = load_or_build(folder, lambda new: _tokenize(corpus, config, tokenizer, new))
    dtype = np.min_scalar_type(tokenizer.vocab_size - 1)
    ids = {split: _map_ids(folder / f"{split}.bin", dtype) for split in SPLITS}
    return Tokens(**ids, corpus={"name": config.name, "sha256": corpus.sha256, **info})


def _map_ids(path: Path, dtype: np.dtype) -> np.ndarray:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r")


def _tokenize(corpus: Corpus, config: CorpusConfig, tokenizer: Tokenizer, folder: Path) -> CorpusFacts:
    """Tokenize the corpus into `folder` and return its facts for results.json."""
    start = logged = time.monotonic()
    dtype = np.min_scalar_type(tokenizer.vocab_size - 1)
    counts = dict.fromkeys(SPLITS, 0)  # tokens
    size = 0  # bytes of text
    documents = 0
    with ExitStack() as stack:
        files: dict[str, IO[bytes]] = {s: stack.enter_context((folder / f"{s}.bin").open("wb")) for s in SPLITS}
        for document in _split_documents(corpus, config):
            documents += 1
            started = set()
            for split, piece in document:
                ids = tokenizer.encode(piece).astype(dtype)
                if split not in started and len(ids) and counts[split]:
                    ids = np.concatenate([np.array([tokenizer.eot], dtype), ids])
                started |= {split} if len(ids) else set()
                ids.tofile(files[split])
                counts[split] += len(ids)
                size += len(piece.encode())
                if time.monotonic() - logged > LOG_SECONDS:
                    logged = time.monotonic()
                    log.info("tokenizing corpus=%s: %d MB so far", corpus.name, size // 1_000_000)
    if not size:
        raise UserError(f"corpus={corpus.name} is empty: {_describe_files(corpus)} without any text; give other files")
    if corpus.sha256_by(sha256_of) != corpus.sha256:  # otherwise the cache would keep it under the old text's hash
        raise UserError(f"corpus={corpus.name} was changed while it was tokenized: rerun the same command")
    total = sum(counts.values())
    log.info("tokenized corpus=%s: %d tokens in %.1f s", corpus.name, total, time.monotonic() - start)
    splits: Splits = {"train": counts["train"], "val": counts["val"], "test": counts["test"]}
    return {"tokens": total, "bytes": size, "documents": documents, "splits": splits}


def _describe_files(corpus: Corpus) -> str:
    return str(corpus.files[0]) if len(corpus.files) == 1 else f"{len(corpus.files)} files"


def _split_documents(corpus: Corpus, config: CorpusConfig) -> Iterator[Iterator[tuple[str, str]]]:
    """Yield each document as (split, piece) pairs."""
    few = sum(1 for _ in itertools.islice(corpus.documents(), MANY_DOCUMENTS)) < MANY_DOCUMENTS
    for document in corpus.documents():
        yield _cut_document(document, config) if few else _assign_document(document, config)


def _cut_document(document: Document, config: CorpusConfig) -> Iterator[tuple[str, str]]:
    n = sum(map(len, document.chunks()))  # characters
    ends = [round(n * (1 - config.val_fraction - config.test_fraction)), round(n * (1 - config.test_fraction))]
    for part, piece in split_at(safe_pieces(document.chunks()), ends):
        yield SPLITS[part], piece


def _assign_document(document: Document, config: CorpusConfig) -> Iterator[tuple[str, str]]:
    digest = hashlib.sha256()
    for chunk in document.chunks():
        digest.update(chunk.encode())
    share = int.from_bytes(digest.digest()[:8], "big") / 2**64  # uniform in 0 to 1
    val, test = config.val_fraction, config.test_fraction
    split = "val" if share < val else "test" if share < val + test else "train"
    for piece in safe_pieces(document.chunks()):
        yield split, piece
