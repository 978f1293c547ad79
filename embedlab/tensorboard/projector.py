"""Snapshots of the model's tables for TensorBoard's projector."""

import importlib.util
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from lightning import LightningModule, Trainer

from embedlab.config.settings import one_of
from embedlab.data.token_counts import most_frequent_first
from embedlab.data.token_labels import token_kind
from embedlab.evaluation.loss import evaluating
from embedlab.runs.random_streams import EVERY_RUN, seed_sequence
from embedlab.tensorboard import snapshot_tables
from embedlab.tensorboard.projector_files import Table, write_snapshot
from embedlab.training.view_callback import ViewCallback

BEHIND = 10 * 365 * 86_400  # seconds; lists untrained tables after trained ones, because the page opens with the first


class Projector(ViewCallback):
    """Writes snapshots of the model's tables at the start of training, after chosen steps, and at the end.

    A snapshot holds the token table, the positions, sums of both, and the relative table or bias. It is one run of the
    projector, RUN/tensorboard/projector/end (start, step_000050), and appears in a TensorBoard that is already running.
    """

    def __init__(self, steps: list[int], vocabulary: str, words: list[str], places: int, neighbours_of: int) -> None:
        """Take the settings that conf/callbacks/default.yaml explains. Raises UserError if `vocabulary` is unknown."""
        one_of(("seen", "whole"), callbacks__projector__vocabulary=vocabulary)
        self.steps = frozenset(steps)
        self.vocabulary = vocabulary
        self.words = words
        self.places = places
        self.neighbours_of = neighbours_of

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.global_step == 0:  # otherwise the run is resumed from a checkpoint
            self._snapshot(trainer, module, "start")

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        if trainer.global_step in self.steps:
            self._snapshot(trainer, module, f"step_{trainer.global_step:06d}")

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._snapshot(trainer, module, "end")

    def _snapshot(self, trainer: Trainer, module: LightningModule, name: str) -> None:
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir, "tensorboard", "projector", name)
        at_end = name == "end"
        near = self.neighbours_of if trainer.global_step else 0  # neighbours of random vectors mean nothing
        shown = self.tables(module, trainer.datamodule, near, umap=at_end)  # type: ignore[attr-defined]
        write_snapshot(folder, shown, time.time() + (0 if at_end else BEHIND))

    def tables(self, module: Any, datamodule: Any, neighbours_of: int, *, umap: bool) -> list[Table]:
        """Return all tables that the model has, the token table first, because the page opens with the first."""
        tokenizer, weight, scheme = datamodule.tokenizer, module.model.tokens.weight, module.model.scheme
        counts = datamodule.tokens.train_counts
        ids = most_frequent_first(counts, unseen=self.vocabulary == "whole")
        tokens = snapshot_tables.token_table(weight, tokenizer, counts, ids, neighbours_of)
        with evaluating(scheme):  # no random positions, which some schemes train with
            shown = [
                tokens,
                umap_view(tokens) if umap else None,
                snapshot_tables.position_table(scheme),
                snapshot_tables.sum_table(scheme, weight, tokenizer, self.word_ids(tokenizer, ids), self.places),
                snapshot_tables.relative_table(scheme),
                snapshot_tables.bias_table(scheme),
            ]
        return [table for table in shown if table is not None]

    def word_ids(self, tokenizer: Any, ids: np.ndarray) -> list[int]:
        """Return the ids of the chosen words that are one token each; by default the 8 most frequent word starts."""
        if self.words:
            encoded = [tokenizer.encode(word) for word in self.words]
            return [int(word[0]) for word in encoded if len(word) == 1]
        return list(islice((i for i in ids.tolist() if token_kind(tokenizer, i) == "word start"), 8))


def umap_view(table: Table) -> Table | None:
    """Return the table's first 5,000 rows in 3 dimensions by UMAP; None if umap-learn is not installed."""
    if importlib.util.find_spec("umap") is None:
        return None
    from umap import UMAP

    rows = table.vectors[:5000]
    seed = int(seed_sequence(EVERY_RUN, "umap").generate_state(1)[0])
    points = UMAP(n_components=3, metric="cosine", random_state=seed).fit_transform(rows)
    columns = {name: column[: len(rows)] for name, column in table.columns.items()}
    points = np.asarray(points, dtype=np.float32)
    return replace(table, name=f"{table.name} 3D (UMAP)", vectors=points, columns=columns, views=False)
