import contextlib
import logging
import os
import pty
import subprocess

import pytest

from mnistlib.cli.log_output import ProgressLine, progress_text
from mnistlib.cli.tables import format_table

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


def test_a_tables_widest_column_is_cut_until_a_line_fits() -> None:
    text = format_table([">value", "name"], [["1", "a" * 30], ["22", "b"]], width=20)
    assert text.splitlines() == ["value  name", "    1  aaaaaaaaaaaa…", "   22  b"]


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


def test_a_table_never_cuts_its_first_column_and_shows_no_control_characters() -> None:
    text = format_table(["run", "name"], [["20261120-124940-9128ab", "x\ny\x1b[31m" + "z" * 30]], width=30)
    assert text.splitlines()[1] == "20261120-124940-9128ab  x?y?[…"
