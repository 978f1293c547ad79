"""The jobs of a sweep: every combination of the given values, except if `instead` gives other values."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from embedlab.config.errors import UserError

Point = list[str]  # the overrides of one job


def expand_points(
    parser: OverridesParser,
    params: Sequence[str],
    arguments: Sequence[str],
    instead: Mapping[str, Mapping[str, Any]],
) -> list[Point]:
    """Return the points of an experiment's `params` and the command line's `arguments`, which take precedence.

    `instead` replaces values of the points that have a certain override: with
    {"position=t5": {"optimizer.lr": "2,4", "position.scale": "1,8"}} the jobs position=none,t5 optimizer.lr=1,2,3,4 are
    none at four rates and t5 at two rates with two scales each. Values from the command line are kept.
    Raises UserError if `instead` is not a mapping of mappings.
    """
    if not isinstance(instead, Mapping) or not all(isinstance(change, Mapping) for change in instead.values()):
        raise UserError(f"hydra.sweeper.instead={instead} is not a mapping of mappings: see conf/experiment/tuned.yaml")

    def combinations(overrides: Sequence[str]) -> list[Point]:
        return BasicSweeper.split_arguments(parser.parse_overrides([*overrides]), None)[0]

    asked = {override.get_key_element() for override in parser.parse_overrides([*arguments])}
    found: list[Point] = []
    for point in combinations([*params, *arguments]):
        changes = [change for condition, change in instead.items() if condition in point]
        other = {key: values for change in changes for key, values in change.items() if key not in asked}
        kept = [override for override in point if override.partition("=")[0] not in other]
        tried = combinations([f"{key}={values}" for key, values in other.items()])
        found += [[*kept, *one] for one in tried]
    return [list(point) for point in dict.fromkeys(map(tuple, found))]
