"""What the Trainer costs: a step of the default run against the same module in a bare PyTorch loop, in one run.

python -m pytest tests/benchmarks/test_trainer.py -s
"""

import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import Callback

from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData
from embedlab.training.module import LanguageModule
from embedlab.training.trainer import IGNORED_WARNINGS, build_trainer, make_callbacks

STEPS = 12  # in a round; the first two warm up


class Clock(Callback):
    """Measure the seconds from one training step's start to the next, which include all that the Trainer does."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.starts.append(time.perf_counter())

    def steps(self) -> list[float]:
        return [after - before for before, after in zip(self.starts[2:], self.starts[3:], strict=False)]


def with_trainer(config: Config, data: TextData) -> list[float]:
    clock = Clock()
    module = LanguageModule(config, data.tokenizer.byte_lengths)
    build_trainer(config, [clock, *make_callbacks(config)]).fit(module, datamodule=data)
    return clock.steps()


def bare(config: Config, data: TextData) -> list[float]:
    module = LanguageModule(config, data.tokenizer.byte_lengths)
    optimizer = torch.optim.AdamW(module._parameter_groups(), lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: module.lr_factor(step, STEPS))
    seconds = []
    for batch, _ in zip(data.train_dataloader(), range(STEPS), strict=False):
        started = time.perf_counter()
        optimizer.zero_grad()
        module.model.loss(*batch).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), config.trainer["gradient_clip_val"])
        optimizer.step()
        schedule.step()
        seconds.append(time.perf_counter() - started)
    return seconds[2:]


def test_the_trainer_costs_at_most_five_percent(make_config: Callable[..., Config], tmp_path: Path) -> None:
    config = make_config(f"cache_dir={tmp_path}", f"trainer.max_steps={STEPS}", "trainer.limit_val_batches=0")
    data = TextData(config)
    data.prepare_data()
    data.setup()
    ratios = []
    with warnings.catch_warnings():
        for message in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        for _ in range(3):
            trainer, loop = with_trainer(config, data), bare(config, data)
            ratios.append(statistics.median(trainer) / statistics.median(loop))
            print(f"\ntrainer {statistics.median(trainer):.4f} s, bare loop {statistics.median(loop):.4f} s a step")
    print(f"ratio {statistics.median(ratios):.3f} (rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})")
    assert statistics.median(ratios) <= 1.05
