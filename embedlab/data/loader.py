"""The training loader, which can resume in the middle of an epoch."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from embedlab.data.shuffle import ShuffledBatches


class TrainLoader(DataLoader[tuple[Tensor, Tensor]]):
    """DataLoader over ShuffledBatches whose state Lightning keeps in each checkpoint.

    The state counts the batches that the loader has yielded, not those that its workers have prefetched. At the end of
    an epoch it is the start of the next one: Lightning then calls `set_epoch` itself.
    """

    batch_sampler: ShuffledBatches
    done = 0  # batches of this epoch that were yielded
    before_batch: Callable[[], None] | None = None  # called before each batch, when all earlier steps are complete

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:  # type: ignore[override]  # a generator is enough
        self.done = self.batch_sampler.first
        for batch in super().__iter__():
            if self.before_batch is not None:
                self.before_batch()
            self.done += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch and how many of its batches are done."""
        return {"epoch": self.batch_sampler.sampler.epoch, "done": self.done % len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next pass start after the batches that are done."""
        self.batch_sampler.set_epoch(state["epoch"])
        self.batch_sampler.first = state["done"]
