"""SlidingWindows compared with the book's loader and with slices taken by hand."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from embedlab.config.errors import UserError
from embedlab.data.windows import SlidingWindows, whole_batch


def by_hand(ids, context_length, stride):
    starts = range(0, len(ids) - context_length, stride)
    return [(ids[s : s + context_length], ids[s + 1 : s + context_length + 1]) for s in starts]


@pytest.mark.parametrize(
    ("context_length", "stride", "batch_size"),
    [
        (4, 4, 8),
        (4, 1, 8),
        (1, 1, 3),
        (256, 128, 4),
        (256, 1, 64),
        (64, 65, 5),
        (5144, 1, 1),
        (3, 5000, 1),
        (7, 5, 1000),
    ],
)
@pytest.mark.parametrize("collate", [None, whole_batch])
def test_batches_equal_the_books(verdict, gpt2, monkeypatch, context_length, stride, batch_size, collate):
    reference = pytest.importorskip("llms_from_scratch.ch02", reason="llms-from-scratch is not installed")
    monkeypatch.setattr("tiktoken.get_encoding", lambda name: gpt2.encoding)
    expected = list(
        reference.create_dataloader_v1(verdict, batch_size, context_length, stride, shuffle=False, drop_last=True)
    )
    windows = SlidingWindows(gpt2.encode(verdict), context_length, stride)
    batches = list(DataLoader(windows, batch_size=batch_size, drop_last=True, collate_fn=collate))
    assert len(batches) == len(expected)
    for (inputs, targets), (expected_inputs, expected_targets) in zip(batches, expected, strict=True):
        assert torch.equal(inputs, expected_inputs)
        assert torch.equal(targets, expected_targets)
        assert inputs.dtype == targets.dtype == torch.int64


def test_first_rows_of_the_verdict(verdict, gpt2):
    inputs, targets = SlidingWindows(gpt2.encode(verdict), 4, 4).__getitems__(range(8))
    assert inputs.shape == targets.shape == (8, 4)
    assert inputs[:2].tolist() == [[40, 367, 2885, 1464], [1807, 3619, 402, 271]]
    assert targets[:2].tolist() == [[367, 2885, 1464, 1807], [3619, 402, 271, 10899]]


@given(n=st.integers(2, 60), context_length=st.integers(1, 20), stride=st.integers(1, 30), data=st.data())
def test_windows_equal_slices(n, context_length, stride, data):
    ids = list(range(100, 100 + n))
    if n <= context_length:
        with pytest.raises(UserError, match=rf"data.context_length={context_length} .* has {n}:"):
            SlidingWindows(torch.tensor(ids), context_length, stride)
        return
    expected = by_hand(ids, context_length, stride)
    dtype = data.draw(st.sampled_from([torch.int64, torch.int32, torch.uint8, torch.uint16]))
    windows = SlidingWindows(torch.tensor(ids, dtype=dtype), context_length, stride)
    assert len(windows) == len(expected)
    assert [(x.tolist(), y.tolist()) for x, y in windows] == expected  # IndexError ends the iteration
    indices = data.draw(st.lists(st.integers(-len(expected), len(expected) - 1), min_size=1, max_size=9))
    inputs, targets = windows.__getitems__(indices)
    assert inputs.tolist() == [expected[i][0] for i in indices]
    assert targets.tolist() == [expected[i][1] for i in indices]
    for i in indices:
        assert windows[i][0].tolist() == expected[i][0]
        assert windows[i][1].tolist() == expected[i][1]


@pytest.mark.parametrize("index", [6, -7, 100])
def test_an_index_out_of_range_is_an_error(index):
    windows = SlidingWindows(np.arange(10), 4, 1)
    assert len(windows) == 6
    with pytest.raises(IndexError):
        windows[index]
    with pytest.raises(IndexError):
        windows.__getitems__([0, index])


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_windows_of_a_read_only_memory_map(tmp_path, dtype):
    np.arange(1000, dtype=dtype).tofile(tmp_path / "ids")
    ids = np.memmap(tmp_path / "ids", dtype=dtype, mode="r")
    windows = SlidingWindows(ids, 8, 3)
    assert np.shares_memory(windows.ids, ids)
    inputs, targets = windows.__getitems__([0, 1])
    assert inputs.tolist() == [list(range(8)), list(range(3, 11))]
    assert targets.dtype == torch.int64
    inputs += 1  # a batch is a copy
    assert ids[0] == 0


def test_workers_give_the_same_batches(verdict, gpt2):
    windows = SlidingWindows(gpt2.encode(verdict), 32, 16)
    alone = list(DataLoader(windows, batch_size=8, collate_fn=whole_batch))
    shared = list(DataLoader(windows, 8, collate_fn=whole_batch, num_workers=2, multiprocessing_context="fork"))
    assert all(torch.equal(a, b) for x, y in zip(alone, shared, strict=True) for a, b in zip(x, y, strict=True))


def test_a_pickle_holds_the_text_once():
    windows = SlidingWindows(np.arange(10_000), 256, 1)
    data = pickle.dumps(windows)
    assert len(data) < 100_000
    again = pickle.loads(data)
    assert torch.equal(again.__getitems__([0, -1])[1], windows.__getitems__([0, -1])[1])


@pytest.mark.parametrize(("context_length", "stride"), [(0, 1), (-3, 1), (4, 0), (4, -1)])
def test_sizes_below_one_are_refused(context_length, stride):
    with pytest.raises(UserError, match="is too small: give at least 1"):
        SlidingWindows(np.arange(10), context_length, stride)
