"""The README's and the tutorial's blocks, run in order as a reader would, each page in a folder of its own.

Not run here: the lines that install, which .ci/run pastes into a fresh environment (test_installing_lines).
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import README, TUTORIAL, Block, blocks

NEWEST = "outputs/runs/DATE/TIME"  # how the pages write the folder of a reader's newest run
CTRL_C = "# press Ctrl-C"
SHORT = (  # the README's commands are for real text and a real vocabulary: here each trains two steps
    "trainer.max_steps=2 trainer.val_check_interval=2 data.batch_size=2 data.max_eval_tokens=128 "
    "evaluation.max_tokens=64 evaluation.order_windows=2 callbacks.projector=null callbacks.figures=null"
)
TRAIN = re.compile(r"^python train\.py( -m)?", re.MULTILINE)


def installs(block: Block) -> bool:
    return block.language == "bash" and "pip install" in block.text


def shortened(text: str) -> str:
    """Train two steps; what a line itself sets comes later and so stays."""
    return TRAIN.sub(rf"python train.py\1 {SHORT}", text)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("page", "change"), [(README, shortened), (TUTORIAL, str)], ids=["README", "tutorial"])
def test_every_block(page: Path, change: Callable[[str], str], tmp_path: Path) -> None:
    for name in ("train.py", "embedlab", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for block in blocks(page):
        if block.language == "text" or installs(block):
            continue
        print(f"--- {page.name}:{block.line}")
        if block.language == "bash":
            run_shell(change(block.text), tmp_path)
        else:
            assert block.language == "python"
            run_python(block, tmp_path)


def run_python(block: Block, folder: Path) -> None:
    """Save a block that names its file; run any other."""
    if block.file:
        (folder / block.file).write_text(block.text, encoding="utf-8")
    else:
        finish(["python", "-c", block.text], folder)


def run_shell(text: str, folder: Path) -> None:
    runs = sorted(folder.glob("outputs/runs/*/*"))
    text = text.replace(NEWEST, str(runs[-1].relative_to(folder)) if runs else NEWEST)
    if CTRL_C in text:
        interrupt(text, folder)
    elif text.startswith("tensorboard"):
        look(text, folder)
    else:
        finish(["bash", "-euo", "pipefail", "-c", text], folder)


def finish(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(), text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr


def interrupt(text: str, folder: Path) -> None:
    """Press Ctrl-C once the command has reported a step; it must save and end with status 130."""
    process, output = start(text, folder)
    wait_for("steps/s", output, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130, output.read_text()
    assert "python train.py resume=" in output.read_text()


def look(text: str, folder: Path) -> None:
    """Ask TensorBoard for its page; at a free port, since a reader's own may run at the usual one."""
    process, output = start(f"{text.strip()} --port 0", folder)
    try:
        wait_for(r"http://\S+:\d+", output, process)
        address = re.search(r"http://\S+:(\d+)", output.read_text())
        assert address
        with urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/data/runs") as answer:
            assert "tensorboard" in answer.read().decode()
    finally:
        process.terminate()
        process.wait(60)


def start(text: str, folder: Path) -> tuple[subprocess.Popen[str], Path]:
    output = folder / f"{time.monotonic_ns()}.txt"
    with open(output, "w") as file:
        words = shlex.split(text, comments=True)
        process = subprocess.Popen(words, cwd=folder, env=environment(), stdout=file, stderr=file, text=True)
    return process, output


def wait_for(pattern: str, output: Path, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 300
    while not re.search(pattern, output.read_text()):
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < end, output.read_text()
        time.sleep(0.05)


def environment() -> dict[str, str]:
    """This environment's `python` and scripts, as if it were activated."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_installing_lines() -> None:
    """What is not run above is what .ci/run pastes, or the beginning of it."""
    pasted = re.findall(r"'(python3? -m \w+)'", (ROOT / ".ci" / "run").read_text())
    assert pasted == ["python3 -m venv", "python -m pytest"]
    lines = README.read_text(encoding="utf-8").splitlines()
    first, second = (next(line for line in lines if part in line) for part in pasted)
    left_out = [block.text.strip() for page in (README, TUTORIAL) for block in blocks(page) if installs(block)]
    assert left_out[:2] == [first, second]
    assert all(first.startswith(text) for text in left_out[2:])
    assert len(left_out) == 3


def test_shortened() -> None:
    text = "python train.py -m seed=1,2\npython -m embedlab.compare x\npython train.py --help"
    assert shortened(text).splitlines() == [
        f"python train.py -m {SHORT} seed=1,2",
        "python -m embedlab.compare x",
        f"python train.py {SHORT} --help",
    ]
