"""kill -9 at random moments, many times: the run ends with the same bits as one that was never killed."""

import hashlib
import multiprocessing
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from embedlab.config.tree import Config
from embedlab.evaluation import measure
from embedlab.training import run

KILLS = 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_killed_runs_end_with_the_same_bits(
    make_config: Callable[..., Config], tiny: list[str], tmp_path: Path
) -> None:
    def config(name: str) -> Config:
        made = make_config(*tiny, "callbacks.last.seconds=0", "trainer.max_steps=60", "callbacks.layout=null")
        made.run_dir = str(tmp_path / name)
        made.logger["csv"]["save_dir"] = made.logger["tensorboard"]["save_dir"] = made.run_dir
        made.callbacks["best"]["dirpath"] = f"{made.run_dir}/checkpoints"
        return made

    torch.set_num_threads(1)
    run.train(config("uninterrupted"), measure)
    expected = bits(tmp_path / "uninterrupted")
    draw = random.Random(0)
    fork = multiprocessing.get_context("fork")  # a new process without the seconds of its imports
    kills = finished = 0
    while kills < KILLS or not finished:
        name = f"run_{finished}"
        process = fork.Process(target=run.train, args=(config(name), measure))
        process.start()
        process.join(draw.uniform(0.1, 1.5) if kills < KILLS else 120)
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
        else:
            assert process.exitcode == 0
            assert bits(tmp_path / name) == expected
            finished += 1
    print(f"\n{kills} kills, {finished} finished runs")


def bits(folder: Path) -> tuple[str, str, list[str]]:
    """Return hashes of last and best weights, and the losses of the history."""
    rows = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines()
    header = rows[0].split(",")
    kept = [i for i, name in enumerate(header) if name != "train/tokens_per_second"]
    losses = [",".join(row.split(",")[i] for i in kept) for row in rows]
    return (
        weights_hash(folder / "checkpoints" / "last.ckpt"),
        weights_hash(folder / "checkpoints" / "best.ckpt"),
        losses,
    )


def weights_hash(path: Path) -> str:
    state = torch.load(path, weights_only=True)["state_dict"]
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest()
