"""Cache folders: complete or absent, checked, rebuilt, shared by processes."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedlab.config.errors import UserError
from embedlab.data.cache import load_or_build


def build(folder: Path) -> dict:
    (folder / "data").write_text("content")
    return {"n": 7}


def fail(folder: Path) -> dict:
    raise AssertionError("built again")


def damage_flip(folder):
    (folder / "data").write_text("Content")


def damage_truncate(folder):
    (folder / "data").write_text("cont")


def damage_remove(folder):
    (folder / "data").unlink()


def damage_meta(folder):
    (folder / "meta.json").write_text('{"files": {')


def damage_meta_kind(folder):
    (folder / "meta.json").write_text("[]")


def damage_no_meta(folder):
    (folder / "meta.json").unlink()


def test_a_folder_is_built_once(tmp_path):
    assert load_or_build(tmp_path / "a" / "b", build) == {"n": 7}
    assert load_or_build(tmp_path / "a" / "b", fail) == {"n": 7}
    assert sorted(p.name for p in (tmp_path / "a").iterdir() if p.is_dir()) == ["b"]


@pytest.mark.parametrize(
    "damage", [damage_flip, damage_truncate, damage_remove, damage_meta, damage_meta_kind, damage_no_meta]
)
def test_a_damaged_folder_is_rebuilt(tmp_path, caplog, damage):
    load_or_build(tmp_path / "b", build)
    damage(tmp_path / "b")
    with caplog.at_level(logging.WARNING, "embedlab.data"):
        assert load_or_build(tmp_path / "b", build) == {"n": 7}
    assert caplog.text.count("is damaged") == 1
    assert (tmp_path / "b" / "data").read_text() == "content"
    assert load_or_build(tmp_path / "b", fail) == {"n": 7}


@pytest.mark.parametrize("foreign", ["b/notes.txt", "b/below/data", "b"])
def test_files_of_others_are_never_removed(tmp_path, foreign):
    if foreign != "b":
        load_or_build(tmp_path / "b", build)
        damage_flip(tmp_path / "b")
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).write_text("mine")
    (tmp_path / "b.tmp2").mkdir()
    with pytest.raises(UserError, match=r"the cache needs \S+b, where embedlab did not write \w+\S*: move it away"):
        load_or_build(tmp_path / "b", build)
    assert (tmp_path / foreign).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["b", "b.tmp2"][foreign == "b" :]


def test_a_linked_folder_of_others_is_never_emptied(tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "data").write_text("mine")
    (tmp_path / "b").symlink_to(tmp_path / "foreign")
    with pytest.raises(UserError, match="where embedlab did not write b"):
        load_or_build(tmp_path / "b", build)
    assert (tmp_path / "foreign" / "data").read_text() == "mine"


def test_a_failed_build_leaves_nothing(tmp_path):
    def half(folder):
        (folder / "data").write_text("con")
        raise UserError("bad corpus")

    with pytest.raises(UserError, match="bad corpus"):
        load_or_build(tmp_path / "b", half)
    assert [p for p in tmp_path.iterdir() if p.is_dir()] == []
    assert load_or_build(tmp_path / "b", build) == {"n": 7}


def test_a_full_disk_is_one_message(tmp_path):
    def full(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\): give another cache_dir"):
        load_or_build(tmp_path / "b", full)


def test_an_unwritable_cache_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"the cache \S+file/x cannot be written \(Not a directory\): give another"):
        load_or_build(tmp_path / "file" / "x" / "b", build)


SCRIPT = """
import sys, time
from pathlib import Path
from embedlab.data.cache import load_or_build
def build(folder):
    with open(Path(sys.argv[1]).parent / "log", "a") as log:
        log.write("built\\n")
    (folder / "half").write_text("x")
    (folder / "data").write_text("con")
    print("half", flush=True)
    time.sleep(float(sys.argv[2]))
    (folder / "data").write_text("content")
    return {"n": 7}
print(load_or_build(Path(sys.argv[1]), build))
"""


def start(folder: Path, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-c", SCRIPT, str(folder), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_concurrent_processes_build_once(tmp_path):
    running = [start(tmp_path / "b", 0.5) for _ in range(4)]
    ends = [process.communicate(timeout=60) for process in running]
    assert [err for _, err in ends] == [""] * 4
    assert all(out.endswith("{'n': 7}\n") for out, _ in ends)
    assert (tmp_path / "log").read_text() == "built\n"


def test_a_killed_builder_leaves_no_folder_and_no_lock(tmp_path):
    victim = start(tmp_path / "b", 60)
    assert victim.stdout.readline() == "half\n"
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert not (tmp_path / "b").exists()
    begin = time.monotonic()
    assert load_or_build(tmp_path / "b", build) == {"n": 7}
    assert time.monotonic() - begin < 5, "the dead process still held the lock"
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["b"]
    assert sorted(os.listdir(tmp_path / "b")) == ["data", "meta.json"]
    assert json.loads((tmp_path / "b" / "meta.json").read_text())["info"] == {"n": 7}
