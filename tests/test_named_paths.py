"""All files exist that comments, docstrings and messages of the package, of conf/, the tests and the pages name."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = sorted(
    [
        *ROOT.glob("embedlab/**/*.py"),
        *ROOT.glob("conf/**/*.yaml"),
        *ROOT.glob("tests/**/*.py"),
        *ROOT.glob("docs/*.md"),
        ROOT / "README.md",
        ROOT / "train.py",
        ROOT / "pyproject.toml",
    ]
)
# With a folder, or a document of the repository; names without a folder are mostly files that runs write.
PATH = re.compile(r"(?<![\w./{}-])((?:[\w.-]+/)+[\w-]+\.(?:py|yaml|md|toml|html|txt)|[A-Z]{4,}(?:\.md)?(?='s| |\.md))")
MODULE = re.compile(r'(?<![\w./])(?<!getLogger\(")embedlab(?:\.[a-z_]+)+')
OF_RUNS = (".hydra/", "checkpoints/", "outputs/", "tmp_path/")  # written by runs and tests
OF_USERS = ("données/té.txt", "位置/文本.txt")  # in a table of docs/field-reports.md
ELSEWHERE = ("embedlab.conf", "embedlab.settings")  # conf/ as it is installed; a module of version 0.2.0
DOCUMENTS = {"README", "LICENSE", "DESIGN", "FACTS", "CHANGELOG", "CONTRIBUTING"}


def missing(text: str, beside: Path = ROOT) -> list[str]:
    """Return the paths and modules named in the text of a file in `beside` that are not in the repository."""
    found = []
    for path in PATH.findall(text):
        if "/" not in path and path.removesuffix(".md") not in DOCUMENTS:
            continue  # a constant or an acronym
        folders = (beside, ROOT, ROOT / "embedlab", ROOT / "conf")
        exists = any((folder / path).exists() or (folder / f"{path}.md").exists() for folder in folders)
        if not exists and not path.startswith(OF_RUNS) and path not in OF_USERS and "NAME" not in path:
            found.append(path)
    for module in MODULE.findall(text):
        if module in ELSEWHERE or module.startswith(tuple(f"{name}." for name in ELSEWHERE)):
            continue
        parts = module.split(".")
        bases = [ROOT.joinpath(*parts[:end]) for end in range(len(parts), 0, -1)]
        base, depth = next((base, len(parts) - at) for at, base in enumerate(bases) if is_module(base))
        rest = parts[depth:]  # what the module must define
        source = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
        if rest and not re.search(rf"\b{rest[0]}\b", source.read_text(encoding="utf-8")):
            found.append(module)
    return found


def is_module(base: Path) -> bool:
    return base.with_suffix(".py").exists() or (base / "__init__.py").exists()


def prose(path: Path) -> str:
    """Return the text to check: of a test only comments and docstrings, because its strings name invented files."""
    text = path.read_text(encoding="utf-8")
    if not path.is_relative_to(ROOT / "tests"):
        return text
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join([*docstrings, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_named_file_exists(path: Path) -> None:
    assert missing(prose(path), path.parent) == []


def test_missing_paths_are_found() -> None:
    assert missing("DESIGN's contract; see conf/callbacks/tensorboard.yaml, embedlab.gone.further, embedlab.cli") == [
        "DESIGN",
        "conf/callbacks/tensorboard.yaml",
        "embedlab.gone.further",
    ]
    assert missing("embedlab.config.gone, embedlab.conf.trainer") == ["embedlab.config.gone"]
    assert missing("conf/config.yaml, README.md, positions/rotary.py, .hydra/config.yaml, embedlab.cli.main") == []
