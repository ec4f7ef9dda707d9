import contextlib
import logging
import os
import pty
import subprocess

import pytest

from mnistlib.cli.log_output import ProgressLine, progress_text

from .test_cli import FAST, SCRIPT


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """Output of the command on stderr if stderr is a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [SCRIPT, *arguments], stdout=subprocess.DEVNULL, stderr=follower, env=os.environ | environment
    )
    os.close(follower)
    pieces = []
    try:
        while piece := os.read(leader, 65536):
            pieces.append(piece)
    except OSError:  # on Linux, the other end of the terminal is closed
        pass
    os.close(leader)
    assert process.wait(60) == 0
    return b"".join(pieces).decode()


def test_a_fit_shows_objective_and_passes_on_a_terminal() -> None:
    text = on_a_terminal("train", "--dataset", "digits", TERM="xterm")
    assert "objective" in text
    assert "passes" in text


@pytest.mark.parametrize("quieter", [("-q",), ()])
def test_nothing_moves_when_quiet_or_on_a_dumb_terminal(quieter: tuple[str, ...]) -> None:
    assert "passes" not in on_a_terminal("train", *FAST, *quieter, TERM="xterm" if quieter else "dumb")


def test_progress_has_a_bar_if_the_remaining_time_is_known() -> None:
    assert progress_text("going", None, None) == "going"
    assert progress_text("going", 1.0, 3.0) == "[#####...............] going, about 3 s left"


def test_a_closed_terminal_does_not_end_the_training() -> None:
    leader, follower = pty.openpty()
    stream = os.fdopen(follower, "w")
    os.close(leader)
    line = ProgressLine(stream)
    line.emit(logging.LogRecord("mnistlib.progress", logging.INFO, "", 0, "iteration 1", None, None))
    line.clear()
    os.close(follower)
    with contextlib.suppress(OSError):
        stream.close()
    assert stream.closed
