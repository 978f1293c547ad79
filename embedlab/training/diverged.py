"""Training that diverged: the loss became NaN or infinite. That is a result of its settings, and ends the training."""

import math

from lightning import Trainer
from torch import Tensor

from embedlab.runs.results import Measured, Scores

NO_SCORES: Scores = {"loss": None, "perplexity": None, "bits_per_byte": None}
UNSCORED: Measured = {  # what evaluation would have measured
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
    """Raised out of the training loop; `step` optimizer steps were done, `loss` is NaN or infinite."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"the loss is {loss} at step {step}")
        self.step = step
        self.loss = loss


def check_finite(trainer: Trainer, loss: Tensor) -> None:
    """Raise DivergedError, on all devices, where the loss is not finite on one of them."""
    lost = not bool(loss.isfinite())
    if trainer.world_size > 1:
        lost = trainer.strategy.reduce_boolean_decision(lost, all=False)
    if lost:
        raise DivergedError(trainer.global_step, float(loss))


def unscored(step: int, loss: float) -> Measured:
    """results.json's keys for a diverged run: null scores, and `diverged`, whose loss is the text nan, inf or -inf."""
    return {**UNSCORED, "diverged": {"step": step, "loss": str(loss)}}


def scored(measured: Measured, step: int) -> Measured:
    """What was measured after `step` steps; null scores where the last weights' loss is not finite."""
    for loss in (measured["val"]["loss"], measured["test"]["loss"]):
        if loss is not None and not math.isfinite(loss):
            return unscored(step, loss)
    return measured
