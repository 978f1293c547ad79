"""Diverged training: the loss became NaN or infinite. That ends the training and is a result of its settings."""

import math

from lightning import Trainer
from torch import Tensor

from embedlab.runs.results import Measured, Scores

NO_SCORES: Scores = {"loss": None, "perplexity": None, "bits_per_byte": None}
UNMEASURED: Measured = {  # every key that evaluation would have measured
    "val": NO_SCORES,
    "test": NO_SCORES,
    "baselines": None,
    "loss_by_position": None,
    "extrapolation": None,
    "order_sensitivity": None,
    "tables": None,
    "position_lens": None,
    "eval_tokens_per_second": None,
}


class DivergedError(Exception):
    """Raised in the training loop after `step` optimizer steps; `loss` is NaN or infinite."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"the loss is {loss} at step {step}")
        self.step = step
        self.loss = loss


def check_finite(trainer: Trainer, loss: Tensor) -> None:
    """Raise DivergedError on all devices if the loss is not finite on any of them."""
    diverged = not bool(loss.isfinite())
    if trainer.world_size > 1:
        diverged = trainer.strategy.reduce_boolean_decision(diverged, all=False)
    if diverged:
        raise DivergedError(trainer.global_step, float(loss))


def null_scores(step: int, loss: float) -> Measured:
    """Return results.json's keys of a diverged run: null scores, and `diverged` with the text nan, inf or -inf."""
    return {**UNMEASURED, "diverged": {"step": step, "loss": str(loss)}}


def null_if_not_finite(measured: Measured, step: int) -> Measured:
    """Return what was measured after `step` steps; null scores if the validation or test loss is not finite."""
    for loss in (measured["val"]["loss"], measured["test"]["loss"]):
        if loss is not None and not math.isfinite(loss):
            return null_scores(step, loss)
    return measured
