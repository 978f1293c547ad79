"""How many jobs run at once, and which GPU each gets."""

from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from embedlab.sweep import capacity
from embedlab.sweep.capacity import Needs, choose_n_jobs, estimate_needs, find_gpus, share_gpus

GPU = Needs(gpus=1)


def needs(**trainer: Any) -> Needs:
    model = {"embedding_dim": 64, "n_layers": 2, "loss_chunk_tokens": 1024}
    data = {"batch_size": 16, "context_length": 1024}
    cfg = {"tokenizer": {"name": "bytes"}, "model": model, "data": data, "threads": None, "trainer": trainer}
    return estimate_needs(OmegaConf.create(cfg))


def test_cores_and_memory_limit_jobs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "available_cores", lambda: 16)
    monkeypatch.setattr(capacity, "available_memory", lambda: None)
    assert choose_n_jobs([Needs(threads=1), Needs(threads=4)], []) == 4
    monkeypatch.setattr(capacity, "available_memory", lambda: 7 * 2**30)
    assert choose_n_jobs([Needs(memory=2**31)], []) == 3
    assert choose_n_jobs([Needs(memory=2**40)], []) == 1
    assert choose_n_jobs([Needs()], ["0", "1", "2"]) == 14  # whatever GPUs there are


@pytest.mark.parametrize(
    ("trainer", "gpus"),
    [
        ({"accelerator": "cpu", "devices": 2}, 0),
        ({"accelerator": "gpu", "devices": 1}, 1),
        ({"accelerator": "auto", "devices": 2}, 2),
        ({"accelerator": "gpu", "devices": [1]}, 0),  # it names the device itself
        ({"accelerator": "gpu", "devices": -1}, 0),  # it takes all
        ({"accelerator": "gpu", "devices": "auto"}, 0),
        ({}, 0),
    ],
)
def test_gpus_that_a_job_needs(trainer: dict[str, Any], gpus: int) -> None:
    assert needs(**trainer).gpus == gpus


def test_n_jobs_is_the_number_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "available_cores", lambda: 2)
    assert choose_n_jobs([GPU] * 9, ["0", "1", "2", "3"]) == 4
    assert choose_n_jobs([Needs(gpus=2), GPU], ["0", "1", "2", "3"]) == 2
    assert choose_n_jobs([Needs(gpus=8)], ["0", "1"]) == 1
    assert choose_n_jobs([GPU], []) <= 2  # accelerator=auto without a GPU


def test_gpus_go_round_robin() -> None:
    def given(gpus: list[str], each: int) -> list[str | None]:
        return [share_gpus(gpus, slot, each).get("CUDA_VISIBLE_DEVICES") for slot in range(4)]

    assert given(["0", "1", "2"], 1) == ["0", "1", "2", "0"]
    assert given(["3", "GPU-5a"], 1) == ["3", "GPU-5a", "3", "GPU-5a"]
    assert given(["0", "1", "2", "3", "4"], 2) == ["0,1", "2,3", "0,1", "2,3"]
    assert given(["0", "1"], 4) == ["0,1"] * 4  # too few: the job says so
    assert given([], 1) == given(["0"], 0) == [None] * 4


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, ["0", "1", "2"]),
        ("2,0", ["2", "0"]),
        (" GPU-1 , GPU-2", ["GPU-1", "GPU-2"]),
        ("1,-1,0", ["1"]),
        ("", []),
        ("-1", []),
    ],
)
def test_a_choice_of_gpus_is_respected(monkeypatch: pytest.MonkeyPatch, given: str | None, found: list[str]) -> None:
    monkeypatch.setattr(capacity, "count_gpus", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert find_gpus([Needs(), GPU]) == found
    assert find_gpus([Needs()]) == []


def test_gpus_are_counted_as_the_driver_lists_them(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (
        "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-2)\nGPU 1: NVIDIA A100 (UUID: GPU-3)\n"
    )
    monkeypatch.setattr(capacity.shutil, "which", lambda name: name)
    monkeypatch.setattr(capacity.subprocess, "run", lambda *args, **kwargs: SimpleNamespace(stdout=listed))
    assert capacity.count_gpus() == 2
    failed = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    monkeypatch.setattr(capacity.subprocess, "run", lambda *args, **kwargs: SimpleNamespace(stdout=failed))
    assert capacity.count_gpus() == 0
    monkeypatch.setattr(capacity.shutil, "which", lambda name: None)
    assert capacity.count_gpus() == 0


def test_processes_and_activations_count() -> None:
    alone, ranks = needs(), needs(accelerator="cpu", devices=2)
    assert (ranks.threads, ranks.memory) == (2 * alone.threads, 2 * alone.memory)
    assert alone.memory - capacity.PROCESS_BYTES > 34 * 16 * 1024 * 2 * 64 * 4  # numbers of 4 bytes
