"""The shuffled order: a uniform permutation, the same in every process, shared exactly among devices."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from embedlab.config.errors import UserError
from embedlab.data import shuffle
from embedlab.data.loader import TrainLoader
from embedlab.data.shuffle import Permutation, ShuffledBatches
from embedlab.data.windows import SlidingWindows, whole_batch

ORDER_10_42 = [6, 4, 5, 1, 8, 9, 3, 0, 2, 7]


def order(n: int, seed: int = 1, epoch: int = 0) -> list[int]:
    permutation = Permutation(n, seed)
    permutation.set_epoch(epoch)
    return permutation(np.arange(n)).tolist()


@given(st.integers(1, 3000) | st.sampled_from([2**k + d for k in range(1, 14) for d in (-1, 0, 1)]), st.integers(0, 99))
def test_the_order_is_a_permutation(n, seed):
    assert sorted(order(n, seed)) == list(range(n))


@given(st.integers(1, 500), st.data())
def test_any_part_of_the_order_equals_the_whole(n, data):
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20)))
    full = order(n)
    assert Permutation(n, 1)(positions).tolist() == [full[i] for i in positions]
    assert Permutation(n, 1)(positions[:, None]).shape == (len(positions), 1)


def test_a_huge_n_needs_no_memory():
    tracemalloc.start()
    try:
        permutation = Permutation(10**15 + 7, 3)
        found = permutation(np.arange(10**15 - 1000, 10**15))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(set(found.tolist())) == 1000
    assert 0 <= found.min() < found.max() < 10**15 + 7


def test_the_order_never_changes():
    """The numbers are fixed, so that a later version can repeat a run; another process gives the same ones."""
    code = "import numpy; from embedlab.data.shuffle import Permutation; "
    code += "print(Permutation(10, 42)(numpy.arange(10)).tolist())"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == f"{order(10, 42)}\n"
    assert order(10, 42) == ORDER_10_42


def test_the_order_depends_on_seed_and_epoch():
    orders = [order(1000, seed, epoch) for seed in (0, 1, 2**40) for epoch in (0, 1, 2)]
    assert len(set(map(tuple, orders))) == 9
    assert order(1000, 1, 2) == orders[5]


@pytest.mark.parametrize("n", [5, 8, 13])
def test_every_window_is_equally_frequent_at_every_index(n):
    """Chi-squared over 2,000 seeds: of the windows at an index, and of the pairs at the first two indices."""
    orders = np.array([order(n, seed) for seed in range(2000)])
    for index in (0, n // 2, n - 1):
        assert stats.chisquare(np.bincount(orders[:, index], minlength=n)).pvalue > 1e-4
    pairs = np.bincount(orders[:, 0] * n + orders[:, 1], minlength=n * n)
    assert (pairs > 0).sum() == n * (n - 1)
    assert stats.chisquare(pairs[pairs > 0]).pvalue > 1e-4


def test_neighbours_are_uncorrelated():
    found = np.array(order(20_000))
    assert abs(stats.spearmanr(found[:-1], found[1:]).statistic) < 0.03
    assert abs(stats.spearmanr(found, np.arange(20_000)).statistic) < 0.03


@given(st.integers(1, 300), st.integers(1, 20), st.integers(1, 4), st.integers(0, 3), st.sampled_from([1, 50, 1000]))
def test_devices_share_the_batches_of_a_single_device(n, share, world_size, epoch, block):
    batch_size = share * world_size
    if n < world_size:
        with pytest.raises(UserError, match=f"has {n} windows for {world_size} devices"):
            ShuffledBatches(n, batch_size, 7, 0, world_size)
        return
    samplers = [ShuffledBatches(n, batch_size, 7, rank, world_size) for rank in range(world_size)]
    for sampler in samplers:
        sampler.sampler.set_epoch(epoch)  # as Lightning does
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffle, "BLOCK", block)
        together = [[i for part in parts for i in part] for parts in zip(*samplers, strict=True)]
    size = min(batch_size, n // world_size * world_size)
    assert together == [order(n, 7, epoch)[i : i + size] for i in range(0, n - size + 1, size)]
    assert [len(sampler) for sampler in samplers] == [len(together)] * world_size


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    with pytest.raises(UserError, match=r"data.batch_size=10 cannot be shared evenly by 4 devices: give a multiple"):
        ShuffledBatches(100, 10, 7, 0, 4)


def loader(workers: int = 0) -> TrainLoader:
    windows = SlidingWindows(np.arange(101), 4, 1)
    context = "fork" if workers else None
    batches = ShuffledBatches(len(windows), 9, 5)
    return TrainLoader(
        windows, batch_sampler=batches, collate_fn=whole_batch, num_workers=workers, multiprocessing_context=context
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [0, 1, 6, 10])
def test_the_loader_resumes_within_an_epoch(done, workers):
    whole = loader()
    whole.batch_sampler.set_epoch(3)
    expected = [x for x, _ in whole]
    assert len(expected) == len(whole) == 10

    cut = loader(workers)
    cut.batch_sampler.set_epoch(3)
    batches = iter(cut)
    for _ in range(done):
        next(batches)
    state = cut.state_dict()
    del batches
    resumed = loader(workers)
    resumed.load_state_dict(state)
    rest = [x for x, _ in resumed]
    assert torch.equal(torch.cat(rest), torch.cat(expected[done % 10 :]))
    assert [len(x) for x, _ in resumed] == [9] * 10  # the next pass is complete
