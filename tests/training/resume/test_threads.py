"""The number of threads of a job, on which its last digits depend."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from embedlab.config.tree import Config
from embedlab.evaluation import measure
from embedlab.training import run, threads

TWO = 2


@pytest.fixture(autouse=True)
def _restore_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_resumed_run_uses_its_first_number_of_threads(
    make_config: Callable[..., Config], tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "LARGE_TABLE", 0)  # so that the launcher's share of the cores is used
    config = make_config(*tiny, "trainer.max_steps=2", f"run_dir={tmp_path}")
    torch.set_num_threads(TWO)
    run.train(config, measure)
    (tmp_path / "results.json").unlink()
    torch.set_num_threads(1)
    run.train(config, measure)
    assert torch.get_num_threads() == TWO


def test_a_job_with_only_a_share_of_the_cores_logs_it(
    make_config: Callable[..., Config], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    torch.set_num_threads(TWO)
    with caplog.at_level("INFO"):
        threads.set_threads(make_config(), threads.LARGE_TABLE)
    assert "threads: this job has 2 of 4 cores" in caplog.text
    threads.set_threads(make_config("threads=1"), threads.LARGE_TABLE)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(TWO)
    threads.set_threads(make_config(), threads.LARGE_TABLE - 1)
    assert torch.get_num_threads() == 1
