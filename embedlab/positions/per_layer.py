"""A scheme for each layer, in turn: [rotary, rotary, rotary, none] gives every fourth layer no positions.

Layer l uses entry l mod the list's length. Equal entries are one scheme: parameters that a scheme shares among layers
(T5's) are shared among the layers it serves, and parameters by layer exist for these layers only. A scheme that acts at
the input (learned, sinusoidal) acts there once, wherever it stands in the list.

Sources: Kazemnejad et al. 2023 (NoPE, arXiv 2305.19466); Yang et al. 2025, "Rope to Nope and Back Again" (arXiv
2501.18795); the layers of Llama 4 and SmolLM3.
Reference: the inner schemes themselves, layer by layer.
"""

from dataclasses import dataclass
from typing import Any

from embedlab.config.errors import UserError
from embedlab.config.settings import setting
from embedlab.positions import build_from, configure
from embedlab.positions.base import Scheme
from embedlab.positions.composed import Composed
from embedlab.positions.config import PositionConfig, Shape


@dataclass(slots=True)
class PerLayerConfig(PositionConfig):
    """Settings of `per_layer`."""

    schemes: list[Any] = setting(
        "schemes of the layers in turn, each a name or {name: …, settings}", ["rotary", "none"]
    )

    def parts(self, shape: Shape) -> list[tuple[PositionConfig, Shape, list[int]]]:
        """Return (settings, shape, layers served) of each distinct scheme that serves a layer."""
        if not self.schemes:
            raise UserError("position.schemes=[] names no scheme: give at least one, as [rotary, none]")
        layers: dict[str, list[int]] = {}
        specs = {repr(spec): spec for spec in self.schemes}
        for layer in range(shape.n_layers):
            layers.setdefault(repr(self.schemes[layer % len(self.schemes)]), []).append(layer)
        return [
            (configure(specs[key], "position.schemes"), shape._replace(n_layers=len(served)), served)
            for key, served in layers.items()
        ]

    def validate(self, shape: Shape) -> None:
        for config, inner_shape, _ in self.parts(shape):
            config.validate(inner_shape)

    def cautions(self, shape: Shape) -> list[str]:
        found = [text for config, inner_shape, _ in self.parts(shape) for text in config.cautions(inner_shape)]
        if len(self.schemes) > shape.n_layers:
            found.append(
                f"position.schemes lists {len(self.schemes)} schemes for model.n_layers={shape.n_layers}: "
                "those past the last layer never act"
            )
        return found

    def build(self, shape: Shape) -> "Scheme":
        return PerLayer(self, shape)


class PerLayer(Composed):
    """Passes each hook to the scheme of its layer."""

    def __init__(self, config: PerLayerConfig, shape: Shape) -> None:
        parts = config.parts(shape)
        super().__init__(config, shape, [build_from(inner, inner_shape) for inner, inner_shape, _ in parts])
        self.served = [layers for _, _, layers in parts]

    def inner(self, layer: int) -> tuple[Scheme, int]:
        index = next(index for index, layers in enumerate(self.served) if layer in layers)
        return self.inner_schemes[index], self.served[index].index(layer)
