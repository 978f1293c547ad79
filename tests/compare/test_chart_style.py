"""Colours that colour-blind readers can separate on both themes, and one style for each scheme."""

import itertools

import pytest

from embedlab.compare.charts import style

# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def linear(colour: str) -> list[float]:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(a: str, b: str) -> float:
    """Return the WCAG 2 contrast ratio."""
    light, dark = sorted((sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(x), strict=True)) for x in (a, b)),
                         reverse=True)  # fmt: skip
    return (light + 0.05) / (dark + 0.05)


def oklab(colour: str, kind: str) -> list[float]:
    """Return OKLab coordinates (Björn Ottosson 2020) as seen with this kind of colour blindness."""
    rgb = linear(colour)
    r, g, b = (min(1.0, max(0.0, sum(w * c for w, c in zip(row, rgb, strict=True)))) for row in BLINDNESS[kind])
    l, m, s = (
        (x * r + y * g + z * b) ** (1 / 3)
        for x, y, z in (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        )
    )
    return [
        0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
        1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
        0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
    ]


@pytest.mark.parametrize("page", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_the_page(page: int) -> None:
    paper = style.PAPER[page]
    assert contrast(style.INK[page], paper) > 12
    assert contrast(style.AXIS[page], paper) > 4.5  # WCAG AA for small text
    for hue in style.HUES:
        assert contrast(hue[page], paper) >= 3  # WCAG, graphics


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("page", [0, 1], ids=["light", "dark"])
def test_hues_differ_with_every_colour_blindness(page: int, kind: str) -> None:
    """Okabe-Ito's own eight colours reach 0.06 in their worst pair; 0.02 is about the smallest visible difference."""
    colours = [hue[page] for hue in style.HUES] + [style.INK[page]]
    for a, b in itertools.combinations(colours, 2):
        gap = sum((x - y) ** 2 for x, y in zip(oklab(a, kind), oklab(b, kind), strict=True)) ** 0.5
        assert gap > 0.06, (a, b, gap)


def test_styles_differ_and_the_rest_is_grey() -> None:
    names = [f"scheme{number}" for number in range(20)]
    styles = style.assign_styles(names, ["none"])
    named = [one for one in styles.values() if one.named]
    assert len(named) == style.COLOURED + 1
    assert len({(one.colour, one.dash) for one in named}) == len(named)
    assert len({(one.colour, one.marker) for one in named}) == len(named)
    assert styles["none"] == style.BASELINE
    assert styles["scheme19"] == style.GREY
