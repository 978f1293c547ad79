"""The section of report.html on how to reproduce it: the commands of the report and of the runs, and their versions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from embedlab import __version__
from embedlab.compare.finished_run import Run, clean

MOST_COMMANDS = 200


def reproduction(runs: Sequence[Run], command: str) -> Iterator[str]:
    """Yield the HTML of this section; `command` is the one that made the report."""
    yield "<section><h2>How to reproduce it</h2>"
    yield f'<pre class="card" tabindex="0">{escape(clean(command, 10_000))}</pre>'
    commands = list(dict.fromkeys(text for run in runs if (text := run.text("command", most=10_000))))
    if commands:
        shown = "\n".join(commands[:MOST_COMMANDS])
        rest = f"\n… and {len(commands) - MOST_COMMANDS} more" if len(commands) > MOST_COMMANDS else ""
        yield (
            f"<details><summary>{len(commands)} commands that made the runs</summary>"
            f'<pre class="card" tabindex="0">{escape(shown + rest)}</pre></details>'
        )
    found: Counter[tuple[tuple[str, str], ...]] = Counter()
    for run in runs:
        versions = run.part("versions")
        versions = versions if isinstance(versions, dict) else {}
        named = [(clean(name, 80), run.text("versions", name)) for name in sorted(versions)]
        git = [("commit", run.text("git", "commit")[:12])] if run.text("git", "commit") else []
        found[(*((name, text) for name, text in named if text), *git)] += 1
    yield '<div class="card scroll" tabindex="0" role="region" aria-label="Versions"><table>'
    yield '<thead><tr><th scope="col">versions</th><th scope="col">runs</th></tr></thead><tbody>'
    for versions, count in found.most_common(20):
        words = ", ".join(f"{name} {text}" for name, text in versions) or "not recorded"
        yield f'<tr><td style="white-space:normal">{escape(words)}</td><td>{count}</td></tr>'
    yield f"</tbody></table></div><p>Report by embedlab {__version__}.</p></section>"
