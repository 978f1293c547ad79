"""report.html: one file that includes its style and charts, for light and dark themes, large screens and phones.

Everything that comes from a run passes `escape`. The charts are matplotlib's SVG with each colour replaced by a custom
property of the page, so the same drawing serves both themes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from string import Template

from embedlab.compare.charts.frame import Chart
from embedlab.compare.charts.style import Style, css, properties
from embedlab.compare.comparison import Comparison
from embedlab.compare.reproduction import reproduction
from embedlab.compare.rows import Group, Row
from embedlab.compare.varying import format_value
from embedlab.compare.verdict import (
    cells,
    decimals_for,
    format_interval,
    format_more_seeds,
    format_number,
    format_p,
    format_seeds,
    format_signed,
    headings,
    verdict,
)
from embedlab.compare.wording import join_words

MOST_ROWS = 400  # rows of a table on the page; all are in comparison.csv
METHOD = (
    "A row is the mean over seeds, with the 95 % interval of Student’s t. Differences from the baseline are paired by "
    "seed if runs share seeds (the same data order and initial weights), otherwise tested by Welch’s test; p-values "
    "are corrected by Holm for the number of comparisons shown, so the probability of one or more false alarms among "
    "them is at most 5 %. “Undecided” does not mean equal: it means that these seeds do not decide, and the report "
    "estimates how many more would, if the difference and spread seen so far are the true ones (80 % power). "
    "Intervals of differences are not corrected."
)
SENTENCES_SHOWN = 6  # more are folded


def render_page(
    comparison: Comparison,
    refused: Sequence[str],
    charts: Sequence[Sequence[Chart]],
    styles: dict[str, Style],
    command: str,
) -> str:
    """Return the whole report; `charts` has one list for each group."""
    schemes = list(dict.fromkeys(row.colour_key for row in comparison.rows))
    title = f"{join_words(schemes, 4)} compared"
    count = format_seeds(len({run.seed for run in comparison.runs}))
    parts = [
        *_question(comparison),
        *_refused(refused),
    ]
    for group, drawn in zip(comparison.groups, charts, strict=True):
        parts += [*_answer(comparison, group), *_ranking(comparison, group, styles), *_charts(group, drawn)]
    parts += [*_warnings(comparison), *reproduction(comparison.runs, command), *_excluded(comparison)]
    template = Template(files("embedlab.compare").joinpath("template.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(title),
        subtitle=escape(
            f"{len(comparison.runs)} runs · {len(comparison.rows)} settings · {count} · {comparison.metric.name}"
        ),
        light=css(dark=False),
        dark=css(dark=True),
        sections="\n".join(parts),
    )


def _question(comparison: Comparison) -> Iterator[str]:
    metric, runs = comparison.metric, comparison.runs
    best = "highest" if metric.higher_is_better else "lowest"
    unit = f" in {metric.unit}" if metric.unit else ""
    texts = join_words(sorted({format_value(run.settings["corpus"]) for run in runs}), 4)
    tokenizers = join_words(sorted({format_value(run.settings["tokenizer"]) for run in runs}), 4)
    yield "<section><h2>What was compared, and how</h2>"
    yield (
        f"<p>Which setting of <code>{escape(', '.join(comparison.by))}</code> gives the {best} "
        f"<code>{escape(metric.name)}</code>{unit}, and how sure is that? Text: {escape(texts)}. Tokenizer: "
        f"{escape(tokenizers)}.</p>"
    )
    yield f"<details><summary>How the numbers are computed</summary><p>{escape(METHOD)}</p></details></section>"


def _refused(refused: Sequence[str]) -> Iterator[str]:
    if refused:
        yield "<section><h2>Not ranked together</h2>" + _list(refused, "notes refused card") + "</section>"


def _answer(comparison: Comparison, group: Group) -> Iterator[str]:
    first, *rest = verdict(comparison, group)
    subtitle = f"<h3>{escape(group.title)}</h3>" if group.title else ""
    yield f'<section><h2>The answer</h2>{subtitle}<div class="card verdict"><p>{escape(first)}</p>'
    if rest:
        yield f"<p>{escape(rest[0])}</p>{_sentences(rest[1 : 1 + SENTENCES_SHOWN])}"
    if len(rest) > 1 + SENTENCES_SHOWN:
        yield f"<details><summary>All other settings</summary>{_sentences(rest[1 + SENTENCES_SHOWN :])}</details>"
    yield "</div></section>"


def _sentences(found: Sequence[str]) -> str:
    kinds = ["open" if "undecided" in sentence else "sure" for sentence in found]
    return "<ul>" + "".join(f'<li class="{k}">{escape(s)}</li>' for k, s in zip(kinds, found, strict=True)) + "</ul>"


def _ranking(comparison: Comparison, group: Group, styles: dict[str, Style]) -> Iterator[str]:
    columns = (
        *headings(comparison),
        f"mean ({comparison.metric.unit or comparison.metric.name})",
        "95 % interval",
        "seeds",
        f"Δ from {group.baseline}",
        "95 % interval of Δ",
        "p (Holm)",
        "more seeds",
        "parameters",
        "tokens/s",
        "memory",
    )
    yield "<section><h2>Ranking</h2>"
    yield '<div class="card scroll ranking" tabindex="0" role="region" aria-label="Ranking"><table>'
    yield "<thead><tr>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in columns) + "</tr></thead><tbody>"
    shades = properties()
    for row in group.rows[:MOST_ROWS]:
        dot = f'<span class="dot" style="background:{shades[styles[row.colour_key].colour]}"></span>'
        first, *rest = cells(row)
        name = f"<b>{escape(first)}</b>" if row.decided else escape(first)
        figures = "".join(f"<td>{escape(cell)}</td>" for cell in (*rest, *_figures(row)))
        yield f"<tr{' class=base' if row.is_baseline else ''}><td>{dot}{name}</td>{figures}</tr>"
    yield "</tbody></table></div>"
    if len(group.rows) > MOST_ROWS:
        yield f"<p>The best {MOST_ROWS} of {len(group.rows)} rows; all are in comparison.csv.</p>"
    yield "<p>Bold: the difference is beyond chance at 5 %, corrected for all comparisons.</p></section>"


def _figures(row: Row) -> list[str]:
    places, gap = decimals_for(row.mean.mean), row.difference
    size, speed, memory = (
        row.average(*keys) for keys in (("parameters", "total"), ("tokens_per_second",), ("peak_memory_bytes",))
    )
    return [
        f"{row.mean.mean:,.{places}f}",
        format_interval(row.mean.low, row.mean.high, places),
        str(row.mean.n) + (f" (−{row.without_number})" if row.without_number else ""),
        format_signed(gap.mean, places) if gap else "–",
        format_interval(gap.low, gap.high, places) if gap else "–",
        format_p(row.p),
        format_more_seeds(row) or "–",
        "–" if size is None else format_number(size, 3),
        "–" if speed is None else format_number(speed, 3),
        "–" if memory is None else f"{memory / 2**20:,.0f} MiB",
    ]


def _charts(group: Group, charts: Sequence[Chart]) -> Iterator[str]:
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


def _warnings(comparison: Comparison) -> Iterator[str]:
    yield "<section><h2>What to know before you trust it</h2>"
    yield (
        _list(comparison.notes, "notes card") if comparison.notes else "<p>No warning: the runs were treated alike.</p>"
    )
    yield "</section>"


def _excluded(comparison: Comparison) -> Iterator[str]:
    if comparison.excluded:
        items = [f"{item.path} ({item.kind}): {item.reason}" for item in comparison.excluded[:MOST_ROWS]]
        if len(comparison.excluded) > MOST_ROWS:
            items.append(f"and {len(comparison.excluded) - MOST_ROWS} more, all in comparison.json")
        yield f"<section><h2>Excluded</h2>{_list(items, 'notes refused card')}</section>"


def _list(items: Iterable[str], kind: str) -> str:
    return f'<ul class="{kind}">' + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
