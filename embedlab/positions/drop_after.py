"""A scheme removed during training (DroPE): positions speed up early learning, and a model without them extrapolates.

From the training step `step` on no hook acts, as with `none`; the state is saved with the weights, so that a loaded
model knows whether its scheme is removed. Only weights from after the removal are evaluated (the best checkpoint is one
of them). The paper drops rotary positions after pretraining and recalibrates for about 1 % of its tokens; of a few
hundred steps that would be one or two, so here the default is the last fifth. Its rescaled softmax for long texts is
not included. The inner scheme's parameters stay, unused and untrained.

Source: Gelberg et al. 2025, "Extending the Context of Pretrained LLMs by Dropping Their Positional Embeddings"
(arXiv 2512.12167).
Reference: the inner scheme before the step, `none` from it on.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from embedlab.config.settings import at_least, setting
from embedlab.positions import build_from, configure
from embedlab.positions.base import Scheme
from embedlab.positions.composed import Composed
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site


@dataclass(slots=True)
class DropAfterConfig(PositionConfig):
    """Settings of `drop_after`."""

    inner: Any = setting("scheme used until then: a name or {name: …, settings}", "rotary")
    step: int | None = setting("first training step without it, from 0; null: after 4/5 of trainer.max_steps", None)

    def drops_at(self, shape: Shape) -> int | None:
        """Return the first step without the scheme; None if training ends before it or has no known length."""
        if self.step is None:
            return None if shape.n_steps is None else max(1, shape.n_steps * 4 // 5)
        return self.step if shape.n_steps is None or self.step < shape.n_steps else None

    def validate(self, shape: Shape) -> None:
        if self.step is not None:
            at_least(1, position__step=self.step)
        configure(self.inner, "position.inner").validate(shape)

    def cautions(self, shape: Shape) -> list[str]:
        found = configure(self.inner, "position.inner").cautions(shape)
        if self.drops_at(shape) is not None:
            return found
        if self.step is None:
            why = "position.step=null depends on trainer.max_steps, which is not given"
        else:
            why = f"position.step={self.step} is past the {shape.n_steps} steps of this training"
        return [*found, f"{why}, so the scheme is never dropped: give position.step=NUMBER"]

    def build(self, shape: Shape) -> "DropAfter":
        return DropAfter(self, shape)


class DropAfter(Composed):
    """The inner scheme before its last step, no positions afterwards."""

    config: DropAfterConfig

    def __init__(self, config: DropAfterConfig, shape: Shape) -> None:
        super().__init__(config, shape, [build_from(configure(config.inner, "position.inner"), shape)])
        self.limit, self.beyond_before = self.max_context_length, self.beyond
        self.none = Scheme(config, shape)
        self.drops_at = config.drops_at(shape)
        self.set_extra_state(False)

    def at_step(self, step: int) -> None:
        super().at_step(step)
        self.set_extra_state(self.drops_at is not None and step >= self.drops_at)

    @property
    def settled(self) -> bool:
        return super().settled and (self.dropped or self.drops_at is None)

    def get_extra_state(self) -> bool:
        return self.dropped

    def set_extra_state(self, dropped: bool) -> None:
        self.dropped = dropped
        self.max_context_length = None if dropped else self.limit
        self.beyond = "has no positions any more" if dropped else self.beyond_before

    def inner(self, layer: int) -> tuple[Scheme, int]:
        return (self.none, layer) if self.dropped else super().inner(layer)

    def hooks(self, layer: int = 0) -> frozenset[str]:
        return frozenset() if self.dropped else super().hooks(layer)

    def embed(self, x: Tensor, site: Site) -> Tensor:
        return x if self.dropped else super().embed(x, site)
