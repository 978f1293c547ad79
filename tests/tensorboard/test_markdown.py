"""Markdown as TensorBoard's Text tab shows it: with the same library."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tensorboard.plugin_util import markdown_to_safe_html

from embedlab.tensorboard.markdown import code, table

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1).map(
    lambda text: text.strip() or "."
)


class Cells(HTMLParser):
    """All cells of a page's tables, as text; and the page's whole text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells and data.strip("\n"):
            self.cells[-1] += data


@given(st.lists(TEXT, min_size=4, max_size=4))
def test_any_text_fits_in_one_cell(texts: list[str]) -> None:
    page = Cells(markdown_to_safe_html(table(("one", "two"), [texts[:2], texts[2:]])))
    assert page.cells == ["one", "two", *texts]


def test_code_is_shown_as_it_is() -> None:
    text = "model:\n  name: '*a* <b> `c` |d|'"
    assert Cells(markdown_to_safe_html(code(text))).text.strip() == text
