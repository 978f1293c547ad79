"""The figures of report.html: matplotlib's SVG with each colour replaced by a custom property of the page."""

import re
from collections.abc import Iterator, Sequence
from html import escape

from embedlab.compare.charts.frame import Chart
from embedlab.compare.charts.style import properties
from embedlab.compare.rows import Group


def render_figures(group: Group, charts: Sequence[Chart]) -> Iterator[str]:
    """Yield the section with the figures of one group."""
    if not charts:
        return
    subtitle = f"<h3>{escape(group.title)}</h3>" if group.title else ""
    yield f'<section><h2>Figures</h2>{subtitle}<div class="charts">'
    for chart in charts:
        yield (f'<figure class="card">{inline_svg(chart)}<figcaption>{escape(chart.about)}</figcaption></figure>')
    yield "</div></section>"


def inline_svg(chart: Chart) -> str:
    """Return the chart's SVG for a page: themed, without a size, with unique ids and a label for screen readers."""
    svg = chart.svg[chart.svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<title>.*?</title>", "", svg, count=1, flags=re.S)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        lambda found: f'<svg viewBox="{found[1]}" role="img" aria-label="{escape(chart.title)}">',
        svg,
        count=1,
    )
    prefix = chart.name
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    shades = properties()
    return re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda found: shades.get(found[0], found[0]), svg)
