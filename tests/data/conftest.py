from pathlib import Path

import pytest

from embedlab.config.groups import TokenizerConfig
from embedlab.data.tokenizer import Tokenizer, load_tokenizer


def tokenizer(name: str, vocab_size: int | None = None) -> Tokenizer:
    return load_tokenizer(TokenizerConfig(name=name, vocab_size=vocab_size), Path("unused"))


@pytest.fixture(scope="session")
def gpt2() -> Tokenizer:
    return tokenizer("gpt2")


@pytest.fixture(scope="session")
def gpt2_small() -> Tokenizer:
    return tokenizer("gpt2", 1000)


@pytest.fixture(scope="session")
def byte() -> Tokenizer:
    return tokenizer("bytes")
