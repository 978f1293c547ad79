"""Windows and batches against the source chapters' loader, in one run.

python -m pytest tests/benchmarks/test_windows.py -s
The reference's tokenizer is replaced by one that returns ready ids, so that only windows and batches are compared.
"""

import time
import tracemalloc
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from embedlab.config.corpora import PythonDocsConfig
from embedlab.config.groups import TokenizerConfig
from embedlab.data.loader import TrainLoader
from embedlab.data.shuffle import ShuffledBatches
from embedlab.data.tokenizer import load_tokenizer
from embedlab.data.tokens import prepare
from embedlab.data.windows import SlidingWindows, whole_batch

CONTEXT, BATCH, BATCHES = 256, 8, 2000


@pytest.fixture(scope="module")
def ids(tmp_path_factory):
    """Return the training text of the default corpus, a memory map."""
    cache = tmp_path_factory.mktemp("cache")
    tokenizer = load_tokenizer(TokenizerConfig("gpt2", None), cache)
    begin = time.perf_counter()
    found = prepare(PythonDocsConfig("python_docs", 0.1, 0.1, True), tokenizer, cache)
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    prepare(PythonDocsConfig("python_docs", 0.1, 0.1, True), tokenizer, cache)
    print(
        f"\npython_docs: {found.corpus}; prepared in {first:.1f} s, from cache in {time.perf_counter() - begin:.3f} s"
    )
    return found.train


@pytest.fixture(scope="module")
def reference(ids):
    """Build the reference at stride 1 once, because it takes long and 2 GB; return (seconds, dataset)."""
    ch02 = pytest.importorskip("llms_from_scratch.ch02", reason="llms-from-scratch is not installed")
    plain = ids.tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tiktoken.get_encoding", lambda name: SimpleNamespace(encode=lambda text, **_: plain))
        begin = time.perf_counter()
        dataset = ch02.create_dataloader_v1("", BATCH, CONTEXT, 1).dataset
        return time.perf_counter() - begin, dataset


def ours(ids: np.ndarray, stride: int, shuffle: bool) -> DataLoader:
    windows = SlidingWindows(ids, CONTEXT, stride)
    if not shuffle:
        return DataLoader(windows, BATCH, drop_last=True, collate_fn=whole_batch)
    batches = ShuffledBatches(len(windows), BATCH, seed=1)
    return TrainLoader(windows, batch_sampler=batches, collate_fn=whole_batch)


def seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def test_building(ids, reference):
    expected, _ = reference
    found = sorted(seconds(lambda: ours(ids, 1, True)) for _ in range(5))[2]
    print(f"\nbuilding at stride 1, {len(ids):,} tokens: {expected:.2f} s reference, {found * 1e3:.3f} ms ours")
    assert expected / found > 100


def test_memory_does_not_grow_with_overlap(ids):
    peaks = {}
    for stride in (256, 16, 1):
        tracemalloc.start()
        for _ in islice(ours(ids, stride, True), 50):
            pass
        peaks[stride] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    windows = {stride: len(SlidingWindows(ids, CONTEXT, stride)) for stride in peaks}
    for stride, peak in peaks.items():
        print(
            f"\nstride {stride}, {windows[stride]:,} windows: peak of building and 50 batches {peak / 1e6:.2f} MB",
            end="",
        )
    # The order is made in blocks of 16,384 windows; after that, nothing grows
    assert peaks[1] < 1.1 * peaks[16]
    assert peaks[1] < 5e6


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches(ids, reference, shuffle):
    dataset = reference[1]
    loaders = {
        "reference": DataLoader(dataset, BATCH, shuffle=shuffle, drop_last=True),  # as in create_dataloader_v1
        "ours": ours(ids, 1, shuffle),
    }
    times: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(5):  # in turns, so that a busy machine slows both
        for name, loader in loaders.items():
            times[name].append(seconds(lambda loader=loader: list(islice(loader, BATCHES))))
    expected, found = (sorted(times[name])[2] / BATCHES * 1e6 for name in ("reference", "ours"))
    print(f"\na batch of {BATCH} x {CONTEXT}, shuffle={shuffle}: {expected:.0f} us reference, {found:.0f} us ours, "
          f"ratio {expected / found:.2f}")  # fmt: skip
    assert found <= expected


def test_batches_are_equal(ids, reference):
    expected = DataLoader(reference[1], BATCH, drop_last=True)
    for (x, y), (expected_x, expected_y) in islice(zip(ours(ids, 1, False), expected, strict=True), 2000):
        assert torch.equal(x, expected_x)
        assert torch.equal(y, expected_y)
