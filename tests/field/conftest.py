"""A run of three steps, as one command line."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def field(text: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return overrides of a run that takes two seconds, with every callback on."""
    return [
        "corpus=files",
        f"corpus.path={text}",
        f"cache_dir={tmp_path_factory.mktemp('cache')}",
        "tokenizer=bytes",
        "model.embedding_dim=16",
        "model.n_heads=2",
        "data.context_length=16",
        "data.batch_size=16",
        "data.max_eval_tokens=128",
        "trainer.max_steps=3",
        "trainer.val_check_interval=2",
        "trainer.log_every_n_steps=1",
        "threads=1",
        "evaluation.max_tokens=64",
        "evaluation.order_windows=4",
    ]
