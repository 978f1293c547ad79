"""Diverged training: the loss became NaN, infinite or huge. That is a result of the settings; NaN ends the training."""

import math
from collections.abc import Callable

from lightning import Trainer
from torch import Tensor

from embedlab.runs.measured import Measured, Scores

NO_SCORES: Scores = {"loss": None, "perplexity": None, "bits_per_byte": None}
UNMEASURED: Measured = {  # every key that evaluation would have measured
    "val": NO_SCORES,
    "test": NO_SCORES,
    "baselines": None,
    "loss_by_position": None,
    "test_pieces": None,
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
    """Return results.json's keys of a diverged run: null scores, and `diverged` with the loss as text, as nan."""
    return {**UNMEASURED, "diverged": {"step": step, "loss": f"{loss:.6g}"}}


def null_if_diverged(measured: Measured, step: int, untrained: Callable[[], Measured]) -> Measured:
    """Return what was measured after `step` steps; null scores if the run has diverged.

    It has if a loss is not finite, or so large that its perplexity is infinite (above 700 nats), and larger than
    `untrained()` measures, the model before training. A wide model with large initial vectors begins there too, and
    must not be called diverged after a few steps in the right direction.
    """
    for split in (measured["val"], measured["test"]):
        loss, perplexity = split["loss"], split["perplexity"]
        if loss is None or perplexity is None or (math.isfinite(loss) and math.isfinite(perplexity)):
            continue
        before = untrained()["val"]["loss"] if math.isfinite(loss) else None
        if before is None or loss > before:
            return null_scores(step, loss)
    return measured
