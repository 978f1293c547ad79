"""Which settings of Lightning's Trainer and callbacks can affect a score.

All can, except those known not to: a key that nobody thought of must split rows, not disappear in their mean.
"""

from collections.abc import Sequence
from typing import Any

from embedlab.compare.finished_run import Run

HARMLESS = (  # where and how fast it computes, and what it shows or writes
    "accelerator",
    "benchmark",
    "default_root_dir",
    "detect_anomaly",
    "deterministic",
    "devices",  # data.batch_size is the total over all devices
    "enable_autolog_hparams",
    "enable_model_summary",
    "enable_progress_bar",
    "inference_mode",
    "limit_predict_batches",  # neither trainer.predict nor trainer.test is called
    "limit_test_batches",
    "log_every_n_steps",
    "num_nodes",
    "num_sanity_val_steps",
    "profiler",
    "reload_dataloaders_every_n_epochs",  # the order of batches depends on seed and epoch alone
    "strategy",
    "sync_batchnorm",  # the model has no batch norm
)
OBSERVERS = ("last", "progress", "projector", "hparams", "layout", "texts", "figures")  # callbacks of conf/callbacks
BEST = ("monitor", "mode", "every_n_epochs", "every_n_train_steps", "save_on_train_epoch_end", "train_time_interval")

# Defaults, other than null, of keys that a run does not set: Lightning's, and embedlab's for callbacks.best.
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
PRECISIONS = {"64": "64-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}  # Lightning's short forms


def affects_score(key: str) -> bool:
    """Return whether this key, which begins with `trainer.` or `callbacks.`, can affect a score."""
    group, _, rest = key.partition(".")
    if group == "trainer":
        return rest.partition(".")[0] not in HARMLESS
    name, _, setting = rest.partition(".")
    if name == "best":  # it chooses the weights that are scored; where it writes them does not matter
        return setting in ("", *BEST)
    return name not in OBSERVERS


def fill_in_defaults(runs: Sequence[Run]) -> None:
    """Give every run all keys that affect a score and that any run has, at Lightning's default or null.

    A key such as `+trainer.fast_dev_run=true` is otherwise in the config of one run only.
    """
    keys = {
        key for run in runs for key in run.settings if key.startswith(("trainer.", "callbacks.")) and affects_score(key)
    }
    for run in runs:
        for key in keys:
            value = run.settings.get(key, DEFAULTS.get(key))
            run.settings[key] = PRECISIONS.get(str(value), value) if key == "trainer.precision" else value
