"""Writing GPT-2's whole table for the projector, against SummaryWriter.add_embedding, in one run.

Both write 50,257 x 256 float32 and a label for each row, several times, into new folders. Ours also reduces to 200
dimensions by PCA (in its time) and writes two label columns; in the second case also kinds, counts and views.
Making labels from tokens and finding nearest neighbours is not timed for either.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from embedlab.config.groups import TokenizerConfig
from embedlab.data.token_labels import token_kind, token_label
from embedlab.data.tokenizer import load_tokenizer
from embedlab.tensorboard.projector_files import Table, write_snapshot


def cost(write: Callable[[Path], object], folder: Path, repeats: int) -> tuple[float, int]:
    """(seconds of the fastest of `repeats`, bytes on disk)."""
    seconds = []
    for i in range(repeats):
        start = time.perf_counter()
        write(folder / str(i))
        seconds.append(time.perf_counter() - start)
    return min(seconds), sum(path.stat().st_size for path in (folder / "0").rglob("*") if path.is_file())


@pytest.mark.filterwarnings("ignore")
def test_fifty_times_faster_and_a_fifth_of_the_bytes(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(TokenizerConfig("gpt2", None), tmp_path)
    vectors = np.random.default_rng(0).normal(size=(tokenizer.vocab_size, 256)).astype(np.float32)
    labels = [token_label(tokenizer, token) for token in range(tokenizer.vocab_size)]
    columns = {
        "token": labels,
        "kind": [token_kind(tokenizer, token) for token in range(tokenizer.vocab_size)],
        "rank": range(tokenizer.vocab_size),
        "id": range(tokenizer.vocab_size),
    }

    def stock(folder: Path) -> None:
        with SummaryWriter(folder) as writer:
            writer.add_embedding(vectors, metadata=labels)

    def plain(folder: Path) -> None:
        write_snapshot(folder, [Table("tokens", vectors, {"token": labels}, views=False)])

    def rich(folder: Path) -> None:
        write_snapshot(folder, [Table("tokens", vectors, columns)])

    plain(tmp_path / "warm")  # imports
    stock_seconds, stock_bytes = cost(stock, tmp_path / "stock", repeats=2)
    print(f"\nadd_embedding             {stock_seconds:6.2f} s  {stock_bytes / 1e6:6.1f} MB")
    for name, write in (("vectors and labels", plain), ("all columns, ready views", rich)):
        seconds, size = cost(write, tmp_path / name, repeats=5)
        faster = stock_seconds / seconds
        times = f"{faster:.0f} times faster, {stock_bytes / size:.1f} times smaller"
        print(f"{name:25} {seconds:6.3f} s  {size / 1e6:6.1f} MB  {times}")
        assert faster > 50
        assert size * 5 < stock_bytes
