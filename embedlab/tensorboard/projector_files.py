"""Tables of vectors as files that TensorBoard's projector opens at once. Needs numpy only, neither torch nor Lightning.

What the projector (TensorBoard 2.21) does, and what is therefore done here:
- It reads a tensor as text first and as raw float32 only when that fails to decode, so bytes that happen to be UTF-8
  (all zeros) would raise and turn the tab off for every run: the first byte is made 0xFF, which no UTF-8 has.
- Above 200 dimensions the page takes a random projection, slowly: PCA brings tables down to 200.
- Below 3 dimensions, or with NaN or Inf anywhere, it draws nothing: columns of zeros are added, bad numbers become 0.
- It reads configs again only when the set of runs changes: each snapshot is a run (folder with an event file) of its
  own, and the event file is written last, when all else is in place.
- `+ & # %` in a name break its addresses: `NAME` says what is allowed.
"""

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedlab.runs.atomic_write import atomic_path
from embedlab.runs.escaping import tsv_cell

Vectors = NDArray[np.float32]

MOST_DIMENSIONS = 200
NAME = re.compile(r"[\w .,=()-]+", re.ASCII)
NEXT_POINT = "__seq_next__"  # a column of this name holds the row that a line leads to

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """One entry of the projector's list of tensors."""

    name: str
    vectors: Vectors  # (rows, width)
    columns: Mapping[str, Sequence[object]]  # the first one holds the labels; each as long as the table
    views: bool = True  # whether ready pictures in 3 and 2 dimensions stand beside it


def write_snapshot(folder: Path, tables: Sequence[Table], listed_at: float | None = None) -> list[Table]:
    """Write the tables as one run of the projector, each with its ready views; returns what was written.

    A table that cannot be drawn is repaired or left out, with a warning in the log; the folder is made where needed.
    TensorBoard lists runs by `listed_at` (seconds since 1970; None: now), and the page opens with the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Table] = []
    entries: list[str] = []
    for table in filter(None, map(repaired, tables)):
        labels = f"{len(written)}.tsv"
        _replace(folder / labels, _tsv(table.columns))
        scatter = Scatter.of(table.vectors)
        for part in (reduced(table, scatter), *(views(table, scatter) if table.views else ())):
            tensor = f"{len(written)}.f32"
            _replace(
                folder / tensor, np.ascontiguousarray(part.vectors, dtype="<f4"), first_byte=b"\xff"
            )  # at most 255 ulp of one number
            entries.append(_entry(part, tensor, labels))
            written.append(part)
    if written:
        _replace(folder / "projector_config.pbtxt", "".join(entries).encode())
        _make_run(folder, time.time() if listed_at is None else listed_at)
    return written


def repaired(table: Table) -> Table | None:
    """The table as the page can draw it, or None; a warning tells of either."""
    vectors = np.asarray(table.vectors, dtype="<f4")
    assert NAME.fullmatch(table.name), f"{table.name!r} would break the page's addresses"
    assert vectors.ndim == 2
    assert all(len(column) == len(vectors) for column in table.columns.values())
    rows, width = vectors.shape
    if rows < 2 or width == 0:
        log.warning("projector: table %r left out: %d rows of width %d show nothing", table.name, rows, width)
        return None
    finite = np.isfinite(vectors)
    if not finite.all():
        bad = rows - int(finite.all(axis=1).sum())
        log.warning("projector: %d of %d rows of table %r hold NaN or Inf, shown as 0", bad, rows, table.name)
        vectors = np.where(finite, vectors, np.float32(0))
    if not vectors.any():
        log.warning("projector: table %r is all zeros: one point", table.name)
    if width < 3:
        log.warning("projector: table %r has width %d: zeros added, the page draws from 3 on", table.name, width)
        vectors = np.pad(vectors, ((0, 0), (0, 3 - width)))
    return replace(table, vectors=vectors)


class Scatter(NamedTuple):
    """What PCA needs of a table (rows, width): computed once, used for all its pictures."""

    rows: int
    mean: Vectors  # (width,)
    about_mean: Vectors  # (width, width) sums of products of what is left without the mean

    @classmethod
    def of(cls, vectors: Vectors) -> "Scatter":
        mean = vectors.mean(axis=0)
        rest = vectors - mean
        return cls(len(vectors), mean, (rest.T @ rest).astype(np.float64))

    @property
    def about_origin(self) -> Vectors:
        return self.about_mean + self.rows * np.outer(self.mean, self.mean)

    def kept(self, axes: Vectors) -> float:
        """Share of the variance that lies along orthonormal axes (width, any)."""
        total = max(float(np.trace(self.about_mean)), float(np.finfo(np.float32).tiny))
        return float(np.trace(axes.T @ self.about_mean @ axes)) / total


def reduced(table: Table, scatter: Scatter) -> Table:
    """The table turned to its principal axes through the origin and cut to the 200 strongest, where it is wider.

    Turned about the origin, not about the mean: so cosines, by which the page looks for neighbours, stay as they are.
    """
    width = table.vectors.shape[1]
    if width <= MOST_DIMENSIONS:
        return table
    axes = strongest(scatter.about_origin, MOST_DIMENSIONS)
    kept = scatter.kept(axes)
    log.debug(
        "projector: %r: PCA to %d of %d dimensions keeps %.4f of the variance", table.name, len(axes.T), width, kept
    )
    name = f"{table.name} {MOST_DIMENSIONS} of {width} (PCA keeps {kept:.2f})"
    return replace(table, name=name, vectors=table.vectors @ axes)


def views(table: Table, scatter: Scatter) -> list[Table]:
    """PCA in 3 and in 2 dimensions: three columns or fewer are drawn as they are, at once."""
    axes = strongest(scatter.about_mean, 3)
    points = table.vectors @ axes - scatter.mean @ axes  # (rows, 3)
    flat = points * np.array([1, 1, 0], dtype=np.float32)
    return [
        replace(table, name=f"{table.name} {n}D (PCA keeps {scatter.kept(axes[:, :n]):.2f})", vectors=part)
        for n, part in ((3, points), (2, flat))
    ]


def strongest(scatter: Vectors, count: int) -> Vectors:
    """(width, width) -> (width, count) float32: orthonormal eigenvectors, the largest eigenvalue first."""
    return np.linalg.eigh(scatter)[1][:, ::-1][:, :count].astype(np.float32)


def _tsv(columns: Mapping[str, Sequence[object]]) -> bytes:
    """One column would go without its heading (a TensorBoard rule), so a lone one gets its row number beside it."""
    if len(columns) == 1:
        columns = {**columns, "row": range(len(next(iter(columns.values()))))}
    cells = [map(tsv_cell, column) for column in columns.values()]
    return "".join(["\t".join(row) + "\n" for row in (map(tsv_cell, columns), *zip(*cells, strict=True))]).encode()


def _entry(table: Table, tensor: str, labels: str) -> str:
    rows, width = table.vectors.shape
    return (
        f'embeddings {{\n  tensor_name: "{table.name}"\n  tensor_path: "{tensor}"\n  metadata_path: "{labels}"\n'
        f"  tensor_shape: {rows}\n  tensor_shape: {width}\n}}\n"
    )


def _replace(path: Path, data: bytes | Vectors, first_byte: bytes = b"") -> None:
    """Nobody ever reads half a file."""
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.frombuffer(data, dtype=np.uint8).tofile(file)  # a fifth of the time of file.write
        file.seek(0)
        file.write(first_byte)


def _make_run(folder: Path, listed_at: float) -> None:
    """TensorBoard takes a folder for a run when it holds an event file."""
    if any(folder.glob("events.out.tfevents.*")):
        return
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    name = f"events.out.tfevents.{time.time():.0f}.{os.getpid()}.projector"
    with open(folder / name, "wb") as file:
        RecordWriter(file).write(Event(wall_time=listed_at, file_version="brain.Event:2").SerializeToString())
