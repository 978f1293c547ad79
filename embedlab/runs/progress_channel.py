"""How far a run's training is, for whoever watches the process from outside. Imports no torch."""

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """One moment of a training."""

    step: int  # optimizer steps done
    steps: int | None  # of so many; None where trainer.max_time ends the training
    loss: float | None  # training loss, nats/token, where it is known
    seconds_left: float | None  # of training, by the speed so far


listeners: list[Callable[[Progress], None]] = []


def publish(progress: Progress) -> None:
    """Hand the progress to all listeners; there are none in a run that nobody watches."""
    for listener in listeners:
        listener(progress)
