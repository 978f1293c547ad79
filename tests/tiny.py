"""A run small enough to train many times, with all that makes resuming difficult."""

import random
from pathlib import Path

import pytest

WORDS = ["time", "river", "stone", "position", "of", "the", "and", "a", "learned", "token", "window", "is", "far"]


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a generated text of 20 kB."""
    draw = random.Random(0)
    paragraphs = (" ".join(draw.choices(WORDS, k=60)) + "." for _ in range(60))
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(paragraphs), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny(text: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return overrides of a run of 16 steps, 7 an epoch, with dropout, validated within epochs and at their ends."""
    return [
        "corpus=files",
        f"corpus.path={text}",
        f"cache_dir={tmp_path_factory.mktemp('cache')}",
        "tokenizer=bytes",
        "model.embedding_dim=16",
        "model.n_heads=2",
        "model.dropout=0.2",
        "data.context_length=16",
        "data.batch_size=128",
        "data.max_eval_tokens=512",
        "trainer.max_steps=16",
        "trainer.val_check_interval=4",
        "trainer.log_every_n_steps=3",
        "evaluation.max_tokens=64",
        "evaluation.order_windows=4",
        "evaluation.length_factors=[1]",
        "callbacks.projector=null",
        "callbacks.figures=null",
        "callbacks.texts=null",
    ]
