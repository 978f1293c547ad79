"""At a terminal a bar shows how far a long evaluation is; elsewhere, and for a short one, nothing is printed."""

import io
import time

import pytest

from embedlab.evaluation.loss import batch_starts


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "seconds", "shown"), [(Screen, 0.6, True), (Screen, 0, False), (io.StringIO, 0.6, False)]
)
def test_a_bar_for_a_long_evaluation_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], seconds: float, shown: bool
) -> None:
    stderr = stream()
    monkeypatch.setattr("sys.stderr", stderr)
    starts = []
    for start in batch_starts(7, 2, 16):
        starts.append(start)
        time.sleep(seconds)
    assert starts == [0, 2, 4, 6]
    printed = stderr.getvalue()
    assert ("scoring windows of 16 tokens" in printed) == shown
    assert shown or printed == ""
