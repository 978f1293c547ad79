"""Test loss by document or window: what each piece holds, and that the pieces add up to the whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData
from embedlab.data.tokenizer import ByteTokenizer
from embedlab.data.windows import SlidingWindows
from embedlab.evaluation import pieces
from embedlab.evaluation.loss import window_losses
from embedlab.evaluation.pieces import measure_pieces
from embedlab.model.embeddings import LanguageModel

TOKENIZER = ByteTokenizer()


def text_of(documents: list[bytes]) -> np.ndarray:
    """Return the documents' ids with an end of text between two of them, as `prepare` writes them."""
    ids: list[int] = []
    for number, document in enumerate(documents):
        ids += [TOKENIZER.eot] * (number > 0) + list(document)
    return np.array(ids, dtype=np.uint16)


def slowly(nats: np.ndarray, windows: SlidingWindows) -> dict[int, list[tuple[float, int]]]:
    """Return {document: (loss, bytes) of each scored target}, target by target."""
    found: dict[int, list[tuple[float, int]]] = {}
    for n in range(len(windows)):
        for t in range(windows.context_length):
            at = n * windows.stride + 1 + t
            document = int((windows.ids[:at] == TOKENIZER.eot).sum())
            found.setdefault(document, []).append((nats[n, t], int(TOKENIZER.byte_lengths[windows.ids[at]])))
    return found


@pytest.mark.parametrize("stride", [8, 21])
def test_many_documents_are_pieces(stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MANY_DOCUMENTS", 4)
    rng = np.random.default_rng(0)
    documents = [bytes(rng.integers(97, 122, size).tolist()) for size in (5, 40, 1, 1, 33, 60, 7, 90)]
    windows = SlidingWindows(text_of(documents), 8, stride)
    nats = rng.gamma(2.0, size=(len(windows), 8))
    found = measure_pieces(nats, windows, TOKENIZER)
    expected = list(slowly(nats, windows).values())
    assert found["unit"] == "document"
    assert found["tokens"] == [len(piece) for piece in expected]
    assert found["bytes"] == [sum(size for _, size in piece) for piece in expected]
    assert found["loss"] == pytest.approx([np.mean([loss for loss, _ in piece]) for piece in expected], abs=1e-6)


def test_few_documents_are_cut_into_windows() -> None:
    windows = SlidingWindows(text_of([b"abcdefgh" * 5, b"xyz" * 9]), 8, 8)
    nats = np.arange(len(windows) * 8, dtype=float).reshape(-1, 8)
    found = measure_pieces(nats, windows, TOKENIZER)
    assert found["unit"] == "window"
    assert found["loss"] == nats.mean(1).tolist()
    assert found["tokens"] == [8] * len(windows)
    assert sum(found["bytes"]) == len(windows) * 8 - 1  # the end of text has no byte


def test_neighbours_are_joined_past_the_most_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST_PIECES", 4)
    windows = SlidingWindows(text_of([b"abcdefgh" * 9]), 8, 8)  # 8 windows and a remainder
    nats = np.arange(len(windows) * 8, dtype=float).reshape(-1, 8)
    found = measure_pieces(nats, windows, TOKENIZER)
    assert len(found["loss"]) <= 4 and sum(found["tokens"]) == nats.size
    assert np.dot(found["loss"], found["tokens"]) == pytest.approx(nats.sum())
    assert len(set(found["tokens"][:-1])) == 1


def test_the_pieces_of_a_run_add_up_to_its_test_loss(make_config: Callable[..., Config], tiny: list[str]) -> None:
    config = make_config(*tiny, "position=none")
    data = TextData(config)
    data.setup()
    torch.manual_seed(0)
    model = LanguageModel(config, data.tokenizer.vocab_size)
    losses = window_losses(model, data.test_windows, torch.as_tensor(data.tokenizer.byte_lengths), 256)
    found: Any = measure_pieces(losses.nats, data.test_windows, data.tokenizer)
    score = losses.scores()
    nats = np.dot(found["loss"], found["tokens"])
    assert nats / sum(found["tokens"]) == pytest.approx(score["loss"], abs=1e-6)
    assert nats / np.log(2) / sum(found["bytes"]) == pytest.approx(score["bits_per_byte"], abs=1e-6)
