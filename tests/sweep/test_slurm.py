"""`hydra/launcher=slurm` with a real Slurm, on this machine."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.commands import ROOT, Command
from tests.sweep.cluster import running_cluster, until, why_not
from tests.sweep.test_sweeps import BREAKING, Run, folders, trained, weights

SLURM = ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1")
DDP = ("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
pytestmark = pytest.mark.slow
Slurm = Callable[..., str]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Return slurm("squeue", …), which runs a command of Slurm; processes that tests start also reach the cluster."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    if reason := why_not():
        pytest.skip(reason)
    with running_cluster(tmp_path_factory.mktemp("slurm")) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield lambda *command: subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def start(command: Command) -> Iterator[Start]:
    """Return start("-m", …), which is like `run` but returns the running process."""
    with ExitStack() as ending:

        def start(*arguments: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            ending.enter_context(process)
            ending.callback(process.kill)  # before the context above waits
            return process

        yield start


def ever(slurm: Slurm) -> list[str]:
    """Return the ids of all submitted jobs."""
    return slurm("squeue", "--noheader", "--array", "--states=all", "--format=%i").split()


def logs(top: Path, sweep: str = "default") -> str:
    """Return the logs of a sweep's jobs, one after another."""
    return "".join(path.read_text() for path in top.glob(f"sweeps/{sweep}/*/train.log"))


def until_it_trains(top: Path, sweep: str = "default") -> None:
    until(lambda: re.search(r"^step \d+ of", logs(top, sweep), re.MULTILINE), 90)


def test_failed_and_killed_jobs_are_reported_and_the_same_command_finishes(
    slurm: Slurm, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("-m", "seed=1,2,3", BREAKING, "callbacks.last.seconds=0", *SLURM)
    monkeypatch.setenv("BREAK", "2:raise,3:kill")
    first = run(*arguments)
    assert first.returncode == 1, first.stdout
    assert "seed=2 — failed: RuntimeError: broken on purpose" in first.stdout
    assert "seed=3 — failed: its process was killed" in first.stdout and "Killed" in first.stdout, first.stdout
    assert "sweep of 3 jobs: 1 finished, 2 failed" in first.stdout
    jobs = folders(tmp_path)
    assert "Traceback" in (jobs["2"] / "error.txt").read_text()
    assert [trained(jobs[seed]) for seed in "123"] == [1, 1, 1], "a job was run again by itself"

    monkeypatch.delenv("BREAK")
    second = run(*arguments)
    assert second.returncode == 0 and "sweep of 3 jobs: 2 finished, 1 skipped" in second.stdout, second.stdout
    assert "resuming from step 3" in (jobs["3"] / "train.log").read_text()
    assert not (jobs["2"] / "error.txt").exists()
    assert run("seed=3", f"hydra.run.dir={tmp_path / 'alone'}").returncode == 0
    assert weights(jobs["3"]) == weights(tmp_path / "alone")

    before, started = ever(slurm), time.monotonic()
    third = run(*arguments)
    assert third.returncode == 0 and "sweep of 3 jobs: 3 skipped" in third.stdout, third.stdout
    assert ever(slurm) == before and time.monotonic() - started < 20


def test_a_job_whose_time_is_up_saves_and_is_submitted_again(
    slurm: Slurm, run: Run, start: Start, tmp_path: Path
) -> None:
    plain = ("trainer.max_steps=200", "trainer.val_check_interval=100")
    sweeps = {"one": plain, "two": (*plain, *DDP)}
    commands = [start("-m", *given, *SLURM, f"sweep_name={name}") for name, given in sweeps.items()]
    for name in sweeps:
        until_it_trains(tmp_path, name)
    for job_id in slurm("squeue", "--noheader", "--format=%i").split():
        slurm("scancel", "--signal=USR2", job_id)  # as Slurm does before a job's time is up
    until(lambda: slurm("squeue", "--noheader", "--format=%T").split() == ["PENDING", "PENDING"], 60)
    for name in sweeps:
        assert "stopped at step" in logs(tmp_path, name)
    for job_id in slurm("squeue", "--noheader", "--format=%i").split():
        slurm("scontrol", "update", f"JobId={job_id}", "StartTime=now+3")  # else after two minutes
    assert run(*plain, f"hydra.run.dir={tmp_path / 'alone'}").returncode == 0
    for name, command in zip(sweeps, commands, strict=True):
        output, _ = command.communicate(timeout=120)
        assert command.returncode == 0 and "1 finished" in output, output
        assert "resuming from step" in logs(tmp_path, name)
    assert weights(*folders(tmp_path, "one").values()) == weights(tmp_path / "alone")


def test_a_job_whose_time_was_up_too_often_is_reported(slurm: Slurm, run: Run, start: Start, tmp_path: Path) -> None:
    arguments = ("-m", "trainer.max_steps=1000", "trainer.val_check_interval=500", *SLURM)
    command = start(*arguments, "hydra.launcher.timeout_min=5", "hydra.launcher.max_num_timeout=0")
    until_it_trains(tmp_path)
    slurm("scancel", "--signal=USR2", *slurm("squeue", "--noheader", "--format=%i").split())
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 1 and "failed: its time was up" in output, output
    assert "stopped at step" in logs(tmp_path)


def test_a_stopped_command_finds_its_jobs_again(slurm: Slurm, run: Run, start: Start, tmp_path: Path) -> None:
    # long enough to be still running when the next command starts, on a busy machine too
    long = ("trainer.max_steps=3000", "trainer.val_check_interval=1500")
    arguments = ("-m", "seed=1,2", *long, *SLURM, "hydra.launcher.array_parallelism=1")  # one runs, one is queued
    command = start(*arguments)
    until_it_trains(tmp_path)
    command.send_signal(signal.SIGINT)
    output, _ = command.communicate(timeout=30)
    array = str(max(int(job_id.split("_")[0]) for job_id in ever(slurm)))
    assert command.returncode == 130 and f"2 jobs continue in Slurm: `scancel {array}` ends them" in output, output

    command = start(*arguments)
    assert command.stdout is not None
    assert "2 jobs in Slurm, 0 of them submitted now" in command.stdout.readline()
    command.send_signal(signal.SIGTERM)
    assert command.wait(30) == 143

    command = start(*arguments)
    assert "2 jobs in Slurm, 0 of them submitted now" in command.stdout.readline()
    slurm("scancel", array)
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 1 and output.count("— failed: cancelled, Slurm job") == 2, output
    assert "stopped at step" in logs(tmp_path)

    ended = run(*arguments)
    assert ended.returncode == 0 and "sweep of 2 jobs: 2 finished" in ended.stdout, ended.stdout
    jobs = folders(tmp_path)
    assert "resuming from step" in (jobs["1"] / "train.log").read_text()
    assert [trained(jobs[seed]) for seed in "12"] == [2, 1]
