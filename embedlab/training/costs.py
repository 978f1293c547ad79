"""The costs of a run: time, tokens per second, peak memory."""

import contextlib
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from embedlab.training.module import Batch, logs_at


class Costs(Callback):
    """Measures training only: the clock stops during validation and other callbacks.

    Results: `train_seconds` and `tokens_per_second` (targets trained on, summed over all devices).
    """

    def __init__(self) -> None:
        self.train_seconds = 0.0
        self.tokens = 0

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        reset_peak_memory()

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Batch, batch_idx: int) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.train_seconds += time.perf_counter() - self.started
        self.tokens += batch[1].numel() * trainer.world_size
        if logs_at(trainer, trainer.global_step):
            module.log("train/tokens_per_second", self.tokens_per_second)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.train_seconds if self.train_seconds else 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"train_seconds": self.train_seconds, "tokens": self.tokens}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.train_seconds, self.tokens = state_dict["train_seconds"], state_dict["tokens"]


def reset_peak_memory() -> None:
    """Start a new peak, so that several runs in one process do not all report the largest one's."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):  # Linux only; elsewhere the peak is the whole process's
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes() -> int:
    """Return the most memory in use at once since `reset_peak_memory`.

    Resident memory of this process on a CPU, allocated memory of the device on a GPU.
    """
    if torch.cuda.is_available() and (peak := torch.cuda.max_memory_allocated()):
        return peak
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
