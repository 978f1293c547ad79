"""A run that resumes from any of its checkpoints equals the run that was never stopped."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from embedlab.config.tree import Config
from embedlab.evaluation import measure
from embedlab.training import run
from embedlab.training.resume.callback import Checkpoints

MakeConfig = Callable[..., Config]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "every"),
    [
        ([], 1),
        (["data.num_workers=1", "trainer.val_check_interval=7"], 4),  # an epoch's steps
        (["trainer.max_steps=-1", "trainer.max_epochs=2", "+trainer.accumulate_grad_batches=2"], 2),
        (["+trainer.reload_dataloaders_every_n_epochs=1", "trainer.max_steps=22"], 2),
        (["trainer.check_val_every_n_epoch=1", "trainer.val_check_interval=1.0", "position=forgetting"], 4),
    ],
)
def test_resumes_from_every_step(
    make_config: MakeConfig,
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: list[str],
    every: int,
) -> None:
    monkeypatch.setattr(run, "collect_results", lambda *_: {"cautions": []})
    monkeypatch.setattr(run, "print_summary", lambda *_: None)
    uninterrupted = tmp_path / "uninterrupted"
    with monkeypatch.context() as patched:
        save = Checkpoints.save

        def save_and_copy(self: Checkpoints, trainer: Trainer) -> None:
            save(self, trainer)
            shutil.copytree(uninterrupted, tmp_path / f"at_{trainer.fit_loop.total_batch_idx + 1}")

        patched.setattr(Checkpoints, "save", save_and_copy)
        run.train(make_config(*tiny, *overrides, "callbacks.last.seconds=0", f"run_dir={uninterrupted}"), measure)
    expected = state(uninterrupted)
    copies = sorted(tmp_path.glob("at_*"), key=lambda path: int(path.name[3:]))
    assert len(copies) >= 8
    for copy in copies[::every]:
        run.train(make_config(*tiny, *overrides, "callbacks.last.seconds=0", f"run_dir={copy}"), measure)
        assert (copy.name, {key for key, value in state(copy).items() if value != expected[key]}) == (copy.name, set())


def state(folder: Path) -> dict[str, Any]:
    """Return all that must be equal: weights, optimizer, best weights, history, without measured times."""
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    best = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = [{k: v for k, v in row.items() if "tokens_per_second" not in k} for row in csv.DictReader(file)]
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    scalars = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if "tokens_per_second" not in tag
    }
    optimizer = [
        {key: value.tolist() for key, value in moments.items()}
        for moments in last["optimizer_states"][0]["state"].values()
    ]
    return {
        "step": last["global_step"],
        "weights": {name: value.tolist() for name, value in last["state_dict"].items()},
        "best": {name: value.tolist() for name, value in best["state_dict"].items()},
        "optimizer": optimizer,
        "rows": rows,
        "scalars": scalars,
    }
