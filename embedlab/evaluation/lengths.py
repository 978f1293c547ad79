"""Loss at contexts longer (or shorter) than the trained window, on the same target tokens at every length.

Part of the gains published for longer contexts arises only because fewer targets are at the start of a window, where
they see little context (Press et al. 2022, "Train Short, Test Long", appendix B). Therefore two protocols are measured
on one region of the text, which follows the first M tokens (M is the longest length); only the context of a target
differs:

    non_overlapping  the region is cut into windows of T targets: a target sees 1 … T tokens
    sliding          a window of T tokens ends at every `step`-th target and scores its last `step` targets only:
                     a target sees T - step + 1 … T tokens, with step 1 exactly T

L trained window, T tokens in a tested window, N windows, s scored targets per window.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from embedlab.config.tree import Config
from embedlab.evaluation.loss import last_losses
from embedlab.model.embeddings import LanguageModel
from embedlab.runs.measured import ContextScore, Windows
from embedlab.training.module import scores


def extrapolation(
    model: LanguageModel, ids: np.ndarray, byte_lengths: np.ndarray, config: Config
) -> list[ContextScore]:
    """Measure the loss for each length and protocol, one entry each.

    If the scheme is not defined at a length, or the text or evaluation.max_tokens is too short for it, `defined` is
    False, loss and bits_per_byte are None, and the note gives the reason. byte_lengths (V,): bytes of each token.
    """
    lengths = [max(1, round(factor * config.data.context_length)) for factor in config.evaluation.length_factors]
    start, n = target_region(lengths, len(ids), config.evaluation.max_tokens)
    n_bytes = int(byte_lengths[ids[start : start + n]].sum())
    batch_tokens = config.data.batch_size * config.data.context_length
    entries: list[ContextScore] = []
    for T in lengths:
        note = find_obstacle(model, T, start, len(ids), config.evaluation.max_tokens)
        steps: dict[Windows, int] = {"non_overlapping": T, "sliding": min(config.evaluation.sliding_step, T)}
        for protocol, step in steps.items():
            score = None if note else scores(sum_region_losses(model, ids, start, n, T, step, batch_tokens), n, n_bytes)
            entries.append(
                {
                    "context_length": T,
                    "protocol": protocol,
                    "loss": score["loss"] if score else None,
                    "bits_per_byte": score["bits_per_byte"] if score else None,
                    "defined": not note,
                    "note": note,
                    "targets": 0 if note else n,
                }
            )
    return entries


def target_region(lengths: list[int], n_ids: int, max_tokens: int) -> tuple[int, int]:
    """Return (M, n): the targets are ids[M : M + n], or (0, 0) if no length fits.

    M is the longest length that fits, n the largest multiple of M that fits. A length fits if the text holds M tokens
    of context and M targets, and M is at most max_tokens. This depends only on the lengths and the text, so every
    scheme is scored on the same targets.

    >>> target_region([64, 128, 1024], n_ids=1500, max_tokens=4096)
    (128, 1280)
    """
    longest = max((T for T in lengths if n_ids >= 2 * T and max_tokens >= T), default=0)
    return (longest, min(max_tokens, n_ids - longest) // longest * longest) if longest else (0, 0)


def find_obstacle(model: LanguageModel, T: int, longest: int, n_ids: int, max_tokens: int) -> str:
    """Return why the length T cannot be measured; "" if it can."""
    limit = model.scheme.max_context_length
    if limit is not None and limit < T:
        return model.scheme.beyond
    if longest >= T:
        return ""
    if max_tokens < T:
        return f"evaluation.max_tokens={max_tokens} is below this length"
    return f"the test text has {n_ids} tokens, and this length needs {2 * T}"


def sum_region_losses(
    model: LanguageModel, ids: np.ndarray, start: int, n: int, T: int, step: int, batch_tokens: int
) -> float:
    """Sum the losses (nats) of the targets ids[start : start + n], each scored once, `step` of them per window of T."""
    total = 0.0
    n_full, rest = divmod(n, step)
    ends = start + step * np.arange(1, n_full + 1)  # one past each window's last target
    for ends_here, n_scored in (
        (ends, step),
        (np.array([start + n]), rest),
    ):  # the rest is in a window that ends with it
        if len(ends_here) and n_scored:
            inputs = sliding_window_view(ids, T)[ends_here - T - 1]  # (N, T)
            targets = sliding_window_view(ids, n_scored)[ends_here - n_scored]  # (N, s)
            total += float(last_losses(model, inputs, targets, batch_tokens).sum())
    return total
