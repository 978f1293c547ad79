"""Tables of vectors as files that TensorBoard's projector opens at once. Imports neither torch nor Lightning.

What the projector (TensorBoard 2.21) does, and the remedy here:
- It reads a tensor as text first, and as raw float32 only if decoding fails. Bytes that happen to be valid UTF-8 (all
  zeros) would raise and disable the tab for every run: the first byte is set to 0xFF, which never occurs in UTF-8.
- Above 200 dimensions the page takes a random projection, slowly: PCA reduces tables to 200.
- Below 3 dimensions, or with NaN or Inf anywhere, it draws nothing: columns of zeros are added, bad numbers become 0.
- It rereads configs only when the set of runs changes: each snapshot is a separate run (a folder with an event file),
  and the event file is written last, when all other files are complete.
- `+ & # %` in a name break its URLs: `NAME` is what is allowed.
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
NEXT_POINT = "__seq_next__"  # the column with the row that the next line segment ends at

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """One entry of the projector's list of tensors."""

    name: str
    vectors: Vectors  # (rows, width)
    columns: Mapping[str, Sequence[object]]  # the first one holds the labels; each as long as the table
    views: bool = True  # whether PCA views in 3 and 2 dimensions are written too


def write_snapshot(folder: Path, tables: Sequence[Table], listed_at: float | None = None) -> list[Table]:
    """Write the tables, each with its PCA views, as one run of the projector; returns what was written.

    A table that cannot be drawn is repaired or excluded, with a warning in the log. The folder is created if needed.
    TensorBoard lists runs by `listed_at` (seconds since 1970; None: now), and the page opens with the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Table] = []
    entries: list[str] = []
    for table in filter(None, map(repair, tables)):
        labels = f"{len(written)}.tsv"
        _write(folder / labels, _tsv(table.columns))
        scatter = Scatter.of(table.vectors)
        for part in (reduce_width(table, scatter), *(views(table, scatter) if table.views else ())):
            tensor = f"{len(written)}.f32"
            numbers = np.ascontiguousarray(part.vectors, dtype="<f4")
            _write(folder / tensor, numbers, first_byte=b"\xff")  # changes one number by at most 255 ulp
            entries.append(_entry(part, tensor, labels))
            written.append(part)
    if written:
        _write(folder / "projector_config.pbtxt", "".join(entries).encode())
        _make_run(folder, time.time() if listed_at is None else listed_at)
    return written


def repair(table: Table) -> Table | None:
    """Return the table in a form that the page can draw, or None if there is none; logs a warning for any change."""
    vectors = np.asarray(table.vectors, dtype="<f4")
    assert NAME.fullmatch(table.name), f"{table.name!r} would break the page's addresses"
    assert vectors.ndim == 2
    assert all(len(column) == len(vectors) for column in table.columns.values())
    rows, width = vectors.shape
    if rows < 2 or width == 0:
        log.warning("projector: table %r excluded: %d rows of width %d show nothing", table.name, rows, width)
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
    """What PCA needs to know of a table (rows, width): computed once, used for all its views."""

    rows: int
    mean: Vectors  # (width,)
    about_mean: Vectors  # (width, width) sums of products of the centred rows

    @classmethod
    def of(cls, vectors: Vectors) -> "Scatter":
        """Compute the scatter of a table's rows."""
        mean = vectors.mean(axis=0)
        rest = vectors - mean
        return cls(len(vectors), mean, (rest.T @ rest).astype(np.float64))

    @property
    def about_origin(self) -> Vectors:
        return self.about_mean + self.rows * np.outer(self.mean, self.mean)

    def kept(self, axes: Vectors) -> float:
        """Return the share of the variance along orthonormal axes (width, any)."""
        total = max(float(np.trace(self.about_mean)), float(np.finfo(np.float32).tiny))
        return float(np.trace(axes.T @ self.about_mean @ axes)) / total


def reduce_width(table: Table, scatter: Scatter) -> Table:
    """Reduce a table wider than 200 to its 200 strongest principal axes through the origin.

    The axes pass through the origin, not the mean, so that cosines, by which the page finds neighbours, are kept.
    """
    width = table.vectors.shape[1]
    if width <= MOST_DIMENSIONS:
        return table
    axes = principal_axes(scatter.about_origin, MOST_DIMENSIONS)
    kept = scatter.kept(axes)
    log.debug(
        "projector: %r: PCA to %d of %d dimensions keeps %.4f of the variance", table.name, len(axes.T), width, kept
    )
    name = f"{table.name} {MOST_DIMENSIONS} of {width} (PCA keeps {kept:.2f})"
    return replace(table, name=name, vectors=table.vectors @ axes)


def views(table: Table, scatter: Scatter) -> list[Table]:
    """Return the table by PCA in 3 and in 2 dimensions; the page draws up to three columns as they are, at once."""
    axes = principal_axes(scatter.about_mean, 3)
    points = table.vectors @ axes - scatter.mean @ axes  # (rows, 3)
    flat = points * np.array([1, 1, 0], dtype=np.float32)
    return [
        replace(table, name=f"{table.name} {n}D (PCA keeps {scatter.kept(axes[:, :n]):.2f})", vectors=part)
        for n, part in ((3, points), (2, flat))
    ]


def principal_axes(scatter: Vectors, count: int) -> Vectors:
    """Return orthonormal eigenvectors, the largest eigenvalue first: (width, width) -> (width, count) float32."""
    return np.linalg.eigh(scatter)[1][:, ::-1][:, :count].astype(np.float32)


def _tsv(columns: Mapping[str, Sequence[object]]) -> bytes:
    """Encode the columns with a heading; a lone column gets row numbers, as TensorBoard expects no heading for one."""
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


def _write(path: Path, data: bytes | Vectors, first_byte: bytes = b"") -> None:
    """Write the file atomically, with its first bytes replaced by `first_byte`."""
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.frombuffer(data, dtype=np.uint8).tofile(file)  # a fifth of the time of file.write
        file.seek(0)
        file.write(first_byte)


def _make_run(folder: Path, listed_at: float) -> None:
    """Make the folder a run: TensorBoard takes a folder for one if it holds an event file."""
    if any(folder.glob("events.out.tfevents.*")):
        return
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    name = f"events.out.tfevents.{time.time():.0f}.{os.getpid()}.projector"
    with open(folder / name, "wb") as file:
        RecordWriter(file).write(Event(wall_time=listed_at, file_version="brain.Event:2").SerializeToString())
