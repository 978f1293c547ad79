"""Recognise the files that a run of embedlab wrote; no other file is deleted or overwritten. Imports no torch.

A run's folder holds the marker `.embedlab`, which is written only if the folder held no other files before. Its first
line names embedlab; each process that trains there adds one line with its host, pid and start. TensorBoard puts the
same host and pid into the names of its event files, so that the files of other programs in the folder are recognised.

Runs of embedlab 0.2.0 have no marker: they are recognised by a checkpoint or a results.json that only embedlab writes.
"""

import json
import os
import re
import socket
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from embedlab.config.errors import UserError
from embedlab.runs.view_failures import LOG

ERROR = "error.txt"
RUNNING = ".running"  # pid of the process that works on the job; a killed process leaves it behind
LOCK = ".lock"
MARK = ".embedlab"
MADE_BY = {"made_by": "embedlab, a run's folder"}
CHECKPOINT_MADE_BY = {"made_by": "embedlab, a run's checkpoint"}
HYDRA = ".hydra"
OUR_HYDRA = b"embedlab.cli.CheckOutputFolder"  # in every run's .hydra/hydra.yaml
SWEEP = "multirun.yaml"  # Hydra's record of a sweep, in the folder above its jobs
BEGUN = {HYDRA, LOCK, RUNNING, ERROR, "train.log"}  # all that is left by a run that fails before it trains
EVENTS = "tensorboard"
EVENT_FILE = re.compile(r"events\.out\.tfevents\.(?P<time>\d+)\.((?P<host>.+)\.)?(?P<pid>\d+)(\.\d+|\.projector)")
SNAPSHOT_FILE = re.compile(r"\d+\.(tsv|f32)(\.part)?|projector_config\.pbtxt(\.part)?")
CHECKPOINTS = ("best.ckpt", "last.ckpt", "previous.ckpt")
SECONDS = 2  # by which the clock of a file system or another library may lag behind


def check_folder(folder: Path) -> None:
    """Raise UserError if the folder holds files that no run of embedlab wrote. Write nothing."""
    if names := find_foreign_files(folder):
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise UserError(
            f"{folder} holds files that no run of embedlab wrote ({shown}): give a new or an empty folder, "
            "as hydra.run.dir=FOLDER, or sweep_name=NAME for a sweep"
        )


def check_sweep(folder: Path) -> None:
    """Raise UserError if the sweep's folder holds a multirun.yaml of another program. Jobs have their own folders."""
    path = folder / SWEEP
    if path.exists() and OUR_HYDRA not in path.read_bytes():
        raise UserError(f"{path} belongs to another program, and a sweep would overwrite it: give sweep_name=ANOTHER")


def check_checkpoint(path: Path, folder: Path) -> None:
    """Raise UserError if `path` is a file outside the run's `folder` that no run wrote (see callbacks.best.dirpath).

    Every run puts CHECKPOINT_MADE_BY into its checkpoints.
    """
    inside = Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))
    if not inside and path.exists() and not _holds(path, CHECKPOINT_MADE_BY["made_by"].encode()):
        raise UserError(
            f"{path} was not written by a run of embedlab, and a checkpoint would overwrite it: give another "
            "callbacks.best.dirpath or callbacks.best.filename"
        )


def find_foreign_files(folder: Path) -> list[str]:
    """Return the names of files that no run wrote; [] if the folder is missing, empty or a run's own.

    In a run's own folder, files that the user added later are not counted.
    """
    if not folder.is_dir() or is_marked(folder) or _is_older_run(folder):
        return []
    names = {path.name for path in folder.iterdir()}
    with suppress(OSError):
        if OUR_HYDRA in (folder / HYDRA / "hydra.yaml").read_bytes():
            names -= BEGUN
    return sorted(names)


def is_marked(folder: Path) -> bool:
    """Whether the folder has the marker of a run of embedlab."""
    lines = _marker_lines(folder)
    return bool(lines) and lines[0] == MADE_BY


def claim(folder: Path, checked: bool = False) -> None:
    """Mark the folder as a run's. Raises UserError if it holds files that no run wrote.

    A command that has `checked` the folder before Hydra wrote its log there need not prove that the log is its own.
    """
    if not checked:
        check_folder(folder)
    if not is_marked(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).write_text(json.dumps(MADE_BY) + "\n", encoding="utf-8")


def note_process(folder: Path) -> None:
    """Add this process to the marker, before it writes anything, so that its event files belong to the run."""
    claim(folder)
    about = {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
    with open(folder / MARK, "a", encoding="utf-8") as file:
        file.write(json.dumps(about) + "\n")


def was_started(folder: Path) -> bool:
    """Whether an earlier process began to train in the folder."""
    return bool(_processes(folder))


def own_events(folder: Path) -> Iterator[Path]:
    """Yield the TensorBoard event files below the folder that a process of the run wrote."""
    processes = _processes(folder)
    for path in sorted(folder.joinpath(EVENTS).rglob("events.out.tfevents.*")):
        if (name := EVENT_FILE.fullmatch(path.name)) and any(_wrote(process, name) for process in processes):
            yield path


def own_history(folder: Path) -> Iterator[Path]:
    """Yield all files that training writes: metrics.csv, checkpoints, event files, the projector's snapshots."""
    if not is_marked(folder):
        return
    yield folder / "metrics.csv"
    yield folder / LOG
    for name in CHECKPOINTS:
        yield from (folder / "checkpoints" / name, folder / "checkpoints" / f".{name}.part")
    yield from own_events(folder)
    for path in sorted(folder.joinpath(EVENTS, "projector").glob("*/*")):
        if SNAPSHOT_FILE.fullmatch(path.name):
            yield path


def _wrote(process: dict[str, Any], name: re.Match[str]) -> bool:
    """Whether the name of an event file shows that the process wrote it."""
    return (
        name["pid"] == str(process["pid"])
        and name["host"] in (process["host"], None)  # the projector's event files name no host
        and int(name["time"]) >= process["time"] - SECONDS
    )


def _processes(folder: Path) -> list[dict[str, Any]]:
    return [line for line in _marker_lines(folder) if {"host", "pid", "time"} <= set(line)]


def _marker_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the marker's lines without one that a kill cut off."""
    lines = []
    with suppress(OSError, UnicodeDecodeError):
        for line in (folder / MARK).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                if isinstance(about := json.loads(line), dict):
                    lines.append(about)
    return lines


def _is_older_run(folder: Path) -> bool:
    """Whether the folder holds results or a checkpoint of embedlab 0.2.0."""
    with suppress(OSError, ValueError):
        if {"config", "position", "parameters", "cautions"} <= set(json.loads((folder / "results.json").read_bytes())):
            return True
    return any(_is_checkpoint(folder / "checkpoints" / name) for name in ("last.ckpt", "previous.ckpt"))


def _is_checkpoint(path: Path) -> bool:
    """Whether the file is a checkpoint that embedlab can resume from."""
    return _holds(path, b"embedlab", b"event_sizes")


def _holds(path: Path, *texts: bytes) -> bool:
    """Whether the file is a checkpoint that holds the texts. Reads its pickle as bytes: no code runs."""
    with suppress(OSError, zipfile.BadZipFile, NotImplementedError), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith("data.pkl"):
                content = archive.read(name)
                return all(text in content for text in texts)
    return False
