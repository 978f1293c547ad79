"""The projector's callback in a real Trainer, with a model that has only the parts that it reads."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from embedlab import positions
from embedlab.config.errors import UserError
from embedlab.tensorboard.projector import Projector

SETTINGS: dict[str, Any] = {"steps": [2], "vocabulary": "seen", "words": [], "places": 3, "neighbours_of": 10}


class Bytes:
    vocab_size = 257

    def token_bytes(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b"<|endoftext|>"

    def is_special(self, token: int) -> bool:
        return token == 256


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        scheme = positions.build("learned", embedding_dim=8, n_heads=2, n_layers=1, context_length=4)
        self.model = torch.nn.ModuleDict({"tokens": torch.nn.Embedding(257, 8), "scheme": scheme})
        self.model.tokens, self.model.scheme = self.model["tokens"], self.model["scheme"]

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        return self.model.tokens(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


class Data(lightning.LightningDataModule):
    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.tokenizer = Bytes()
        self.tokens = SimpleNamespace(train_counts=np.bincount(np.frombuffer(text, dtype=np.uint8), minlength=257))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(torch.arange(12).view(6, 2))


def fit(folder: Path, projector: Projector) -> None:
    trainer = lightning.Trainer(
        max_steps=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[projector], default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(Module(), datamodule=Data(b"abracadabra"))


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_snapshots_at_start_chosen_steps_and_end(tmp_path: Path) -> None:
    fit(tmp_path, Projector(**SETTINGS))
    snapshots = sorted(path.name for path in (tmp_path / "tensorboard" / "projector").iterdir())
    assert snapshots == ["end", "start", "step_000002"]
    for name in snapshots:
        folder = tmp_path / "tensorboard" / "projector" / name
        lines = (folder / "0.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in lines] == ["token", "a", "b", "r", "c", "d"]  # by count, highest first
        assert lines[0].endswith("neighbours") == (name != "start")
        assert "positions" in (folder / "projector_config.pbtxt").read_text()
    tables = [(tmp_path / "tensorboard" / "projector" / name / "0.f32").read_bytes() for name in snapshots]
    assert len(set(tables)) == 1  # the loader's tokens are 0 … 11, so these rows are not trained


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_training_continues_if_a_snapshot_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tensorboard").write_text("a file in the way")
    fit(tmp_path, Projector(**SETTINGS))
    assert "Projector.on_train_start failed" in caplog.text
    assert "Traceback" in (tmp_path / "looking.log").read_text()


def test_whole_vocabulary_and_chosen_words() -> None:
    module, data = Module(), Data(b"abracadabra")
    data.tokenizer.encode = lambda text: np.frombuffer(text.encode(), dtype=np.uint8)
    projector = Projector(**(SETTINGS | {"vocabulary": "whole", "words": ["a", "no single token", "b"]}))
    shown = {table.name: table for table in projector.tables(module, data, 5, umap=False)}
    assert len(shown["tokens"].vectors) == 257
    assert shown["tokens at positions"].columns["word"] == ["a"] * 3 + ["b"] * 3
    assert module.model.scheme.training


def test_a_wrong_setting_is_reported() -> None:
    with pytest.raises(UserError, match=r"callbacks\.projector\.vocabulary=all is unknown: give one of seen, whole"):
        Projector(**(SETTINGS | {"vocabulary": "all"}))
