"""One style for every scheme in every chart: the baseline in ink, the best schemes in colour, the rest in grey.

Six hues after Okabe & Ito (2008), "Color Universal Design", each in a shade for white paper and one for a dark page,
moved apart until the nearest two differ by 0.06 (OKLab) for three kinds of colour blindness; a test checks it. Past six
schemes the hues repeat with another dash and marker, so that no line is known by its colour alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

INK = ("#16181d", "#eceef2")  # text and the baseline, on light and on dark
REST = ("#b3b8c2", "#555c69")
GRID = ("#e3e6eb", "#2c313a")
AXIS = ("#5b6270", "#98a0ae")
PAPER = ("#ffffff", "#191c22")
HUES = (
    ("#0153a1", "#3f97e0"),  # blue
    ("#e93914", "#f07f38"),  # vermilion
    ("#008c67", "#1fc796"),  # green
    ("#d162b6", "#e69ccb"),  # purple
    ("#2d98f9", "#9adcff"),  # sky
    ("#5c3d13", "#e8c72e"),  # brown on white, yellow on dark
)
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P")
COLOURED = 12  # schemes beside the baseline; further ones are grey
Dash = Any  # a matplotlib line style: "-" or (offset, (on, off))


@dataclass(frozen=True, slots=True)
class Style:
    """How a scheme is drawn; `colour` is the shade on white paper."""

    colour: str
    dash: Dash
    marker: str
    named: bool  # whether legends list it


BASELINE = Style(INK[0], (0, (5, 2)), "X", True)
GREY = Style(REST[0], "-", ".", False)


def assign_styles(names: Sequence[str], baselines: Sequence[str]) -> dict[str, Style]:
    """Return a style for every name; `names` come in order of rank."""
    found = dict.fromkeys(baselines, BASELINE)
    for rank, name in enumerate(name for name in names if name not in baselines):
        again = rank // len(HUES)
        hue, marker = HUES[rank % len(HUES)][0], MARKERS[(rank + again) % len(MARKERS)]
        found[name] = Style(hue, DASHES[again % len(DASHES)], marker, True) if rank < COLOURED else GREY
    return found


def css(dark: bool) -> str:
    """Return the CSS custom properties that hold the page's colours."""
    return " ".join(f"--{name}: {shades[dark]};" for name, shades in _names().items())


def properties() -> dict[str, str]:
    """Return {colour on white paper: the CSS that replaces it on a page that may be dark}."""
    return {shades[0]: f"var(--{name})" for name, shades in _names().items()}


def _names() -> dict[str, tuple[str, str]]:
    fixed = {"ink": INK, "rest": REST, "grid": GRID, "axis": AXIS, "paper": PAPER}
    return fixed | {f"hue{i}": shades for i, shades in enumerate(HUES)}
