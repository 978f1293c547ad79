"""One look for every scheme in every figure: the baseline in ink, the best schemes in colour, the rest in grey.

Six hues after Okabe & Ito (2008), "Color Universal Design", each in a shade for white paper and one for a dark page,
moved apart until the nearest two are 0.06 (OKLab) away for three kinds of colour blindness, as the tests hold. Past six
schemes the hues come again with another dash and marker, so no line is told by colour alone.
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
COLOURED = 12  # schemes beside the baseline; more are grey
Dash = Any  # a matplotlib line style: "-" or (offset, (on, off))


@dataclass(frozen=True, slots=True)
class Look:
    """How a scheme is drawn; `colour` is the shade for white paper."""

    colour: str
    dash: Dash
    marker: str
    named: bool  # whether it stands in legends


BASELINE = Look(INK[0], (0, (5, 2)), "X", True)
GREY = Look(REST[0], "-", ".", False)


def looks(names: Sequence[str], baselines: Sequence[str]) -> dict[str, Look]:
    """A look for every name, given in order of rank."""
    found = dict.fromkeys(baselines, BASELINE)
    for place, name in enumerate(name for name in names if name not in baselines):
        again = place // len(HUES)
        hue, marker = HUES[place % len(HUES)][0], MARKERS[(place + again) % len(MARKERS)]
        found[name] = Look(hue, DASHES[again % len(DASHES)], marker, True) if place < COLOURED else GREY
    return found


def css(dark: bool) -> str:
    """The custom properties that stand for the colours on the page."""
    return " ".join(f"--{name}: {shades[dark]};" for name, shades in _names().items())


def properties() -> dict[str, str]:
    """{colour on white paper: what stands for it on a page that may be dark}."""
    return {shades[0]: f"var(--{name})" for name, shades in _names().items()}


def _names() -> dict[str, tuple[str, str]]:
    fixed = {"ink": INK, "rest": REST, "grid": GRID, "axis": AXIS, "paper": PAPER}
    return fixed | {f"hue{place}": shades for place, shades in enumerate(HUES)}
