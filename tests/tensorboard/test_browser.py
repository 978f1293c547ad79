"""What a person sees of a run, in headless Chromium: the projector's points and labels, HParams, later snapshots."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from embedlab.config.groups import TokenizerConfig
from embedlab.data import token_labels
from embedlab.data.tokenizer import load_tokenizer
from embedlab.tensorboard.projector_files import Table, write_snapshot
from tests import browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing())),
]
ROOT = Path(__file__).parents[2]
SMALL = ["corpus=files", "corpus.path=text.txt", "tokenizer=bytes", "model.n_heads=2", "data.context_length=16",
         "data.max_eval_tokens=256", "evaluation.max_tokens=256"]  # fmt: skip


def train(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """Run the command in `folder`, where text.txt holds some English."""
    (folder / "text.txt").write_text((ROOT / "embedlab" / "positions" / "__init__.py").read_text() * 4)
    environment = os.environ | {"EMBEDLAB_CACHE": str(folder / "cache")}
    with (folder / "out.txt").open("ab") as out:
        command = [sys.executable, str(ROOT / "train.py"), *overrides]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)


def finish(folder: Path, *overrides: str) -> Path:
    assert train(folder, *overrides).wait() == 0, (folder / "out.txt").read_text()[-2000:]
    return folder / "outputs"


def errors(frame: object) -> list[str]:
    """Return the text of the page's error dialog."""
    return [message.inner_text() for message in frame.query_selector_all(".notify-msg.error")]


def test_default_run_in_the_projector(tmp_path: Path) -> None:
    """This is the default run with two steps; its tables have their full size."""
    outputs = finish(tmp_path, "trainer.max_steps=2", "data.max_eval_tokens=512", "evaluation.max_tokens=512")
    (checkpoint,) = outputs.glob("**/last.ckpt")
    weight = torch.load(checkpoint, weights_only=True)["state_dict"]["model.tokens.weight"].numpy()
    tokenizer = load_tokenizer(TokenizerConfig("gpt2", None), tmp_path / "cache")
    with browser.tensorboard(outputs) as address, browser.browser_page() as page:
        frame = browser.open_projector(page, address)
        counts = int(frame.inner_text("span.numDataPoints")), int(frame.inner_text("span.dim"))
        rows = frame.evaluate(
            f"() => {{ {browser.FIND_PROJECTOR} return projector.dataSet.points.map((p) => p.metadata) }}"
        )
        (run, *others) = json.loads(browser.get(f"{address}/data/plugin/projector/runs"))
        served = frame.evaluate(
            """async (run) => {
              const info = await (await fetch('info?run=' + encodeURIComponent(run))).json();
              const name = info.embeddings[0].tensorName;
              const query = 'tensor?run=' + encodeURIComponent(run) + '&name=' + encodeURIComponent(name);
              return [name, info.embeddings[0].tensorShape,
                      Array.from(new Float32Array(await (await fetch(query)).arrayBuffer()))];
            }""",
            run,
        )
        assert errors(frame) == []
    name, shape, numbers = served
    assert run.endswith("/projector/end")
    assert [other.rsplit("/", 1)[1] for other in others] == ["start"]
    assert name.startswith("tokens 200 of 256 (PCA keeps 0.")
    assert counts == (len(rows), 200) == tuple(shape)
    assert len(rows) > 5000  # distinct tokens of the default corpus

    # each label is the text of its row's token, and no other row has it
    assert [row["token"] for row in rows] == [token_labels.token_label(tokenizer, row["id"]) for row in rows]
    assert [token_labels.raw(row["token"]) for row in rows] == [tokenizer.token_bytes(row["id"]) for row in rows]
    assert len({row["token"] for row in rows}) == len(rows)

    # each row's vector is that token's, rotated: one rotation maps all rows of the checkpoint to the shown ones
    table, shown = weight[[row["id"] for row in rows]], np.array(numbers, dtype=np.float32).reshape(shape)
    turn = np.linalg.lstsq(table, shown, rcond=None)[0]
    np.testing.assert_allclose(table @ turn, shown, atol=1e-4 * np.abs(shown).max())
    np.testing.assert_allclose(turn.T @ turn, np.eye(200), atol=1e-3)


def test_sweep_in_hparams_with_a_killed_run(tmp_path: Path) -> None:
    outputs = finish(tmp_path, "-m", "position=none,learned,shaw", "model.embedding_dim=8,16", "trainer.max_steps=4",
                     "trainer.val_check_interval=2", *SMALL)  # fmt: skip
    process = train(tmp_path, "trainer.max_steps=1000000", "model.embedding_dim=8", "position=alibi", *SMALL)
    browser.wait("a seventh run", lambda: [*outputs.glob("runs/**/projector/start/events*")])
    process.kill()
    process.wait()
    with browser.tensorboard(outputs) as address, browser.browser_page(width=2600) as page:
        browser.wait("all runs", lambda: len(json.loads(browser.get(f"{address}/data/runs"))) >= 20)
        page.goto(f"{address}/#hparams")
        table = browser.wait("seven rows", lambda: hparams_table(page, 7))
        page.get_by_text("PARALLEL COORDINATES VIEW").click()
        browser.wait("the parallel coordinates", lambda: page.locator("svg path").count() >= 6)
    heading, *rows = table
    shown = [dict(zip(heading, row, strict=True)) for row in rows]
    ended = [row for row in shown if row["position"] != "alibi"]
    assert sorted((row["position"], float(row["model.embedding_dim"])) for row in ended) == [
        (name, width) for name in ("learned", "none", "shaw") for width in (8, 16)
    ]
    results = {
        (found["position"], float(found["config"]["model"]["embedding_dim"])): found["test"]
        for found in (json.loads(path.read_text()) for path in outputs.glob("sweeps/**/results.json"))
    }
    for row in ended:
        scores = results[row["position"], float(row["model.embedding_dim"])]
        assert float(row["best/test_loss"]) == pytest.approx(scores["loss"], rel=1e-3)
        assert float(row["best/test_bits_per_byte"]) == pytest.approx(scores["bits_per_byte"], rel=1e-3)
    (killed,) = (row for row in shown if row["position"] == "alibi")
    assert killed["best/test_loss"] == ""


def hparams_table(page: object, n_rows: int) -> list[list[str]]:
    """Return the heading and the rows of the table view, once it has that many rows."""
    lines = page.evaluate(
        """() => {
          const find = (root) => [...root.querySelectorAll('*')].flatMap((element) =>
            element.tagName == 'VAADIN-GRID' ? [element] : element.shadowRoot ? find(element.shadowRoot) : []);
          const text = (cell) => cell.querySelector('slot').assignedNodes()[0].innerText.trim().replaceAll('\\n', '');
          return [...find(document)[0].shadowRoot.querySelectorAll('thead tr, tbody tr')].map((row) =>
            [...row.querySelectorAll('th, td')].filter((cell) => cell.clientWidth > 0).map(text));
        }"""
    )
    table = [line for line in lines if any(line)]
    assert len(table) == n_rows + 1, f"{len(table)} lines"
    return table


def test_a_later_snapshot_appears(tmp_path: Path) -> None:
    table = Table("later", np.eye(12, 5, dtype=np.float32), {"name": [f"point {i}" for i in range(12)]})
    write_snapshot(tmp_path / "run" / "first", [table])
    with browser.tensorboard(tmp_path) as address, browser.browser_page() as page:
        frame = browser.open_projector(page, address)
        assert frame.inner_text("span.numDataPoints") == "12"
        runs = f"{address}/data/plugin/projector/runs"
        assert json.loads(browser.get(runs)) == ["run/first"]
        second = Table("later", np.eye(17, 5, dtype=np.float32), {"name": [f"point {i}" for i in range(17)]})
        write_snapshot(tmp_path / "run" / "second", [second], listed_at=1.0)  # before the first, so it is shown
        browser.wait("the second snapshot", lambda: len(json.loads(browser.get(runs))) == 2)
        frame = browser.open_projector(page, address)
        assert frame.inner_text("span.numDataPoints") == "17"
        assert errors(frame) == []
