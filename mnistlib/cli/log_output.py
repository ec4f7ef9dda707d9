"""Messages of the command line on stderr: the library's log, and a progress line on a terminal."""

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

_BAR = 20  # width of the bar in characters
_ERASE = "\r\x1b[K"


def configure_logging(*, quiet: bool) -> None:
    """Write the library's log messages to stderr, without prefixes, and show progress if stderr is a terminal."""
    line = ProgressLine(sys.stderr)
    handler = _AroundTheLine(line)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("mnistlib")
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    progress = logging.getLogger("mnistlib.progress")
    progress.handlers = [line]
    shown = sys.stderr.isatty() and not quiet and os.environ.get("TERM") != "dumb"
    progress.setLevel(logging.INFO if shown else logging.CRITICAL)


class ProgressLine(logging.Handler):
    """Progress line: each record replaces the one before, with a bar if the remaining time is known."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._drawn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Redraw the line."""
        seconds, left = getattr(record, "seconds", None), getattr(record, "seconds_left", None)
        text = progress_text(record.getMessage(), seconds, left)
        # A closed terminal must not end the training.
        with suppress(OSError, ValueError):
            columns = os.get_terminal_size(self._stream.fileno()).columns
            self._stream.write(_ERASE + text[: columns - 1])
            self._stream.flush()
            self._drawn = True

    def clear(self) -> None:
        """Erase the line, if it is shown."""
        if self._drawn:
            with suppress(OSError, ValueError):
                self._stream.write(_ERASE)
            self._drawn = False


class _AroundTheLine(logging.StreamHandler[TextIO]):
    """Handler that writes log lines above the progress line."""

    def __init__(self, line: ProgressLine) -> None:
        super().__init__(sys.stderr)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        self._line.clear()
        super().emit(record)


def progress_text(message: str, seconds: float | None, seconds_left: float | None) -> str:
    """Return one line of progress.

    Examples
    --------
    >>> progress_text("iteration 7", 3.0, 1.0)
    '[###############.....] iteration 7, about 1 s left'
    """
    if seconds is None or seconds_left is None:
        return message
    share = seconds / max(seconds + seconds_left, 1e-9)
    bar = "#" * round(_BAR * share)
    return f"[{bar:.<{_BAR}}] {message}, about {seconds_left:.0f} s left"
