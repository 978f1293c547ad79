"""Randomized positions: in training, a text's T tokens get T sorted random positions from a longer range.

So the model sees, at the trained length, the positions and distances of longer texts. The draw depends only on the
seed and the training step: one draw for the whole batch and all layers of a step, the same in a resumed run, and no
other random stream advances. In evaluation the positions are 0 … T-1; the paper draws there too, as
`evaluate: drawn` does (one fixed draw for each length).

Source: Ruoss et al. 2023, "Randomized Positional Encodings Boost Length Generalization of Transformers" (arXiv
2305.16843), section 3. Parameters: the inner scheme's, built for a window of `longest` tokens. Reference: the inner
scheme at the drawn positions.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least, one_of, setting
from embedlab.positions import build_from, configure
from embedlab.positions.composed import Composed
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site, square
from embedlab.runs.random_streams import numpy_generator

WITHOUT_POSITIONS = ("none", "cope", "forgetting", "path")  # they read only the order of tokens
EVALUATE = ("plain", "drawn")


@dataclass(slots=True)
class RandomizedConfig(PositionConfig):
    """Settings of `randomized`."""

    inner: Any = setting("scheme that gets the drawn positions: a name or {name: …, settings}", "rotary")
    longest: int | None = setting("number of positions to draw from; null: 4 windows", None)
    seed: int | None = setting("seed of the random draws; null: the run's seed", None)
    evaluate: str = setting("positions in evaluation: plain (0, 1, 2, …) or drawn (as in the paper)", "plain")

    def n_positions(self, shape: Shape) -> int:
        """Return the number of positions to draw from."""
        return 4 * shape.context_length if self.longest is None else self.longest

    def validate(self, shape: Shape) -> None:
        at_least(0, position__seed=self.seed or 0)
        one_of(EVALUATE, position__evaluate=self.evaluate)
        if self.n_positions(shape) < shape.context_length:
            raise UserError(
                f"position.longest={self.longest} is shorter than data.context_length={shape.context_length}: "
                "give at least as many positions as tokens"
            )
        inner = configure(self.inner, "position.inner")
        if inner.name in WITHOUT_POSITIONS:
            raise UserError(
                f"position.inner={inner.name} uses no positions, so drawing them does nothing: give another scheme"
            )
        inner.validate(shape._replace(context_length=self.n_positions(shape)))

    def cautions(self, shape: Shape) -> list[str]:
        return configure(self.inner, "position.inner").cautions(shape._replace(context_length=self.n_positions(shape)))

    def build(self, shape: Shape) -> "Randomized":
        return Randomized(self, shape)


class Randomized(Composed):
    """The inner scheme at drawn positions."""

    config: RandomizedConfig

    def __init__(self, config: RandomizedConfig, shape: Shape) -> None:
        self.longest = config.n_positions(shape)
        inner = build_from(configure(config.inner, "position.inner"), shape._replace(context_length=self.longest))
        super().__init__(config, shape, [inner])
        self.step = 0
        self.seed = shape.run_seed if config.seed is None else config.seed
        if config.evaluate == "drawn":
            self.max_context_length = self.longest
            self.beyond = f"undefined past the {self.longest} positions that it draws from"

    def at_step(self, step: int) -> None:
        super().at_step(step)
        self.step = step

    def embed(self, x: Tensor, site: Site) -> Tensor:
        return super().embed(x, square(self.inner_positions(site.keys)))

    def locate(self, site: Site) -> Site:
        return super().locate(square(self.inner_positions(site.keys), site.layer, site.x))

    def inner_positions(self, positions: Tensor) -> Tensor:
        """Return (T,) sorted positions without repetition, shifted by the offset of `positions`."""
        if not self.training and self.config.evaluate == "plain":
            return positions
        T = len(positions)
        if self.longest < T:
            raise UserError(f"{T} tokens are more than position.longest={self.longest} positions: shorten the text")
        moment = self.step + 1 if self.training else 0
        return draw_positions(self.seed, moment, self.longest, T).to(positions.device) + positions[0]


@lru_cache(maxsize=8)  # every layer asks for the same draw, and a generator costs 0.1 ms
def draw_positions(seed: int, moment: int, longest: int, T: int) -> Tensor:
    """Return T of 0 … longest - 1 without repetition, sorted."""
    generator = numpy_generator(seed, "randomized", moment)
    return torch.from_numpy(np.sort(generator.choice(longest, T, replace=False, shuffle=False)))
