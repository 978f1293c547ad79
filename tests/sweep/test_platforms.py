"""What this machine lacks, forced: other systems' way to start processes, and GPUs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning import Callback, LightningModule, Trainer

from tests.commands import Command
from tests.started import Started, count_progress_lines, last_step
from tests.sweep.test_sweeps import weights

SPAWN = """
import os, sys
from embedlab.cli import main
from embedlab.sweep import child

child.METHOD = "spawn"
__file__ = sys.argv[0] = os.path.abspath("train.py")  # which each process imports, as on macOS and Windows
main()
"""
SWEEP = (
    "-m",
    "seed=1,2",
    "hydra.sweep.subdir=${seed}",
    "trainer.max_steps=400",
    "trainer.val_check_interval=20",
    "+callbacks.progress.lines=400",
    "+callbacks.moments._target_=tests.training.resume.moments.Moments",
)
pytestmark = pytest.mark.slow
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_jobs_without_a_fork_server_stop_resume_and_give_the_same_bits(
    command: Command, run: Run, tmp_path: Path
) -> None:
    assert run(*SWEEP, "sweep_name=forked").returncode == 0
    spawning = [sys.executable, "-c", SPAWN, *command(*SWEEP)[2:]]
    stopped = Started(spawning, tmp_path / "output", PACE="0.2")
    jobs = [tmp_path / "sweeps" / "default" / seed for seed in "12"]
    try:
        stopped.wait_for(lambda: all(map(count_progress_lines, jobs)))
        stopped.stop(signal.SIGINT)
        assert stopped.end()[0] == 130, stopped.output
        assert "Traceback" not in stopped.output, stopped.output
        assert all(0 < last_step(folder) < 400 for folder in jobs), stopped.output
    finally:
        stopped.kill()
    resumed = Started(spawning, tmp_path / "output")
    assert resumed.end()[0] == 0, resumed.output
    assert "sweep of 2 jobs: 2 finished" in resumed.output
    assert [weights(folder) for folder in jobs] == [weights(tmp_path / "sweeps" / "forked" / seed) for seed in "12"]


class NoteGPU(Callback):
    """Writes the GPUs of the job's process into the job's folder."""

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        Path(module.config.run_dir, "gpu").write_text(os.environ["CUDA_VISIBLE_DEVICES"])


def test_each_job_gets_one_of_the_gpus(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that lists three GPUs, of which the user allows two."""
    driver = tmp_path / "driver" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\nprintf 'GPU 0: A\\nGPU 1: B\\nGPU 2: C\\n'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{driver.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1")
    auto = ("trainer.accelerator=auto", "+callbacks.gpu._target_=tests.sweep.test_platforms.NoteGPU")  # a CPU in truth
    ended = run("-m", "seed=1,2,3,4", "hydra.sweep.subdir=${seed}", *auto)
    assert ended.returncode == 0, ended.stdout
    given = {seed: (tmp_path / "sweeps" / "default" / seed / "gpu").read_text() for seed in "1234"}
    assert (given["1"], given["2"]) == ("2", "1")
    assert set(given.values()) == {"1", "2"}
