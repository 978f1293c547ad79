"""report.html in headless Chromium: no request, no error, every chart drawn, on a phone and in the dark theme."""

import re
from pathlib import Path
from typing import Any

import pytest

from embedlab.compare.__main__ import main
from tests.compare import synthetic
from tests.compare.pages import open_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Schemes at three widths with position lenses, one scheme with a hostile name, one broken run, long paths."""
    top = tmp_path_factory.mktemp("report")
    for dim in (16, 64, 256):
        synthetic.sweep(top / "dims", ["none", "rotary", "alibi", "learned"], dim=dim, lens=True)
    odd = synthetic.results("none", 1, dim=64)
    odd["position"] = odd["config"]["position"]["name"] = "<script>alert(1)</script>" + "x" * 60
    odd["cautions"] = ["<img src=http://example.org/x.png onerror=alert(2)>"]
    synthetic.write(top / "odd", odd)
    (top / ("long" * 40)).mkdir()
    (top / ("long" * 40) / "results.json").write_text("{")
    main([str(top)])
    return top / "comparison" / "report.html"


@pytest.fixture(scope="module")
def hundreds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 settings, each of another scheme."""
    top = tmp_path_factory.mktemp("hundreds")
    for number in range(120):
        synthetic.write(top / str(number), synthetic.results(f"scheme_{number:03}", 1, bits=2 + number / 100))
    main([str(top)])
    return top / "comparison" / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("which", ["report", "hundreds"])
def test_makes_no_request_and_draws_every_chart(
    browser: Any, request: pytest.FixtureRequest, which: str, width: int, scheme: str
) -> None:
    path = request.getfixturevalue(which)
    page, wrong = open_page(browser, path, width, scheme)
    boxes = page.eval_on_selector_all("figure svg", "all => all.map(svg => svg.getBoundingClientRect().toJSON())")
    assert len(boxes) == len(list((path.parent / "figures").glob("*.svg"))) >= 8
    for box in boxes:
        assert box["width"] > 250
        assert box["height"] > 100
        assert box["right"] <= width
    drawn = page.eval_on_selector_all("figure svg", "all => all.map(svg => svg.querySelectorAll('path, use').length)")
    assert min(drawn) > 4
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # the page does not scroll sideways
    ids = page.eval_on_selector_all("[id]", "all => all.map(node => node.id)")
    assert len(ids) == len(set(ids))
    assert wrong == []
    page.close()


def test_text_in_charts_is_large_enough_on_a_phone(browser: Any, report: Path) -> None:
    page, _ = open_page(browser, report, 390, "light")
    heights = page.eval_on_selector_all("figure svg text", "all => all.map(t => t.getBoundingClientRect().height)")
    assert min(heights) > 8
    page.close()


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_page_and_charts_has_contrast(browser: Any, report: Path, scheme: str) -> None:
    """All text has a contrast of at least 4.5 (WCAG AA) with the card or page behind it."""
    page, _ = open_page(browser, report, 1200, scheme)
    pairs = page.evaluate("""() => {
        const behind = node => {
            for (; node; node = node.parentElement) {
                const colour = getComputedStyle(node).backgroundColor;
                if (colour !== 'rgba(0, 0, 0, 0)' && !colour.startsWith('color(')) return colour;
            }
        };
        const html = [...document.querySelectorAll('h1, h2, p, td, th, li, figcaption, summary, pre')];
        const svg = [...document.querySelectorAll('figure svg text')];
        return [...html.map(n => [getComputedStyle(n).color, behind(n), n.textContent]),
                ...svg.map(n => [getComputedStyle(n).fill, behind(n), n.textContent])];
    }""")
    assert len(pairs) > 200
    for ink, paper, text in pairs:
        dark, light = sorted((luminance(ink), luminance(paper)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper, text)
    assert (luminance(pairs[0][1]) < 0.1) == (scheme == "dark")
    page.close()


def test_a_scheme_has_one_colour_in_table_and_charts(browser: Any, report: Path) -> None:
    """Dots of the table and lines of two charts: the colours of rotary and alibi, the best two schemes."""
    page, _ = open_page(browser, report, 1200, "dark")
    dots = page.evaluate("""() => Object.fromEntries([...document.querySelectorAll('.ranking tbody tr')].map(row =>
        [row.cells[0].textContent.trim(), getComputedStyle(row.querySelector('.dot')).backgroundColor]))""")
    lines = page.evaluate("""() => [...document.querySelectorAll('figure svg')].map(svg => new Set(
        [...svg.querySelectorAll('path')].map(path => getComputedStyle(path).stroke))).map(set => [...set])""")
    titles = page.eval_on_selector_all("figure svg", "all => all.map(svg => svg.getAttribute('aria-label'))")
    charts = dict(zip(titles, lines, strict=True))
    for chart in ("Validation loss over training", "Quality against parameters"):
        for scheme in ("rotary", "alibi"):
            assert dots[scheme] in charts[chart]
    page.close()
