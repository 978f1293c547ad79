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
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np

from embedlab.config.corpora import CorpusConfig
from embedlab.config.errors import UserError
from embedlab.data.baselines import baselines
from embedlab.data.cache import load_or_build, load_or_compute
from embedlab.data.corpus import Corpus, Document, open_corpus
from embedlab.data.encode_parallel import Piece, encode_in_order
from embedlab.data.pieces import safe_pieces, split_at
from embedlab.data.token_counts import Ids, count_tokens
from embedlab.data.tokenizer import Tokenizer
from embedlab.data.windows import SlidingWindows
from embedlab.runs.measured import Baselines
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
    vocab_size: int
    folder: Path  # in the cache; facts that are computed from the ids are kept there too

    @cached_property
    def train_counts(self) -> Ids:
        """How often each token occurs in the training text, (V,); counted once for all runs."""
        counts = load_or_compute(self.folder, "counts.json", lambda: count_tokens(self.train, self.vocab_size).tolist())
        return np.array(counts, dtype=np.int64)

    def baselines(self, windows: SlidingWindows) -> Baselines:
        """Return the counting baselines on windows of the validation text; computed once for all runs that have them.

        Of 200 MB of text the bigrams take 5 s.
        """
        name = f"baselines-{windows.context_length}-{windows.stride}.json"
        return load_or_compute(self.folder, name, lambda: baselines(self.train, windows, self.vocab_size))


def prepare(config: CorpusConfig, tokenizer: Tokenizer, cache_dir: Path) -> Tokens:
    """Return the corpus as token ids, from the cache below `cache_dir` or tokenized now, in little memory.

    With 50 documents or more, a hash of each text chooses its split, so that all splits are alike and equal documents
    are in the same one. Fewer documents are each cut into three pieces at the ends of words: training, validation,
    test. One <|endoftext|> separates documents. Raises UserError if the corpus is empty, unreadable or changing.
    """
    corpus = open_corpus(config, cache_dir)
    sha256 = corpus.known_sha256(cache_dir)
    parts = [RECIPE, sha256, corpus.kinds, tokenizer.fingerprint, config.val_fraction, config.test_fraction]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    folder = cache_dir / "tokens" / re.sub(r"[^\w.-]", "_", f"{config.name}-{tokenizer.name}-{key[:16]}")

    def tokenize(new: Path) -> CorpusFacts:
        facts = _tokenize(corpus, config, tokenizer, new)
        if corpus.read_sha256(cache_dir) != sha256:  # otherwise the cache would keep it under the old text's hash
            raise UserError(f"corpus={corpus.name} was changed while it was tokenized: rerun the same command")
        return facts

    info = load_or_build(folder, tokenize)
    dtype = np.min_scalar_type(tokenizer.vocab_size - 1)
    train, val, test = (_map_ids(folder / f"{split}.bin", dtype) for split in SPLITS)
    about: CorpusResults = {"name": config.name, "sha256": sha256, **info}
    return Tokens(train, val, test, about, tokenizer.vocab_size, folder)


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
    last = dict.fromkeys(SPLITS, -1)  # the document that each split's last ids are of
    pieces = (
        Piece(number, split, text)
        for number, document in enumerate(_split_documents(corpus, config))
        for split, text in document
    )
    with ExitStack() as stack:
        files: dict[str, IO[bytes]] = {s: stack.enter_context((folder / f"{s}.bin").open("wb")) for s in SPLITS}
        for number, split, ids, n_bytes in encode_in_order(pieces, tokenizer):
            documents = number + 1
            size += n_bytes
            if not len(ids):
                continue
            if number != last[split] and counts[split]:
                np.array([tokenizer.eot], dtype).tofile(files[split])
                counts[split] += 1
            last[split] = number
            ids.astype(dtype).tofile(files[split])
            counts[split] += len(ids)
            if time.monotonic() - logged > LOG_SECONDS:
                logged = time.monotonic()
                log.info("tokenizing corpus=%s: %d MB so far", corpus.name, size // 1_000_000)
    if not size:
        raise UserError(f"corpus={corpus.name} is empty: {_describe_files(corpus)} without any text; give other files")
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
