"""Corpus, tokenizer, windows and loaders of one run, for Lightning's Trainer."""

import logging
from pathlib import Path
from typing import Any

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.config.tree import Config
from embedlab.data.loader import TrainLoader
from embedlab.data.shuffle import ShuffledBatches
from embedlab.data.tokenizer import Tokenizer, load_tokenizer
from embedlab.data.tokens import Tokens, prepare
from embedlab.data.windows import SlidingWindows, whole_batch
from embedlab.runs.file_hashes import hash_files
from embedlab.runs.random_streams import torch_generator
from embedlab.runs.same_inputs import Inputs

log = logging.getLogger(__name__)


class TextData(LightningDataModule):
    """Data of one run. After `setup`: `tokenizer`, `tokens`, `inputs`, and SlidingWindows `train_windows`,
    `val_windows`, `test_windows`.

    Training order depends on (seed, epoch) alone. Validation and test windows do not overlap; with
    data.max_eval_tokens there are fewer, spread over the whole text. Every device scores all of them, so that scores
    do not depend on the number of devices. Trainer needs use_distributed_sampler=false: batches are shared here.
    """

    tokenizer: Tokenizer
    tokens: Tokens
    inputs: Inputs
    train_windows: SlidingWindows
    val_windows: SlidingWindows
    test_windows: SlidingWindows

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.cache_dir = Path(expand_user(config.cache_dir, "cache_dir"))

    def prepare_data(self) -> None:
        """Build the caches, once on each machine; do nothing if `setup` has already opened (and so read) them all."""
        if hasattr(self, "tokens"):
            return
        tokenizer = load_tokenizer(self.config.tokenizer, self.cache_dir)
        prepare(self.config.corpus, tokenizer, self.cache_dir)

    def setup(self, stage: str | None = None) -> None:
        """Open the caches of all stages at once, which costs nothing. Raises UserError if the text is too short."""
        if hasattr(self, "tokens"):
            return
        data = self.config.data
        self.tokenizer = load_tokenizer(self.config.tokenizer, self.cache_dir)
        files = hash_files(self.config)  # before they are read for anything else
        self.tokens = prepare(self.config.corpus, self.tokenizer, self.cache_dir)
        self.inputs = Inputs(self.tokens.corpus["sha256"], files)
        self.train_windows = self._windows("train", data.stride)
        self.val_windows = self._windows("val", self._eval_stride(len(self.tokens.val)))
        self.test_windows = self._windows("test", self._eval_stride(len(self.tokens.test)))
        if len(self.train_windows) < data.batch_size:
            log.warning(
                "data.batch_size=%d, but the training text has %d windows, so each batch is all of them: "
                "a smaller data.stride gives more",
                data.batch_size,
                len(self.train_windows),
            )

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        n, batch_size = len(self.train_windows), self.config.data.batch_size
        batches = ShuffledBatches(n, batch_size, self.config.seed, rank, world_size)
        return TrainLoader(self.train_windows, batch_sampler=batches, **self._loader_settings())

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(self.val_windows, self.config.data.batch_size, **self._loader_settings())

    def test_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(self.test_windows, self.config.data.batch_size, **self._loader_settings())

    def _loader_settings(self) -> dict[str, Any]:
        workers = self.config.data.num_workers
        rank = self.trainer.global_rank if self.trainer else 0
        return {
            "collate_fn": whole_batch,
            "num_workers": workers,
            "persistent_workers": workers > 0,
            # A spawned worker would import the main module again, and rerun the job.
            "multiprocessing_context": "fork" if workers else None,
            "generator": torch_generator(self.config.seed, "workers", rank),  # not the one that dropout draws from
            "pin_memory": self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
        }

    def _windows(self, split: str, stride: int) -> SlidingWindows:
        ids = getattr(self.tokens, split)
        try:
            return SlidingWindows(ids, self.config.data.context_length, stride)
        except UserError as error:
            raise UserError(f"{split} text of corpus={self.config.corpus.name}: {error}") from None

    def _eval_stride(self, n_tokens: int) -> int:
        """Return the tokens from window to window: context_length, or more to score at most max_eval_tokens."""
        length, most = self.config.data.context_length, self.config.data.max_eval_tokens
        if most is None:
            return length
        windows = max(1, most // length)
        return max(length, -(-(n_tokens - length) // windows))
