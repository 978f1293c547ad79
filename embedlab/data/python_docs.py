"""The built-in corpus: the documentation of the running Python, read without network.

It holds `pydoc_data.topics` (most of The Python Language Reference) and, module by module, the docstrings of the
standard library. Both repeat themselves. A paragraph that occurred before, with any white space, is therefore dropped,
so that no paragraph of the validation or test text occurs in the training text.
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
from embedlab.data.cache import load_or_build

log = logging.getLogger(__name__)
RECIPE = 1  # increase it when a change here gives another text for the same Python
# Third-party code, tests, and modules that some systems package apart from Python.
EXCLUDED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo"}
EXCLUDED |= {"ensurepip", "pydoc_data", "lib-dynload", "__pycache__"}


def collect(folder: Path, docstrings: bool) -> Path:
    """Return the .jsonl file of the documentation below `folder`, written at first use."""
    kind = "docs" if docstrings else "topics"
    kept = folder / f"python_{kind}-{platform.python_implementation()}-{platform.python_version()}-{RECIPE}"
    load_or_build(kept, lambda new: _write(new / "python_docs.jsonl", docstrings))
    return kept / "python_docs.jsonl"


def _write(path: Path, docstrings: bool) -> dict[str, Any]:
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
    """Yield paragraphs (blocks between blank lines) that are not in `seen`, ignoring white space; add them to it."""
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
            "corpus=python_docs: this Python has no pydoc_data: install it, or give corpus=files corpus.path=…"
        ) from error
    yield from sorted(topics.items())


def _docstrings() -> Iterator[tuple[str, str]]:
    """Yield (module path, its docstrings in the order of the code) for the standard library, sorted by path."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if EXCLUDED.isdisjoint(inside.parts) and not inside.parts[0].startswith("config-"):
            yield inside.as_posix(), "\n\n".join(_docstrings_of(path))


def _docstrings_of(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():  # of invalid escapes in old strings
            warnings.simplefilter("ignore")
            with tokenize.open(path) as file:
                tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return  # templates and similar files are not Python
    for body in _bodies(tree):
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            yield inspect.cleandoc(first.value.value).encode("utf-8", "ignore").decode()  # no lone surrogates


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the bodies of modules, classes and functions, outer before inner; expressions are not searched."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.body
    for block in ("body", "handlers", "orelse", "finalbody"):
        for child in getattr(node, block, ()):
            yield from _bodies(child)
