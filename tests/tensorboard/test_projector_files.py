"""Snapshots as TensorBoard's projector plugin reads them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from werkzeug.test import Client

from embedlab.tensorboard.projector_files import MOST_DIMENSIONS, Scatter, Table, reduce_width, views, write_snapshot


class Server:
    """TensorBoard's projector plugin for a folder, in this process."""

    def __init__(self, logdir: Path) -> None:
        self.logdir = logdir
        self.multiplexer = plugin_event_multiplexer.EventMultiplexer()
        provider = data_provider.MultiplexerDataProvider(self.multiplexer, str(logdir))
        self.apps = ProjectorPlugin(TBContext(logdir=str(logdir), data_provider=provider)).get_plugin_apps()

    def get(self, route: str, **query: str) -> bytes:
        self.multiplexer.AddRunsFromDirectory(str(self.logdir)).Reload()
        answer = Client(self.apps[route]).get(query_string=query, headers={"Accept-Encoding": "identity"})
        assert answer.status_code == 200, answer.text
        return answer.data

    def runs(self) -> list[str]:
        return json.loads(self.get("/runs"))

    def tensors(self, run: str) -> dict[str, np.ndarray]:
        found = {}
        for entry in json.loads(self.get("/info", run=run))["embeddings"]:
            data = self.get("/tensor", run=run, name=entry["tensorName"])
            found[entry["tensorName"]] = np.frombuffer(data, "<f4").reshape(entry["tensorShape"])
        return found


def table(vectors: np.ndarray, name: str = "tokens", **settings: bool) -> Table:
    columns = {"token": [f"t{i}" for i in range(len(vectors))], "rank": range(len(vectors))}
    return Table(name, vectors.astype(np.float32), columns, **settings)


def random(rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)


def test_the_server_sends_what_was_written(tmp_path: Path) -> None:
    vectors = random(50, 8)
    write_snapshot(tmp_path / "run" / "step_0", [table(vectors)])
    server = Server(tmp_path)
    assert server.runs() == ["run/step_0"]
    tensors = server.tensors("run/step_0")
    assert [name.split(" (")[0] for name in tensors] == ["tokens", "tokens 3D", "tokens 2D"]
    np.testing.assert_allclose(tensors["tokens"], vectors, rtol=255 * 2**-23)
    rows = server.get("/metadata", run="run/step_0", name="tokens").decode().split("\n")
    assert rows == ["token\trank", *(f"t{i}\t{i}" for i in range(50)), ""]


def test_a_running_server_finds_a_later_snapshot(tmp_path: Path) -> None:
    server = Server(tmp_path)
    assert server.runs() == []
    for step in range(2):
        write_snapshot(tmp_path / f"step_{step}", [table(random(9, 4))])
        assert sorted(server.runs()) == [f"step_{i}" for i in range(step + 1)]


@pytest.mark.parametrize(
    ("vectors", "warning"),
    [
        (np.zeros((5, 4)), "all zeros"),
        (np.full((5, 4), 0.5), None),
        (np.array([[1, 2, np.nan], [3, 4, 5], [np.inf, 0, -np.inf]]), "2 of 3 rows of table 'tokens' hold NaN or Inf"),
        (np.arange(6).reshape(6, 1), "width 1"),
        (np.arange(6).reshape(3, 2), "width 2"),
        (np.ones((1, 4)), "excluded"),
        (np.ones((4, 0)), "excluded"),
        (np.frombuffer(b"abc\n" * 12, "<f4").reshape(3, 4), None),  # bytes that are text
    ],
)
def test_a_bad_table_breaks_nothing(
    tmp_path: Path, vectors: np.ndarray, warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        written = write_snapshot(tmp_path / "s", [table(vectors), table(random(9, 4), "good", views=False)])
    messages = list(caplog.messages)  # TensorBoard's server logs more if an earlier test left INFO on
    assert [t.name for t in written][-1] == "good"
    tensors = Server(tmp_path).tensors("s")
    assert list(tensors) == [t.name for t in written]
    assert all(np.isfinite(t).all() and t.shape[1] >= 3 and len(t) >= 2 for t in tensors.values())
    assert bool(messages) == (warning is not None)
    assert warning is None or warning in messages[0]


def test_no_tables_make_no_folder(tmp_path: Path) -> None:
    assert write_snapshot(tmp_path / "s", [table(np.ones((1, 4)))]) == []
    assert Server(tmp_path).runs() == []


def test_a_second_snapshot_replaces_the_first(tmp_path: Path) -> None:
    for size in (9, 7):
        write_snapshot(tmp_path / "s", [table(random(size, 4))])
    assert Server(tmp_path).tensors("s")["tokens"].shape == (7, 4)
    assert len([*tmp_path.glob("s/events*")]) == 1
    assert not [*tmp_path.glob("s/.*")]


def test_reduced_keeps_dot_products_and_returns_the_share_it_keeps() -> None:
    basis = np.linalg.qr(random(300, 300))[0][:, :150]  # 150 directions in 300 dimensions: nothing may be lost
    vectors = random(400, 150) @ basis.T + 3 * basis[:, 0]
    small = reduce_width(table(vectors), Scatter.of(vectors))
    assert small.name == "tokens 200 of 300 (PCA keeps 1.00)"
    assert small.vectors.shape == (400, MOST_DIMENSIONS)
    np.testing.assert_allclose(small.vectors @ small.vectors.T, vectors @ vectors.T, atol=2e-3)
    noise = table(random(2000, 300))
    kept = reduce_width(noise, Scatter.of(noise.vectors))
    share = kept.vectors.var(axis=0).sum() / noise.vectors.var(axis=0).sum()
    assert 0.66 < share < 0.85  # more than 200 / 300, being the largest
    assert kept.name.endswith(f"(PCA keeps {share:.2f})")


def test_views_are_principal_components() -> None:
    vectors = random(100, 6) * [1, 5, 2, 3, 0.1, 4] + 7
    three, two = views(table(vectors), Scatter.of(vectors))
    centred = vectors - vectors.mean(axis=0)
    expected = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(three.vectors), np.abs(expected.U * expected.S)[:, :3], atol=1e-3)
    assert (two.vectors == three.vectors * [1, 1, 0]).all()
    shares = np.cumsum(expected.S**2) / np.sum(expected.S**2)
    assert [three.name, two.name] == [f"tokens {n}D (PCA keeps {shares[n - 1]:.2f})" for n in (3, 2)]


def test_a_name_that_would_break_the_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="would break"):
        write_snapshot(tmp_path, [table(random(9, 4), "a&b")])
