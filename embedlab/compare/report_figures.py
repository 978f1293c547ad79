"""The figures of report.html: matplotlib's SVG with each colour replaced by a custom property of the page.

The legend that is drawn for the files is cut off and written as buttons below, which keep the page's text size on a
phone, list the grey series too, and isolate a series where the page's script runs.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape

from embedlab.compare.charts.frame import Chart, Entry
from embedlab.compare.charts.style import BASELINE, DASHES, properties
from embedlab.compare.rows import Group

MOST_GREYS = 60  # grey series in a legend
GLYPHS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", ".": "·"}  # matplotlib's markers
LINES = {DASHES[0]: "solid", DASHES[1]: "dashed", DASHES[2]: "dotted", BASELINE.dash: "dashed"}  # as borders in CSS


def render_figures(group: Group, charts: Sequence[Chart]) -> Iterator[str]:
    """Yield the section with the figures of one group."""
    if not charts:
        return
    subtitle = f"<h3>{escape(group.title)}</h3>" if group.title else ""
    yield f'<section><h2>Figures</h2>{subtitle}<div class="charts">'
    for chart in charts:
        about = f"<figcaption>{escape(chart.about)}</figcaption>"
        yield f'<figure class="card">{inline_svg(chart)}{"".join(_legend(chart.entries))}{about}</figure>'
    yield "</div></section>"


def _legend(entries: Sequence[Entry]) -> Iterator[str]:
    named = [entry for entry in entries if entry.style.named]
    greys = [entry for entry in entries if not entry.style.named][:MOST_GREYS]
    if named:
        yield f'<div class="legend">{"".join(map(_button, named))}</div>'
    if greys:
        yield f'<details><summary>{len(greys)} in grey</summary><div class="legend">'
        yield f"{''.join(map(_button, greys))}</div></details>"


def _button(entry: Entry) -> str:
    colour = properties()[entry.style.colour]
    line, glyph = LINES[entry.style.dash], GLYPHS[entry.style.marker]
    swatch = f'<i class="{line}" style="color:{colour}">{glyph}</i>'
    return (
        f'<button type="button" data-series="{entry.series}" aria-pressed="false">{swatch}{escape(entry.name)}</button>'
    )


def inline_svg(chart: Chart) -> str:
    """Return the chart's SVG for a page: themed, without size and legend, with unique ids and a label for readers."""
    svg = chart.svg[chart.svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<title>.*?</title>", "", svg, count=1, flags=re.S)
    if chart.legend_inches:
        svg = _without_group(svg, 'id="legend')
    svg = re.sub(
        r'<svg [^>]*?viewBox="0 0 (\S+) (\S+)"[^>]*>',
        lambda found: (
            f'<svg viewBox="0 0 {found[1]} {float(found[2]) - 72 * chart.legend_inches:.1f}" role="img" '
            f'aria-label="{escape(chart.title)}">'
        ),
        svg,
        count=1,
    )
    prefix = chart.name
    svg = re.sub(r'\bid="series-(\d+)-\d+"', r'data-series="\1"', svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    shades = properties()
    return re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda found: shades.get(found[0], found[0]), svg)


def _without_group(svg: str, mark: str) -> str:
    """Return the SVG without the group `<g …mark…>`, its inner groups included."""
    start = svg.rindex("<g ", 0, svg.index(mark))
    depth = 0
    for found in re.finditer(r"<g\b|</g>", svg[start:]):
        depth += 1 if found[0] == "<g" else -1
        if depth == 0:
            return svg[:start] + svg[start + found.end() :]
    raise AssertionError("a group without an end")
