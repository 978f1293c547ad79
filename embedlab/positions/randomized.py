"""Randomized positions: while training, a text's T tokens take T sorted random places of a longer range.

So the model meets, at the trained length, the places and distances of longer texts. The draw is a function of the seed
setting and the training step alone: one draw for the whole batch and all layers of a step, the same after a resumed
run, and no number taken from any other random stream. In evaluation the places are 0 … T-1; the paper draws there
too, which `evaluate: drawn` does (one fixed draw for each length).

Source: Ruoss et al. 2023, "Randomized Positional Encodings Boost Length Generalization of Transformers", section 3.
No learned numbers but those of the inner scheme, built for a window of `longest` tokens. Oracle: the inner scheme,
told the drawn places.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least, one_of, setting
from embedlab.positions import build_from, configure
from embedlab.positions.base import Composed
from embedlab.positions.config import PositionConfig, Shape

WITHOUT_PLACES = ("none", "cope", "forgetting", "path")  # they read only the order of tokens
EVALUATE = ("plain", "drawn")


@dataclass(slots=True)
class RandomizedConfig(PositionConfig):
    """Places drawn from a longer range while training."""

    inner: Any = setting("scheme that is told the places: a name or {name: …, settings}", "rotary")
    longest: int | None = setting("places to draw from, in tokens; null: 4 windows", None)
    seed: int = setting("start of the random draws", 0)
    evaluate: str = setting("places outside training: plain (0, 1, 2, …) or drawn (as the paper does)", "plain")

    def range(self, shape: Shape) -> int:
        return 4 * shape.context_length if self.longest is None else self.longest

    def validate(self, shape: Shape) -> None:
        at_least(0, position__seed=self.seed)
        one_of(EVALUATE, position__evaluate=self.evaluate)
        if self.range(shape) < shape.context_length:
            raise UserError(
                f"position.longest={self.longest} is shorter than data.context_length={shape.context_length}: "
                "give at least as many places as tokens"
            )
        inner = configure(self.inner, "position.inner")
        if inner.name in WITHOUT_PLACES:
            raise UserError(
                f"position.inner={inner.name} takes no positions, so drawing them does nothing: give another"
            )
        inner.validate(shape._replace(context_length=self.range(shape)))

    def cautions(self, shape: Shape) -> list[str]:
        return configure(self.inner, "position.inner").cautions(shape._replace(context_length=self.range(shape)))

    def build(self, shape: Shape) -> "Randomized":
        return Randomized(self, shape)


class Randomized(Composed):
    config: RandomizedConfig

    def __init__(self, config: RandomizedConfig, shape: Shape) -> None:
        self.longest = config.range(shape)
        inner = build_from(configure(config.inner, "position.inner"), shape._replace(context_length=self.longest))
        super().__init__(config, shape, [inner])
        self.step = 0
        if config.evaluate == "drawn":
            self.max_context_length = self.longest
            self.beyond = f"undefined past the {self.longest} places that it draws from"

    def at_step(self, step: int) -> None:
        super().at_step(step)
        self.step = step

    def places(self, positions: Tensor) -> Tensor:
        """(T,) sorted places without repetition, moved on by the offset of `positions`."""
        if not self.training and self.config.evaluate == "plain":
            return positions
        T = len(positions)
        if self.longest < T:
            raise UserError(f"{T} tokens are more than position.longest={self.longest} places: shorten the text")
        moment = self.step + 1 if self.training else 0
        generator = torch.Generator().manual_seed((self.config.seed % 2**31 << 32) + moment)
        drawn = torch.randperm(self.longest, generator=generator)[:T].sort().values
        return drawn.to(positions.device) + positions[0]
