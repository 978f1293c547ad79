"""The number of jobs that run side by side. Imports no torch."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from embedlab.runs.machine import available_cores, available_memory

PROCESS_BYTES = 500 * 2**20  # torch, Lightning and matplotlib in one process; measured 430 MiB, most of it private
COPIES = 5  # of each parameter: value, gradient, two moments of AdamW, one being written to disk
VOCABULARY = 50_257  # GPT-2's, assumed if the tokenizer's settings do not give the size


class Needs(NamedTuple):
    """Resources that one job needs."""

    threads: int
    memory: int  # bytes


def estimate_needs(cfg: Any) -> Needs:
    """Estimate what a job with this config needs: its process, the parameters and one chunk of logits."""
    vocabulary = 257 if cfg.tokenizer.name == "bytes" else cfg.tokenizer.vocab_size or VOCABULARY
    model = cfg.model
    parameters = vocabulary * model.embedding_dim + 12 * model.n_layers * model.embedding_dim**2
    logits = 3 * model.loss_chunk_tokens * vocabulary
    return Needs(cfg.threads or 1, PROCESS_BYTES + 4 * (COPIES * parameters + logits))


def choose_n_jobs(jobs: Sequence[Needs]) -> int:
    """Return how many of these jobs the cores and the free memory allow at once, at least 1."""
    n_jobs = available_cores() // max(job.threads for job in jobs)
    if (memory := available_memory()) is not None:
        n_jobs = min(n_jobs, memory // max(job.memory for job in jobs))
    return max(1, n_jobs)
