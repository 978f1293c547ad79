"""Names of job folders, and the state of the job that a folder shows."""

import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from embedlab.config.errors import UserError
from embedlab.config.overrides import format_value
from embedlab.config.tree import Config
from embedlab.distributed.launcher import device_count
from embedlab.runs.folder import (
    OTHER_SWEEP,
    FolderInUseError,
    job_folder,
    lock_folder,
    read_finished,
    was_killed,
    write_error,
)

MakeConfig = Callable[..., Config]


@given(st.text(max_size=400))
def test_a_name_is_safe_for_tensorboard_and_file_systems(overrides: str) -> None:
    name = job_folder(overrides)
    assert re.fullmatch(r"[A-Za-z0-9_,=-][A-Za-z0-9._,=-]*", name)
    assert len(name.encode()) <= 140


@given(st.text(max_size=300), st.text(max_size=300))
def test_different_overrides_get_different_names(one: str, other: str) -> None:
    assert (job_folder(one) == job_folder(other)) == (one == other) or {one, other} == {"", "default"}


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\\\'${}"), max_size=30))
def test_hydras_grammar_reads_any_text_back(text: str) -> None:
    override = OverridesParser.create().parse_override(f"key={format_value(text)}")
    assert OmegaConf.create({"key": override.value()}).key == text


def test_hydras_grammar_reads_any_value_back() -> None:
    value = ["it's", {"name": "stripes", "file": "a\\b,c=[d] ${e}.py", "scale": 1.5, "on": None, "off": False}, []]
    override = OverridesParser.create().parse_override(f"key={format_value(value)}")
    assert OmegaConf.to_container(OmegaConf.create({"key": override.value()}).key, resolve=True) == value


def test_plain_overrides_are_the_name() -> None:
    assert job_folder("position=rotary,seed=1") == "position=rotary,seed=1"
    assert job_folder("corpus.path=a+b&c#d%e").startswith("corpus.path=a_b_c_d_e-")
    assert len({job_folder("x" * 300 + end) for end in "ab"}) == 2


def test_a_finished_job_must_have_had_the_same_settings(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config("position=none")
    assert read_finished(tmp_path, config, OTHER_SWEEP) is None
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"config": asdict(config)}))
    assert read_finished(tmp_path, config, OTHER_SWEEP) is not None
    elsewhere = make_config("position=none", "run_dir=/moved", "cache_dir=/other")
    assert read_finished(tmp_path, elsewhere, OTHER_SWEEP) is not None
    with pytest.raises(UserError, match=r"other settings \(optimizer\.lr=0\.002, now 0\.01\): give sweep_name="):
        read_finished(tmp_path, make_config("position=none", "optimizer.lr=0.01"), OTHER_SWEEP)
    path.write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        read_finished(tmp_path, config, OTHER_SWEEP)


def hold_and_die(folder: Path) -> None:
    with lock_folder(folder, wait=False):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_lock_is_released_when_its_process_ends(tmp_path: Path) -> None:
    with lock_folder(tmp_path, wait=False):
        assert not was_killed(tmp_path)
        with pytest.raises(FolderInUseError), lock_folder(tmp_path, wait=False):
            pass
    assert not was_killed(tmp_path)
    process = multiprocessing.get_context("fork").Process(target=hold_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert was_killed(tmp_path)
    with lock_folder(tmp_path, wait=False):
        pass
    assert not was_killed(tmp_path)


def hold_and_leave_a_child(folder: Path) -> None:
    with lock_folder(folder, wait=False):
        if os.fork() == 0:  # like a loader's process, which outlives its parent by up to five seconds
            time.sleep(1)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_children_of_a_killed_process_hold_no_lock(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=hold_and_leave_a_child, args=(tmp_path,))
    process.start()
    process.join()
    with lock_folder(tmp_path, wait=False):
        pass


def test_an_error_is_reported_in_one_line_and_in_full(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError("first\nsecond")
    assert write_error(tmp_path, raised.value) == "RuntimeError: first"
    assert "Traceback" in (tmp_path / "error.txt").read_text()
    assert write_error(tmp_path, UserError("seed=x: give a number")) == "seed=x: give a number"
    assert (tmp_path / "error.txt").read_text() == "seed=x: give a number\n"


def test_device_count(make_config: MakeConfig) -> None:
    assert device_count(make_config()) == 1
    assert device_count(make_config("trainer=ddp", "trainer.devices=4")) == 4
    assert device_count(make_config("trainer=ddp", "trainer.devices=[0,2]")) == 2
    with pytest.raises(UserError, match=r"trainer\.devices=auto is not a number"):
        device_count(make_config("trainer=ddp", "trainer.devices=auto"))
