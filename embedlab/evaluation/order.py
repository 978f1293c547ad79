"""Order sensitivity: how much a model loses when its context is shuffled. L trained window, N windows.

Shuffling all but the last n tokens of the context keeps the same bag of words: the loss of a model that ignores order,
or uses the last n tokens only, does not change. After O'Connor & Andreas 2021, "What Context Features Can Transformer
Language Models Use?".
"""

import numpy as np

from embedlab.config.tree import Config
from embedlab.evaluation.loss import last_losses
from embedlab.model.embeddings import LanguageModel
from embedlab.runs.measured import ShuffledScore
from embedlab.runs.random_streams import EVERY_RUN, seed_sequence

SEED = seed_sequence(EVERY_RUN, "shuffled context")  # the same in all runs, so that only the models differ between them


def order_sensitivity(model: LanguageModel, ids: np.ndarray, config: Config) -> list[ShuffledScore]:
    """Measure the loss for each n of evaluation.shuffle_keep: keep (n tokens), loss and rise, one entry each.

    The loss (nats) is that of the target after each window, the rise is its difference from the unshuffled loss. A last
    entry keeps the whole window: the unshuffled loss, rise 0. The windows have the trained length, are spread evenly
    over the text and may overlap.
    """
    L = config.data.context_length
    starts = np.linspace(0, len(ids) - L - 1, config.evaluation.order_windows).astype(np.int64)
    starts = np.unique(starts)  # a short text has fewer
    inputs = ids[starts[:, None] + np.arange(L)].astype(np.int64)  # (N, L)
    targets = ids[starts + L, None]  # (N, 1)
    keys = np.random.default_rng(SEED).random(inputs.shape)
    batch_tokens = config.data.batch_size * L
    base = float(last_losses(model, inputs, targets, batch_tokens).mean())
    entries: list[ShuffledScore] = []
    for keep in config.evaluation.shuffle_keep:
        loss = float(last_losses(model, shuffle_start(inputs, keep, keys), targets, batch_tokens).mean())
        entries.append({"keep": keep, "loss": loss, "rise": loss - base})
    return [*entries, {"keep": L, "loss": base, "rise": 0.0}]


def shuffle_start(inputs: np.ndarray, keep: int, keys: np.ndarray) -> np.ndarray:
    """Sort all but the last `keep` columns of inputs (N, L) by their random keys (N, L)."""
    n = max(0, inputs.shape[1] - keep)
    order = keys[:, :n].argsort(1)  # (N, n)
    return np.concatenate([np.take_along_axis(inputs[:, :n], order, 1), inputs[:, n:]], 1)
