"""Which settings of Lightning's Trainer and callbacks can move a score.

All can but those that are known not to: a key that nobody thought of must split rows, not vanish in their mean.
"""

from collections.abc import Sequence
from typing import Any

from embedlab.compare.reading import Run

HARMLESS = (  # where and how fast it computes, and what is shown or written of it
    "accelerator",
    "benchmark",
    "default_root_dir",
    "detect_anomaly",
    "deterministic",
    "devices",  # data.batch_size is that of all of them together
    "enable_autolog_hparams",
    "enable_model_summary",
    "enable_progress_bar",
    "inference_mode",
    "limit_predict_batches",  # we call neither trainer.predict nor trainer.test
    "limit_test_batches",
    "log_every_n_steps",
    "num_nodes",
    "num_sanity_val_steps",
    "profiler",
    "reload_dataloaders_every_n_epochs",  # our order of batches depends on seed and epoch alone
    "strategy",
    "sync_batchnorm",  # the model has none
)
WATCHING = ("last", "progress", "projector", "hparams", "layout", "texts", "figures")  # callbacks of conf/callbacks
BEST = ("monitor", "mode", "every_n_epochs", "every_n_train_steps", "save_on_train_epoch_end", "train_time_interval")

# What a key that a run does not give means, where that is not null: Lightning's default, or ours for callbacks.best.
DEFAULTS: dict[str, Any] = {
    "trainer.accumulate_grad_batches": 1,
    "trainer.barebones": False,
    "trainer.check_val_every_n_epoch": 1,
    "trainer.fast_dev_run": False,
    "trainer.gradient_clip_algorithm": "norm",
    "trainer.limit_train_batches": 1.0,
    "trainer.limit_val_batches": 1.0,
    "trainer.max_steps": -1,
    "trainer.overfit_batches": 0.0,
    "trainer.precision": "32-true",
    "trainer.use_distributed_sampler": True,
    "trainer.val_check_interval": 1.0,
    "callbacks.best.mode": "min",
}
PRECISIONS = {"64": "64-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}  # Lightning's short words


def matters(key: str) -> bool:
    """Whether this key, which begins with `trainer.` or `callbacks.`, can move a score."""
    group, _, rest = key.partition(".")
    if group == "trainer":
        return rest.partition(".")[0] not in HARMLESS
    name, _, setting = rest.partition(".")
    if name == "best":  # it chooses the weights that are scored; where it writes them is no matter
        return setting in ("", *BEST)
    return name not in WATCHING


def fill_in(runs: Sequence[Run]) -> None:
    """Let every run have the keys that matter and that any other has: `+trainer.fast_dev_run=true` stands in one only.

    What is not given is Lightning's default, or null.
    """
    keys = {key for run in runs for key in run.settings if key.startswith(("trainer.", "callbacks.")) and matters(key)}
    for run in runs:
        for key in keys:
            value = run.settings.get(key, DEFAULTS.get(key))
            run.settings[key] = PRECISIONS.get(str(value), value) if key == "trainer.precision" else value
