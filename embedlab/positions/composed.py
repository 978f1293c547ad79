"""Schemes that are made of others."""

from torch import Tensor, nn

from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site


class Composed(Scheme):
    """A scheme made of others: passes each hook to the one that serves the layer."""

    def __init__(self, config: PositionConfig, shape: Shape, schemes: list[Scheme]) -> None:
        super().__init__(config, shape)
        self.schemes = nn.ModuleList(schemes)  # so that their parameters are found
        self.inner_schemes = tuple(schemes)
        limits = [scheme.max_context_length for scheme in schemes if scheme.max_context_length is not None]
        self.max_context_length = min(limits, default=None)
        self.beyond = "; ".join(f"{scheme.config.name}: {scheme.beyond}" for scheme in schemes)

    def inner(self, layer: int) -> tuple[Scheme, int]:
        """Return the scheme that serves this layer, and the layer's index among those that it serves."""
        return self.inner_schemes[0], layer

    def embed(self, x: Tensor, site: Site) -> Tensor:
        for scheme in self.inner_schemes:
            x = scheme.embed(x, site)
        return x

    def mix(self, x: Tensor, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.mix(x, site._replace(layer=own))

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        scheme, own = self.inner(site.layer)
        return scheme.rotate(q, k, site._replace(layer=own))

    def bias(self, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.bias(site._replace(layer=own))

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.score(q, k, logits, site._replace(layer=own))

    def weights(self, logits: Tensor, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.weights(logits, site._replace(layer=own))

    def values(self, weights: Tensor, v: Tensor, site: Site) -> Tensor:
        scheme, own = self.inner(site.layer)
        return scheme.values(weights, v, site._replace(layer=own))

    def locate(self, site: Site) -> Site:
        scheme, own = self.inner(site.layer)
        return scheme.locate(site._replace(layer=own))._replace(layer=site.layer)

    def at_step(self, step: int) -> None:
        for scheme in self.inner_schemes:
            scheme.at_step(step)

    @property
    def settled(self) -> bool:
        return all(scheme.settled for scheme in self.inner_schemes)

    def hooks(self, layer: int = 0) -> frozenset[str]:
        scheme, own = self.inner(layer)
        at_input = any("embed" in scheme.hooks() for scheme in self.inner_schemes)
        return scheme.hooks(own) | (frozenset({"embed"}) if at_input else frozenset())

    def count_parameters(self) -> int:
        return sum(scheme.count_parameters() for scheme in self.inner_schemes)

    def table(self) -> Tensor | None:
        tables = (scheme.table() for scheme in self.inner_schemes)
        return next((table for table in tables if table is not None), None)
