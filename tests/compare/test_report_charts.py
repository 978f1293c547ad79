"""The report's charts in headless Chromium: isolated series, legends on a phone, ticks, what is cut off."""

from pathlib import Path
from typing import Any

import pytest

from embedlab.compare.__main__ import main
from tests.compare import synthetic
from tests.compare.pages import open_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 schemes with four seeds and position lenses, one of them far out and one with vanishing attention weights."""
    top = tmp_path_factory.mktemp("catalogue")
    for number in range(23):
        for seed in (1, 2, 3, 4):
            bits = 9.0 if number == 22 else 2.5 + number / 20 + seed / 300 + (seed * number % 3) / 400
            found = synthetic.results(f"scheme_{number:02}", seed, bits=bits, lens=True)
            if number == 3:
                layers = found["position_lens"]["weights"]
                found["position_lens"]["weights"] = [[[10.0**-i for i in range(64)]] * 4 for _ in layers]
            synthetic.write(top / f"{number}_{seed}", found)
    main([str(top)])
    return top / "comparison" / "report.html"


FIGURE = "figure:has(svg[aria-label='{}'])"
FAINT = """(figure, series) => [...figure.querySelectorAll('svg [data-series]')].map(part =>
    [part.dataset.series === series, Number(getComputedStyle(part).opacity)])"""


def shown_and_faint(figure: Any, series: str) -> tuple[set[float], set[float]]:
    """Return the opacities of this series' parts, and those of all others."""
    parts = figure.evaluate(FAINT, series)
    return {opacity for ours, opacity in parts if ours}, {opacity for ours, opacity in parts if not ours}


@pytest.mark.parametrize("chart", ["Validation loss over training", "Quality against training time"])
def test_pointing_at_a_legend_entry_isolates_a_series(browser: Any, catalogue: Path, chart: str) -> None:
    page, wrong = open_page(browser, catalogue, 1200, "light")
    figure = page.locator(FIGURE.format(chart))
    entry = figure.locator("button", has_text="scheme_02")
    series = entry.get_attribute("data-series")
    assert shown_and_faint(figure, series) == ({1}, {1})
    entry.hover()
    assert shown_and_faint(figure, series) == ({1}, {0.1})
    page.mouse.move(0, 0)
    assert shown_and_faint(figure, series) == ({1}, {1})
    assert wrong == []
    page.close()


def test_tapping_a_legend_entry_holds_a_series_and_a_second_tap_lets_go(browser: Any, catalogue: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(catalogue.as_uri())
    figure = page.locator(FIGURE.format("Loss by position in the window"))
    other = page.locator(FIGURE.format("Validation loss over training"))
    figure.locator("summary").click()
    for name in ("scheme_01", "scheme_17"):  # one with a colour, and a grey one
        entry = figure.locator("button", has_text=name)
        series = entry.get_attribute("data-series")
        entry.tap()
        assert shown_and_faint(figure, series) == ({1}, {0.1})
        assert entry.get_attribute("aria-pressed") == "true"
        assert figure.locator("button[aria-pressed=true]").count() == 1
        assert shown_and_faint(other, series) == ({1}, {1})
    entry.tap()
    assert shown_and_faint(figure, series) == ({1}, {1})
    context.close()


def test_the_page_works_without_its_script(browser: Any, catalogue: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(catalogue.as_uri())
    figure = page.locator(FIGURE.format("Validation loss over training"))
    assert figure.locator(".legend button").count() >= 22
    assert figure.locator(".legend").first.is_visible()
    figure.locator("button", has_text="scheme_02").hover()
    assert figure.get_attribute("class") == "card"
    context.close()


def test_the_legend_of_23_schemes_is_readable_on_a_phone(browser: Any, catalogue: Path) -> None:
    page, _ = open_page(browser, catalogue, 390, "light")
    figure = page.locator(FIGURE.format("Validation loss over training"))
    figure.locator("summary").click()
    found = figure.locator(".legend button").evaluate_all("""all => all.map(entry => ({
        name: entry.textContent, size: parseFloat(getComputedStyle(entry).fontSize),
        ...entry.getBoundingClientRect().toJSON()}))""")
    assert sorted(entry["name"][1:] for entry in found) == [f"scheme_{number:02}" for number in range(23)]
    for entry in found:
        assert entry["size"] >= 13 and entry["height"] >= 24 and entry["right"] <= 390
    for one in found:
        for two in found:
            apart = one["right"] <= two["left"] + 1 or two["right"] <= one["left"] + 1
            assert one is two or apart or one["bottom"] <= two["top"] + 1 or two["bottom"] <= one["top"] + 1
    page.close()


def test_attention_weights_have_tick_labels_and_an_outlier_a_mark(browser: Any, catalogue: Path) -> None:
    page, _ = open_page(browser, catalogue, 1200, "light")
    weights = page.locator(FIGURE.format("Position lens: mean attention weight"))
    ticks = weights.locator("svg g[id*=ytick] text").all_text_contents()
    assert len(ticks) >= 2 and all(float(tick) > 0 for tick in ticks)
    position = page.locator(FIGURE.format("Loss by position in the window"))
    assert "Cut off at the edge, where a triangle is: scheme_22 (up to" in position.locator("figcaption").text_content()
    largest = max(float(tick) for tick in position.locator("svg g[id*=ytick] text").all_text_contents())
    assert largest < 6  # the others reach 5.3 bits/byte, the far one 10
    pairs = page.locator(FIGURE.format("Which settings can be told apart?"))
    assert pairs.locator("svg g[id*=patch] path").count() >= 23 * 22 / 2  # a square for each pair
    page.close()
