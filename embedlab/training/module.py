"""The LightningModule: how the model trains and what it reports. B batch, T window, V vocabulary."""

import math
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from torch import Tensor

from embedlab.config.tree import Config
from embedlab.model.embeddings import LanguageModel
from embedlab.runs.measured import Scores
from embedlab.runs.ownership import CHECKPOINT_MADE_BY
from embedlab.runs.random_streams import seed_global_generators
from embedlab.training.diverged import check_finite

TIME_PARTS = 10_000  # how finely the schedule follows trainer.max_time
Batch = tuple[Tensor, Tensor]  # inputs and targets, int64 (B, T)


class LanguageModule(LightningModule):
    """Next-token training with AdamW, warm-up and cosine; validation in nats/token, perplexity and bits per byte.

    byte_lengths: (V,), UTF-8 bytes of each token, for bits per byte, which do not depend on the tokenizer.
    """

    byte_lengths: Tensor
    validation_sums: Tensor  # sums over validation targets: nats, tokens, bytes; float64

    def __init__(self, config: Config, byte_lengths: np.ndarray, table: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        self.model = LanguageModel(config, len(byte_lengths), table)
        self.model.tokens.weight.requires_grad = not config.model.token_table.frozen
        self.register_buffer("byte_lengths", torch.as_tensor(byte_lengths, dtype=torch.int64), persistent=False)

    def on_fit_start(self) -> None:
        """Seed every rank differently, so that their dropout masks differ; no rank has a number before this hook."""
        seed_global_generators(self.config.seed, "dropout", self.global_rank)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        self.model.scheme.at_step(self.global_step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.model.loss(*batch)
        if logs_at(self.trainer, self.global_step + 1):
            self.log("train/loss", loss, prog_bar=True, sync_dist=True)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if logs_at(self.trainer, self.global_step):
            check_finite(self.trainer, outputs["loss"])
        if self.global_step >= self.trainer.estimated_stepping_batches:
            self.trainer.should_stop = True  # then the Trainer validates the last weights, whatever the interval

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if logs_at(self.trainer, self.global_step + 1):
            grads = [weight.grad for weight in self.parameters() if weight.grad is not None]
            self.log("train/gradient_norm", torch.nn.utils.get_total_norm(grads))
            self.log("train/learning_rate", optimizer.param_groups[0]["lr"])

    def on_validation_epoch_start(self) -> None:
        # not a buffer: trainer.precision=bf16-true would cast it to three digits. MPS has no float64
        device = "cpu" if self.device.type == "mps" else self.device
        self.validation_sums = torch.zeros(3, dtype=torch.float64, device=device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        inputs, targets = batch
        losses = self.model.losses(inputs, targets)  # (B, T)
        self.validation_sums[0] += losses.to(self.validation_sums.device).double().sum()
        self.validation_sums[1] += targets.numel()
        self.validation_sums[2] += self.byte_lengths[targets].sum().to(self.validation_sums.device)

    def on_validation_epoch_end(self) -> None:
        nats, tokens, n_bytes = self.trainer.strategy.reduce(self.validation_sums, reduce_op="sum").tolist()
        for name, value in scores(nats, tokens, n_bytes).items():
            assert isinstance(value, float)  # mypy does not know this of a TypedDict's items
            self.log(f"val/{name}", value, prog_bar=name == "loss", sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint.update(CHECKPOINT_MADE_BY)

    def configure_optimizers(self) -> Any:
        settings = self.config.optimizer
        optimizer = torch.optim.AdamW(
            self._parameter_groups(), lr=settings.lr, betas=(settings.beta1, settings.beta2), fused=True
        )
        # It can unscale float16's gradients itself, but then Lightning refuses to clip them, in bfloat16 too
        optimizer._step_supports_amp_scaling = False
        if (steps := total_steps(self.trainer)) is not None:
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.lr_factor(step, steps))
        else:  # only trainer.max_time: the schedule follows the elapsed share of the time
            parts = TIME_PARTS
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda _: self.lr_factor(round(elapsed_share(self.trainer) * parts), parts)
            )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Decay only the blocks' matrices: decay would erase rare tokens and far positions from tables."""
        trained = [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]
        decays = {name for name, weight in trained if name.startswith("head.blocks") and weight.dim() == 2}
        groups = [
            {
                "params": [w for name, w in trained if name in decays],
                "weight_decay": self.config.optimizer.weight_decay,
            },
            {"params": [w for name, w in trained if name not in decays], "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    def lr_factor(self, step: int, steps: int) -> float:
        """Return learning rate / highest learning rate at `step` of `steps`: linear warm-up, then half a cosine."""
        settings = self.config.optimizer
        warmup = round(settings.warmup_fraction * steps)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        low = settings.min_lr_ratio
        return low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2


def logs_at(trainer: Trainer, step: int) -> bool:
    """Return whether the Trainer writes metrics at the end of step number `step` (from 1): every few, and the last.

    Ask before `log`: each call costs 0.3 to 0.4 ms even if the Trainer drops the value, and a value logged at an
    earlier step would be written as this step's.
    """
    every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # 0: never
    return (every > 0 and step % every == 0) or step >= trainer.estimated_stepping_batches


def total_steps(trainer: Trainer) -> int | None:
    """Return the number of training steps; None if only trainer.max_time ends the training."""
    steps = trainer.estimated_stepping_batches
    return None if math.isinf(steps) else int(steps)


def elapsed_share(trainer: Trainer) -> float:
    """Return the elapsed share of trainer.max_time, 0 to 1, including the time before a resume."""
    timer = next(callback for callback in trainer.callbacks if isinstance(callback, Timer))  # type: ignore[attr-defined]
    elapsed, remaining = timer.time_elapsed(), timer.time_remaining()
    assert remaining is not None, "the Trainer makes its Timer of max_time"
    return min(1.0, elapsed / max(elapsed + remaining, 1e-9))


def scores(nats: float, tokens: float, n_bytes: float) -> Scores:
    """Return loss (nats/token), perplexity and bits_per_byte of sums over targets; nan if they have no byte."""
    loss = nats / tokens
    return {
        "loss": loss,
        "perplexity": math.exp(loss) if loss < 700 else math.inf,
        "bits_per_byte": nats / math.log(2) / n_bytes if n_bytes else math.nan,
    }
