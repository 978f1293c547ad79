"""Each test that docs/field-reports.md names exists."""

import re

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "field-reports.md"
TESTS = sorted(ROOT.glob("tests/**/test_*.py"))


def missing(text: str) -> list[str]:
    """Return the files and functions of tests that the text names and the repository lacks."""
    functions = {name for path in TESTS for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.M)}
    files = {path.relative_to(ROOT).as_posix() for path in TESTS}
    named_files = re.findall(r"`((?:tests/)?[\w/]*test_\w+\.py)", text)
    named_functions = re.findall(r"::(test_\w+)", text)
    lost = [name for name in named_files if name not in files and f"tests/field/{name}" not in files]
    return lost + [name for name in named_functions if name not in functions]


def test_named_tests_exist() -> None:
    assert missing(PAGE.read_text("utf-8")) == []


def test_missing_tests_are_found() -> None:
    assert missing("`test_gone.py`, `::test_gone`, `test_texts.py::test_named_tests_exist`") == [
        "test_gone.py",
        "test_gone",
    ]
