"""TensorBoard in a real browser, for tests and for the pages' pictures. Nothing but the loopback is spoken to."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# The projector's own element, which holds the points that it draws, deep in shadow roots.
FIND_PROJECTOR = """
  const find = (root) => {
    for (const element of root.querySelectorAll('*')) {
      if (element.dataSet && element.dataSet.points) return element;
      const inside = element.shadowRoot && find(element.shadowRoot);
      if (inside) return inside;
    }
  };
  const projector = find(document);
"""


def missing() -> str | None:
    """What to install before a browser test can run; None when all is there."""
    if CHROMIUM is None:
        return "no Chromium: apt-get install chromium"
    if find_spec("playwright") is None:
        return "no playwright: pip install playwright"
    return None


def wait(what: str, get: Callable[[], Any], seconds: float = 60) -> Any:
    """The first value of `get` that is true; an error of `get` counts as not yet."""
    end, error = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if found := get():
                return found
        except Exception as not_yet:
            error = not_yet
        time.sleep(0.3)
    raise TimeoutError(f"{what} did not come within {seconds} s") from error


@contextmanager
def tensorboard(logdir: Path) -> Iterator[str]:
    """The address of a TensorBoard of its own, ready to answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--logdir", logdir.name, "--reload_interval", "2"]  # the page shows it: a name, no path of this machine
    server = subprocess.Popen(command, cwd=logdir.parent, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        wait("TensorBoard", lambda: get(address + "/data/runs").strip() != b"[]")
        yield address
    finally:
        server.terminate()
        server.wait()


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read()


@contextmanager
def browser_page(width: int = 1400, height: int = 900) -> Iterator["Page"]:
    """A new page of a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser.new_page(viewport={"width": width, "height": height})
        finally:
            browser.close()


def open_projector(page: "Page", address: str) -> "Frame":
    """The projector's inner frame, once it has drawn a table."""
    page.goto("about:blank")
    page.goto(f"{address}/#projector")

    def drawn() -> "Frame | None":
        page.wait_for_timeout(100)  # playwright learns of frames only while it waits itself
        frames = [frame for frame in page.frames if "projector_binary" in frame.url]
        shown = (
            frame for frame in frames if frame.inner_text("span.numDataPoints", timeout=500) not in ("0", "Loading...")
        )
        return next(shown, None)

    return wait("the projector", drawn)


def choose_tensor(frame: "Frame", start: str) -> None:
    """Let the page show the tensor whose name begins so, and wait until it has."""
    frame.evaluate(
        f"""(start) => {{ {FIND_PROJECTOR}
        const panel = projector.shadowRoot.querySelector('vz-projector-data-panel');
        panel.selectedTensor = panel.tensorNames.map((t) => t.name).find((name) => name.startsWith(start)); }}""",
        start,
    )
    wait(
        start,
        lambda: frame.evaluate(f"() => {{ {FIND_PROJECTOR} return projector && projector.dataSet.points.length }}"),
    )
