"""Check settings of Lightning's Trainer that fail late, never end, or silently do not train."""

from typing import Any

from embedlab.config.errors import UserError

ENDS = "give trainer.max_steps=N, trainer.max_epochs=N or +trainer.max_time=DAYS:HOURS:MINUTES:SECONDS"
LEAST = {"log_every_n_steps": 0, "num_sanity_val_steps": -1, "accumulate_grad_batches": 1}  # whole numbers


def check_trainer(trainer: dict[str, Any]) -> None:
    """Raise UserError if training would have no end or no data, or a number is none that Lightning can count with."""
    for key, default in (("max_steps", -1), ("max_epochs", None)):
        n = trainer.get(key, default)
        if n != default and (type(n) is not int or n < -1):
            raise UserError(f"trainer.{key}={_yaml(n)} must be a whole number: 0 or more, or -1 for no limit")
    for key, least in LEAST.items():
        if (n := trainer.get(key)) is not None and (type(n) is not int or n < least):
            raise UserError(f"trainer.{key}={_yaml(n)} cannot be used: give a whole number, {least} or more")
    if trainer.get("val_check_interval") == 0:
        raise UserError("trainer.val_check_interval=0 never validates: give a number of steps, as 60")
    if (nodes := trainer.get("num_nodes", 1)) != 1:
        raise UserError(
            f"trainer.num_nodes={nodes} cannot be used: a run has one machine; sweeps use several, by "
            "hydra/launcher=slurm"
        )
    no_limit = trainer.get("max_steps", -1) == -1 and trainer.get("max_epochs") == -1
    if no_limit and trainer.get("max_time") is None:
        raise UserError(f"trainer.max_steps=-1 never ends: {ENDS}")
    share = trainer.get("limit_train_batches")
    if not isinstance(share, bool) and isinstance(share, int | float) and not share > 0:
        raise UserError(
            f"trainer.limit_train_batches={share} trains on nothing: give more than 0, "
            "or trainer.max_steps=0 to measure the untrained model"
        )


def trainer_cautions(trainer: dict[str, Any]) -> list[str]:
    """Return a caution if training has no step."""
    for key in ("max_steps", "max_epochs"):
        if trainer.get(key) == 0:
            return [f"trainer.{key}=0: nothing was trained, so the scores are of random weights"]
    return []


def _yaml(value: Any) -> str:
    return "null" if value is None else str(value)
