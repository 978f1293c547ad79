"""Publish the progress of a run's training to listeners in the same process. Imports no torch."""

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """The state of a training at one moment."""

    step: int  # optimizer steps done
    steps: int | None  # optimizer steps in all; None if trainer.max_time ends the training
    loss: float | None  # training loss, nats/token; None if it is not known yet
    seconds_left: float | None  # of training, estimated from the speed so far


listeners: list[Callable[[Progress], None]] = []


def publish(progress: Progress) -> None:
    """Pass the progress to all listeners; most runs have none."""
    for listener in listeners:
        listener(progress)
