"""The number of jobs that run side by side, and the GPUs of each. Imports no torch."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any, NamedTuple

from embedlab.runs.machine import allowed_threads, available_cores, available_memory

PROCESS_BYTES = 500 * 2**20  # torch, Lightning and matplotlib in one process; measured 430 MiB, most of it private
COPIES = 5  # of each parameter: value, gradient, two moments of AdamW, one being written to disk
ACTIVATIONS = 34  # numbers kept for each token, layer and channel (Korthikanti et al. 2022, arXiv 2205.05198, eq. 2)
VOCABULARY = 50_257  # GPT-2's, assumed if the tokenizer's settings do not give the size
ON_GPU = ("gpu", "cuda", "auto")  # trainer.accelerator; auto takes a GPU if there is one
DEVICES = "CUDA_VISIBLE_DEVICES"


class Needs(NamedTuple):
    """Resources that one job needs."""

    threads: int = 1
    memory: int = PROCESS_BYTES
    gpus: int = 0  # that it is given; a job that names its devices itself, or takes all of them, is given none


def estimate_needs(cfg: Any) -> Needs:
    """Estimate what a job with this config needs: its processes, parameters, activations and one chunk of logits."""
    vocabulary = 257 if cfg.tokenizer.name == "bytes" else cfg.tokenizer.vocab_size or VOCABULARY
    model = cfg.model
    parameters = vocabulary * model.embedding_dim + 12 * model.n_layers * model.embedding_dim**2
    logits = 3 * model.loss_chunk_tokens * vocabulary
    tokens = cfg.data.batch_size * cfg.data.context_length
    activations = ACTIVATIONS * tokens * model.n_layers * model.embedding_dim
    given = cfg.trainer.get("devices")
    devices = max(0, given) if isinstance(given, int) else 0
    gpus = devices if cfg.trainer.get("accelerator") in ON_GPU else 0
    processes = 1 if gpus else max(1, devices)  # those of GPUs hold little memory of the CPU
    each = PROCESS_BYTES + 4 * (COPIES * parameters + activations + logits)
    return Needs(processes * (cfg.threads or 1), processes * each, gpus)


def choose_n_jobs(jobs: Sequence[Needs], gpus: Sequence[str]) -> int:
    """Return how many of these jobs run at once, at least 1: as many as the GPUs allow if jobs need one, otherwise as
    many as the cores and the free memory allow.
    """
    if gpus and (each := max(job.gpus for job in jobs)):
        return max(1, len(gpus) // each)
    n_jobs = available_cores() // max(job.threads for job in jobs)
    if (memory := available_memory()) is not None:
        n_jobs = min(n_jobs, memory // max(job.memory for job in jobs))
    return max(1, n_jobs)


def share_of_threads(n_jobs: int) -> int:
    """Return the most threads that each of so many jobs at once may use, at least 1."""
    return max(1, allowed_threads() // n_jobs)


def find_gpus(jobs: Sequence[Needs]) -> list[str]:
    """Return the GPUs for these jobs, as CUDA_VISIBLE_DEVICES names them: those that it has, otherwise all; [] if no
    job needs one.
    """
    if not any(job.gpus for job in jobs):
        return []
    count = count_gpus()
    if count and (given := os.environ.get(DEVICES)) is not None:
        # CUDA ignores what follows an invalid device, such as -1
        return list(itertools.takewhile(lambda one: one and one[0] != "-", map(str.strip, given.split(","))))
    return [*map(str, range(count))]


def count_gpus() -> int:
    """Return the number of NVIDIA's GPUs here; torch's own count takes seconds of imports."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def share_gpus(gpus: Sequence[str], slot: int, each: int) -> dict[str, str]:
    """Return the environment of the job in a slot (of n_jobs, from 0), which needs `each` GPUs, round robin.

    Of the GPUs 0, 1, 2, 3, jobs that need two get 0,1 in slots 0, 2, 4, … and 2,3 in slots 1, 3, 5, …
    """
    if not gpus or not each:
        return {}
    first = slot % max(1, len(gpus) // each) * each
    return {DEVICES: ",".join(gpus[first : first + each])}
