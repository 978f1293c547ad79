"""Measurements of a trained model, in every run and on demand (`python -m embedlab.evaluate RUN_FOLDER`)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData
from embedlab.data.tokenizer import Tokenizer
from embedlab.evaluation.lengths import extrapolation
from embedlab.evaluation.lens import position_lens
from embedlab.evaluation.loss import window_losses
from embedlab.evaluation.order import order_sensitivity
from embedlab.evaluation.pieces import measure_pieces
from embedlab.evaluation.table_measures import measure_tables
from embedlab.model.embeddings import LanguageModel
from embedlab.runs.measured import CloserLook, Measured
from embedlab.runs.view_failures import log_view_failure

MEASURE = "the measure"  # the first words of a failed measure's line in the log


def measure(model: LanguageModel, data: TextData, config: Config) -> Measured:
    """Measure all keys of results.json that depend on the weights and on held-out text."""
    lengths = torch.as_tensor(data.tokenizer.byte_lengths)
    batch_tokens = config.data.batch_size * config.data.context_length
    val = window_losses(model, data.val_windows, lengths, batch_tokens)
    started = time.perf_counter()
    test = window_losses(model, data.test_windows, lengths, batch_tokens)
    eval_seconds = time.perf_counter() - started
    more: dict[str, Callable[[], Any]] = {
        "baselines": lambda: data.tokens.baselines(data.val_windows),
        "loss_by_position": test.by_position,
        "test_pieces": lambda: measure_pieces(test.nats, data.test_windows, data.tokenizer),
    }
    measured = {
        "val": val.scores(),
        "test": test.scores(),
        **_take(more, config),
        **evaluate(model, data.tokens.test, data.tokenizer, config),
        "eval_tokens_per_second": test.nats.size / eval_seconds,
    }
    return cast(Measured, measured)


def evaluate(model: LanguageModel, ids: np.ndarray, tokenizer: Tokenizer, config: Config) -> CloserLook:
    """Take the measures beyond the loss on the test text `ids` (1-D); one that fails is logged and is None."""
    measures: dict[str, Callable[[], Any]] = {
        "extrapolation": lambda: extrapolation(model, ids, tokenizer.byte_lengths, config),
        "order_sensitivity": lambda: order_sensitivity(model, ids, config),
        "tables": lambda: measure_tables(model, ids, tokenizer),
        "position_lens": lambda: position_lens(model, ids, config),
    }
    return cast(CloserLook, _take(measures, config))


def _take(measures: dict[str, Callable[[], Any]], config: Config) -> dict[str, Any]:
    """Take each measure; one that fails is logged and is None."""
    found: dict[str, Any] = dict.fromkeys(measures)
    for name, take in measures.items():
        with log_view_failure(Path(config.run_dir), f"{MEASURE} {name}"):
            found[name] = take()
    return found
