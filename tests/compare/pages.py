"""A report in a browser, and everything that goes wrong while it loads."""

from pathlib import Path
from typing import Any


def open_page(browser: Any, path: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
    """Open the page at this width and theme; return it and everything that went wrong while it loaded."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda request: wrong.append(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    return page, wrong
