"""What a job changes in its process is put back."""

import logging
import os
import random
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from embedlab.sweep.isolation import isolated


def state() -> list[object]:
    return [
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # type: ignore[index,union-attr]
        random.getstate(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.get_float32_matmul_precision(),
        torch.is_grad_enabled(),
        dict(os.environ),
        warnings.filters[:],
        plt.get_fignums(),
        logging.getLogger("lightning").handlers[:],
        logging.getLogger("lightning").level,
    ]


def spoil() -> None:
    """Change everything, whatever tests before this one have left."""
    torch.rand(1)
    np.random.random()
    random.random()
    torch.use_deterministic_algorithms(not torch.are_deterministic_algorithms_enabled())
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    torch.set_grad_enabled(False)
    os.environ["PL_GLOBAL_SEED"] = os.environ.get("PL_GLOBAL_SEED", "") + "1"
    warnings.filterwarnings("ignore", "a message of nobody")
    plt.figure()
    logging.getLogger("lightning").addHandler(logging.NullHandler())
    logging.getLogger("lightning").setLevel(logging.CRITICAL)


def test_everything_is_put_back_whether_the_job_fails_or_not() -> None:
    before = state()
    with isolated():
        spoil()
        assert all(now != then for now, then in zip(state(), before, strict=True))
    assert state() == before
    with pytest.raises(ValueError, match="no number"), isolated():
        torch.manual_seed("no number")  # type: ignore[arg-type]
    assert state() == before
