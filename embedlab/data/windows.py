"""Sliding windows over token ids: (input, target) pairs as in Raschka, "Build a Large Language Model (From Scratch)",
chapter 2, without a copy of the text for each window.

Windows start at 0, stride, 2*stride, … while start < n_tokens - context_length, as in its `create_dataloader_v1`.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least


class SlidingWindows(Dataset[tuple[Tensor, Tensor]]):
    """Map-style dataset of windows over one long text; the target is the input shifted by one token.

    ids: 1-D integer tensor (CPU), numpy array or memory map; never copied, never written.
    context_length: L, tokens in a window. stride: tokens from one window's start to the next, 1 or more.
    Raises UserError if the text is shorter than one window and its last target (L + 1 tokens).

    A loader reads whole batches through `__getitems__`; give it `collate_fn=whole_batch`. PyTorch's default collate
    works too: it stacks inputs and targets into one (2, B, L) tensor, which unpacks the same way.
    """

    def __init__(self, ids: Tensor | np.ndarray, context_length: int, stride: int) -> None:
        at_least(1, data__context_length=context_length, data__stride=stride)
        # a plain array, because indexing is slow in the class of memory maps
        self.ids = np.asarray(ids.numpy() if isinstance(ids, Tensor) else ids)
        assert self.ids.ndim == 1, f"token ids must be 1-D, not {self.ids.shape}"
        assert np.issubdtype(self.ids.dtype, np.integer), f"token ids must be integers, not {self.ids.dtype}"
        self.context_length = context_length
        self.stride = stride
        if len(self.ids) <= context_length:
            raise UserError(
                f"data.context_length={context_length} needs a text of {context_length + 1} tokens or more, "
                f"this one has {len(self.ids)}: give a shorter data.context_length or more text"
            )
        # A view of the text, (N, L+1): windows share memory
        self.windows = np.lib.stride_tricks.sliding_window_view(self.ids, context_length + 1)[::stride]

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (input, target), int64, each (L,); negative indices and IndexError as for a list."""
        window = self.windows[index].astype(np.int64)
        return torch.from_numpy(window[:-1].copy()), torch.from_numpy(window[1:].copy())

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return (inputs, targets) of a whole batch, int64, each (B, L)."""
        rows = self.windows[np.asarray(indices, dtype=np.int64)]  # (B, L+1)
        return torch.from_numpy(rows[:, :-1].astype(np.int64)), torch.from_numpy(rows[:, 1:].astype(np.int64))

    def __reduce__(self) -> tuple[type, tuple[np.ndarray, int, int]]:
        """Pickle the text alone: a view would be written out in full."""
        return type(self), (self.ids, self.context_length, self.stride)


def whole_batch(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the batch as it is: collate_fn for loaders over SlidingWindows."""
    return batch
