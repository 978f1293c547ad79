"""What a reader must know about a run before trusting its scores."""

from typing import Any

from embedlab.config.check_trainer import trainer_cautions
from embedlab.config.tree import Config
from embedlab.positions.config import shape_of

NOT_BEST = (
    "the scores are of the last weights: none were kept by the lowest validation loss, so a run that got worse towards "
    "its end is scored at its worst"
)


def cautions(config: Config) -> list[str]:
    """Return one sentence for each setting that runs, but with which a score is not what it seems."""
    return [
        *config.position.cautions(shape_of(config)),
        *trainer_cautions(config.trainer),
        *_debugging_cautions(config.trainer),
        *_monitor_cautions(config.callbacks),
    ]


def _debugging_cautions(trainer: dict[str, Any]) -> list[str]:
    """Check the Trainer's settings for debugging, which skip most of the work. 1.0 is all batches, 1 is one batch."""
    found = []
    if n := trainer.get("fast_dev_run"):
        found.append(
            f"trainer.fast_dev_run={_yaml(n)} uses {int(n)} of all batches, to try the code: this is no result"
        )
    if n := trainer.get("overfit_batches"):
        found.append(f"trainer.overfit_batches={n} trains on the same few batches, to try the code: this is no result")
    if _skips_batches(n := trainer.get("limit_train_batches")):
        found.append(f"trainer.limit_train_batches={n} trains on only a part of the text")
    if _skips_batches(n := trainer.get("limit_val_batches")):
        found.append(f"trainer.limit_val_batches={n} chooses the best weights by only a part of the validation text")
    if (limit := trainer.get("max_time")) is not None:
        found.append(f"trainer.max_time={limit} may end training by the clock: a faster machine takes more steps")
    return found


def _skips_batches(limit: Any) -> bool:
    return limit is not None and not (isinstance(limit, float) and limit == 1)


def _monitor_cautions(callbacks: dict[str, Any]) -> list[str]:
    best = callbacks.get("best") or {}
    monitor, mode = best.get("monitor", "val/loss"), best.get("mode", "min")
    if (monitor, mode) == ("val/loss", "min"):
        return []
    return [
        f"callbacks.best.monitor={monitor} callbacks.best.mode={mode} chose the weights that are scored, "
        "not the lowest val/loss"
    ]


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
