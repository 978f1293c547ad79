"""Text of someone else's results.json (a name, a caution, a command) is only shown: nothing acts on it."""

import csv
import logging
import logging.config
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from omegaconf import OmegaConf
from tensorboard.plugin_util import markdown_to_safe_html

from embedlab.compare.__main__ import FINE, PARTLY, main
from embedlab.runs.escaping import FORMULA, NUMBER, csv_cell, markdown, one_line, printable, visible
from embedlab.sweep import summary
from embedlab.tensorboard.hparams import hyperparameters
from embedlab.tensorboard.markdown import code, table
from embedlab.tensorboard.projector_files import Table, write_snapshot
from embedlab.training.summary import print_summary
from embedlab.training.whole_config import register
from tests.compare import synthetic
from tests.conftest import ROOT
from tests.tensorboard.test_markdown import Cells

ANY = st.text(st.characters())  # lone surrogates included
EVIL = "\x1b[31mred\x1b[0m\u202e<script>alert(1)</script>|`x`[a](http://b.c)\r\nb\x07 =1+1 @all ~~c~~ &lt;i&gt; [bold]d"


def acting(text: str) -> set[str]:
    """Return characters that act on a terminal: controls except newline and tab, direction marks, lone surrogates."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t\u200c\u200d"}


@given(ANY)
def test_nothing_acts_on_a_terminal(text: str) -> None:
    assert not acting(printable(text))
    assert not acting(one_line(text))
    assert not {"\n", "\t"} & set(one_line(text))


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_plain_text_is_unchanged(text: str) -> None:
    assert printable(text) == one_line(text) == visible(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_bytes_that_python_could_not_decode_are_read_as_utf8(text: str) -> None:
    undecoded = text.encode().decode("ascii", "surrogateescape")  # as the locale C gives an argument
    assert printable(undecoded) == printable(text)


@given(ANY)
@settings(max_examples=300)
def test_any_text_fits_in_a_cell_of_markdown(text: str) -> None:
    cell = markdown(text)
    # GitHub would make a link of the bare address, unless an odd number of backslashes is in front of it.
    assert not re.search(r"(?<!\\)(\\\\)*://|www\.", cell, re.I)
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(f"| {cell} |\n|---|\n| x{cell}x |\n")
    assert set(re.findall(r"</?(\w+)", page)) <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert Cells(page).cells[-1].split() == f"x{one_line(text)}x".split()


@given(ANY | st.floats().map(str) | st.integers().map(str))
def test_no_cell_of_a_spreadsheet_is_a_formula(text: str) -> None:
    cell = csv_cell(text)
    assert cell in (text, "'" + text)
    assert cell[:1] not in FORMULA or NUMBER.fullmatch(cell)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_stay_numbers(number: float) -> None:
    assert csv_cell(number) == number
    assert csv_cell(str(number)) == str(number)


@given(st.lists(ANY, min_size=2, max_size=2))
def test_any_text_fits_in_a_cell_of_tensorboards_table(texts: list[str]) -> None:
    page = Cells(markdown_to_safe_html(table(("one", "two"), [[f"x{text}x" for text in texts]])))
    assert page.cells == ["one", "two", *(visible(f"x{text}x") for text in texts)]


@given(st.lists(ANY, min_size=1, max_size=3))
def test_any_text_is_a_block_of_code(lines: list[str]) -> None:
    text = "\n".join(f"x{line}x" for line in lines)
    page = Cells(markdown_to_safe_html(code(text))).text.strip("\n")
    assert page == "\n".join(visible(line) for line in text.splitlines())


@given(st.lists(st.tuples(ANY, ANY), min_size=3, max_size=3))
@settings(max_examples=30)
def test_labels_of_the_projector_stay_in_their_cells(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("projector")
    first, second = zip(*rows, strict=True)
    write_snapshot(folder, [Table("tokens", np.eye(3, dtype=np.float32), {"a\tb": first, "c": second}, views=False)])
    lines = (folder / "0.tsv").read_text(encoding="utf-8").split("\n")
    assert lines == ["a␉b\tc", *(f"{visible(a)}\t{visible(b)}" for a, b in rows), ""]


def evil_run(folder: Path, seed: int, scheme: str = EVIL) -> Path:
    """Write a finished run in which every text that a report shows is EVIL."""
    found: dict[str, Any] = synthetic.results("none", seed)
    found["position"] = found["config"]["position"]["name"] = scheme
    found["config"]["corpus"]["name"] = found["corpus"]["name"] = EVIL
    found["config"]["tokenizer"]["name"] = EVIL
    found["config"]["optimizer"][EVIL] = f"-{seed % 2}{EVIL}"
    found["cautions"], found["command"] = [EVIL], EVIL
    found["versions"] = {"embedlab": EVIL, "torch": f"{EVIL}{seed}", EVIL: EVIL}
    found["git"] = {"commit": EVIL, "dirty": True}
    for entry in found["extrapolation"]:
        entry["note"] = EVIL
    return synthetic.write(folder, found)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("evil")
    for seed in (1, 2):
        evil_run(top / f"a{seed}", seed)
        evil_run(top / f"b{seed}", seed, f"={EVIL}")
    failed = synthetic.write(top / "failed", {"error": EVIL})
    assert failed.is_dir()
    return top


def test_a_comparison_of_someone_elses_runs(evil: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(evil), "--by", "position.name"]) == PARTLY
    out, err = capsys.readouterr()
    assert "script" in out and "excluded (failed)" in err
    assert not acting(out + err)
    folder = evil / "comparison"
    draft = (folder / "comparison.md").read_text(encoding="utf-8")
    assert not acting(draft)
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(draft)
    assert set(re.findall(r"</?(\w+)", page)) <= {"p", "table", "thead", "tbody", "tr", "th", "td", "strong"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;|`x`[a](http://b.c)" in page
    with open(folder / "comparison.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert len(rows) == 2
    for cell in (*header, *(cell for row in rows for cell in row)):
        assert cell[:1] not in FORMULA or NUMBER.fullmatch(cell), cell
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert report.count("<script") == 1  # the page's own, which isolates a series
    assert "<script>alert" not in report
    assert not acting(report)


def test_a_metric_whose_name_comes_from_a_run(tmp_path: Path) -> None:
    for seed in (1, 2):
        found = synthetic.results("none", seed)
        found["test"]["=a|b<i>"] = 1.0 + seed
        synthetic.write(tmp_path / f"{seed}", found)
    assert main([str(tmp_path), "--metric", "test.=a|b<i>", "--output", str(tmp_path / "out")]) == FINE
    assert r"| test.=a\|b\<i\> |" in (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")


def test_the_tables_at_a_runs_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = synthetic.results("none", 1) | {"cautions": [EVIL], "position": EVIL, "corpus": {"name": "[red]x[/red]"}}
    print_summary(found, tmp_path)
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out.replace("\n", " ") and "[bold]d" in out
    assert not acting(out)


def test_a_log_and_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names and errors of jobs pass through the formatters of conf/config.yaml."""
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("config", return_hydra_config=True)
    cfg.hydra.job_logging.handlers.file.filename = str(tmp_path / "train.log")
    cfg.hydra.job.name = "train"
    before = [(logger, logger.handlers[:], logger.level) for logger in (logging.root, logging.getLogger("embedlab"))]
    try:
        for part in ("job_logging", "hydra_logging"):
            logging.config.dictConfig(OmegaConf.to_container(cfg.hydra[part], resolve=True))

            class Failed:
                outcome, reason, folder = "failed", EVIL, tmp_path

                def __str__(self) -> str:
                    return f"job — {EVIL}"

            summary.show_jobs([Failed()], tmp_path)
            out = capsys.readouterr().out
            assert "failed: �[31mred" in out and "job — " in out
            assert not acting(out)
    finally:
        for logger, handlers, level in before:
            for handler in set(logger.handlers) - set(handlers):
                handler.close()
            logger.handlers[:], logger.level = handlers, level
    log = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert "job — �[31mred" in log
    assert not acting(log)


def test_hparams_take_any_text(make_config: Any) -> None:
    config = make_config("position=none", r"corpus.name='a\b'")
    config.corpus.name = EVIL + "\udce9"
    assert hyperparameters(config)["corpus.name"] == visible(EVIL + "\udce9")
