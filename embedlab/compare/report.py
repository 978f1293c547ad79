"""report.html: one file that includes its style and charts, for light and dark themes, large screens and phones.

Everything that comes from a run passes `escape`. The charts are matplotlib's SVG with each colour replaced by a custom
property of the page, so the same drawing serves both themes.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from string import Template

from embedlab.compare.charts.frame import Chart
from embedlab.compare.charts.style import Style, css
from embedlab.compare.comparison import Comparison
from embedlab.compare.report_figures import render_figures
from embedlab.compare.report_table import render_ranking
from embedlab.compare.reproduction import reproduction
from embedlab.compare.rows import Group
from embedlab.compare.varying import format_value
from embedlab.compare.verdict import format_seeds, verdict
from embedlab.compare.wording import join_words

METHOD = (
    "A row is the mean over seeds, with the 95 % interval of Student’s t. Differences from the baseline are paired by "
    "seed if runs share seeds (the same data order and initial weights), otherwise tested by Welch’s test; p-values "
    "are corrected by Holm for the number of comparisons shown, so the probability of one or more false alarms among "
    "them is at most 5 %. All pairs of settings are tested in the same way, corrected for all pairs; settings that "
    "share a letter cannot be told apart. “Undecided” does not mean equal: it means that these seeds do not decide, "
    "and the report estimates how many more would, if the difference and spread seen so far are the true ones (80 % "
    "power). Intervals of differences are not corrected. An interval over seeds says what another seed would give on "
    "the same test text; the interval over seeds and text also covers other text of the same kind, of which the "
    "documents (or windows) of the test text are the sample."
)
MOST_LISTED = 400  # excluded runs on the page; all are in comparison.json


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
        parts += [
            *_answer(comparison, group),
            *render_ranking(comparison, group, styles),
            *render_figures(group, drawn),
        ]
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
        yield f"<p>{escape(rest[0])}</p>"
    if group.advice:
        yield "<dl>"
        for topic, found in groupby(group.advice, key=lambda advice: advice.topic):
            yield f"<dt>{escape(topic)}</dt>" + "".join(f"<dd>{escape(advice.sentence)}</dd>" for advice in found)
        yield "</dl>"
    if rest[1:]:
        summary = f"Each setting against {escape(group.baseline)}"
        yield f"<details><summary>{summary}</summary>{_sentences(rest[1:])}</details>"
    yield "</div></section>"


def _sentences(found: Sequence[str]) -> str:
    kinds = ["open" if "undecided" in sentence else "sure" for sentence in found]
    return "<ul>" + "".join(f'<li class="{k}">{escape(s)}</li>' for k, s in zip(kinds, found, strict=True)) + "</ul>"


def _warnings(comparison: Comparison) -> Iterator[str]:
    yield "<section><h2>What to know before you trust it</h2>"
    yield (
        _list(comparison.notes, "notes card") if comparison.notes else "<p>No warning: the runs were treated alike.</p>"
    )
    yield "</section>"


def _excluded(comparison: Comparison) -> Iterator[str]:
    if comparison.excluded:
        items = [f"{item.path} ({item.kind}): {item.reason}" for item in comparison.excluded[:MOST_LISTED]]
        if len(comparison.excluded) > MOST_LISTED:
            items.append(f"and {len(comparison.excluded) - MOST_LISTED} more, all in comparison.json")
        yield f"<section><h2>Excluded</h2>{_list(items, 'notes refused card')}</section>"


def _list(items: Iterable[str], kind: str) -> str:
    return f'<ul class="{kind}">' + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
