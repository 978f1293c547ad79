"""The embedded corpus: Python's own documentation, out of the Python that runs, without network.

`pydoc_data.topics` (most of The Python Language Reference) and, module by module, the standard library's docstrings.
Both repeat themselves, so a paragraph that stood before, whatever its white space, is dropped: then no paragraph of the
validation or test text stands in the training text.
"""

import ast
import importlib
import inspect
import json
import logging
import platform
import re
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embedlab.config.errors import UserError
from embedlab.data.cache import cached

log = logging.getLogger(__name__)
RECIPE = 1  # raise it when the same Python would give another text
# Other people's code, tests, and what some systems install apart from Python.
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo"}
LEFT_OUT |= {"ensurepip", "pydoc_data", "lib-dynload", "__pycache__"}


def collected(folder: Path, docstrings: bool) -> Path:
    """The .jsonl file of the documentation below `folder`, collected at first use: one document a topic or module."""
    kind = "docs" if docstrings else "topics"
    kept = folder / f"python_{kind}-{platform.python_implementation()}-{platform.python_version()}-{RECIPE}"
    cached(kept, lambda new: _collect(new / "python_docs.jsonl", docstrings))
    return kept / "python_docs.jsonl"


def _collect(path: Path, docstrings: bool) -> dict[str, Any]:
    log.info("collecting the documentation of Python %s", platform.python_version())
    seen: set[str] = set()
    documents = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for name, text in [*_topics(), *(_docstrings() if docstrings else ())]:
            if fresh := "\n\n".join(new_paragraphs(text, seen)):
                file.write(json.dumps({"name": name, "text": fresh}, ensure_ascii=False) + "\n")
                documents += 1
    return {"documents": documents, "paragraphs": len(seen)}


def new_paragraphs(text: str, seen: set[str]) -> Iterator[str]:
    """The paragraphs (blocks between blank lines) that are not in `seen`, white space aside; adds them to it."""
    for paragraph in re.split(r"\n(?:[ \t\f\v]*\n)+", text):
        words = " ".join(paragraph.split())
        if words and words not in seen:
            seen.add(words)
            yield paragraph.strip("\n").rstrip()


def _topics() -> Iterator[tuple[str, str]]:
    try:
        topics = importlib.import_module("pydoc_data.topics").topics
    except ModuleNotFoundError as error:
        raise UserError(
            "corpus=python_docs: this Python comes without pydoc_data: install it, or give corpus=files corpus.path=…"
        ) from error
    yield from sorted(topics.items())


def _docstrings() -> Iterator[tuple[str, str]]:
    """(module's path, its docstrings in the order of the code) of the standard library, sorted by path."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if LEFT_OUT.isdisjoint(inside.parts) and not inside.parts[0].startswith("config-"):
            yield inside.as_posix(), "\n\n".join(_docstrings_of(path))


def _docstrings_of(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():  # old escapes in the library's strings
            warnings.simplefilter("ignore")
            with tokenize.open(path) as file:
                tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return  # templates and the like are no Python
    for body in _bodies(tree):
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            yield inspect.cleandoc(first.value.value).encode("utf-8", "ignore").decode()  # no lone surrogates


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Bodies of modules, classes and functions, each before what stands in it; expressions are not searched."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.body
    for block in ("body", "handlers", "orelse", "finalbody"):
        for child in getattr(node, block, ()):
            yield from _bodies(child)
