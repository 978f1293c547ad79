"""Tokenizers: text to token ids and back, without loss."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import tiktoken

from embedlab.config.errors import UserError
from embedlab.config.groups import TokenizerConfig
from embedlab.config.settings import one_of
from embedlab.data.encodings import END_OF_TEXT, GPT2_VOCAB_SIZE, download_encoding, load_gpt2


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
        return BytePairTokenizer(load_gpt2(config.vocab_size or GPT2_VOCAB_SIZE))
    if config.vocab_size is not None:
        raise UserError(
            f"tokenizer.vocab_size={config.vocab_size} cannot truncate tokenizer={config.name}: "
            "leave it null, or choose tokenizer=gpt2"
        )
    return ByteTokenizer() if config.name == "bytes" else BytePairTokenizer(download_encoding(config.name, cache_dir))


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"the text holds a lone surrogate, U+{ord(text[error.start]):04X} at character {error.start}, "
            "which is not a Unicode character: remove it, or encode the text again as UTF-8"
        ) from None
