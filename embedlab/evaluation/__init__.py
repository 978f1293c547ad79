"""What is measured of a trained model, in every run and on demand (`python -m embedlab.evaluate RUN_FOLDER`)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from embedlab.config.tree import Config
from embedlab.data.baselines import baselines
from embedlab.data.datamodule import TextData
from embedlab.data.tokenizer import Tokenizer
from embedlab.evaluation.lengths import extrapolation
from embedlab.evaluation.lens import position_lens
from embedlab.evaluation.loss import window_losses
from embedlab.evaluation.order import order_sensitivity
from embedlab.evaluation.table_measures import tables
from embedlab.model.embeddings import LanguageModel
from embedlab.runs.results import CloserLook, Measured
from embedlab.runs.view_failures import log_view_failure

LOOK = "the measure"  # how a failed one begins in the log


def measure(model: LanguageModel, data: TextData, config: Config) -> Measured:
    """Every key of results.json that depends on weights and held-out text."""
    lengths = torch.as_tensor(data.tokenizer.byte_lengths)
    batch_tokens = config.data.batch_size * config.data.context_length
    val = window_losses(model, data.val_windows, lengths, batch_tokens)
    started = time.perf_counter()
    test = window_losses(model, data.test_windows, lengths, batch_tokens)
    eval_seconds = time.perf_counter() - started
    return {
        "val": val.scores(),
        "test": test.scores(),
        "baselines": baselines(data.tokens.train, data.val_windows, data.tokenizer.vocab_size),
        "loss_by_position": test.by_position(),
        **evaluate(model, data.tokens.test, data.tokenizer, config),
        "eval_tokens_per_second": test.nats.size / eval_seconds,
    }


def evaluate(model: LanguageModel, ids: np.ndarray, tokenizer: Tokenizer, config: Config) -> CloserLook:
    """Look closer at the test text `ids` (1-D); the value of a look that failed, see the log, is None."""
    looks: dict[str, Callable[[], Any]] = {
        "extrapolation": lambda: extrapolation(model, ids, tokenizer.byte_lengths, config),
        "order_sensitivity": lambda: order_sensitivity(model, ids, config),
        "tables": lambda: tables(model, ids, tokenizer),
        "position_lens": lambda: position_lens(model, ids, config),
    }
    found: Any = dict.fromkeys(looks)
    for name, look in looks.items():
        with log_view_failure(Path(config.run_dir), f"{LOOK} {name}"):
            found[name] = look()
    return cast(CloserLook, found)
