"""Drawing on the page by mouse events of the browser's debugger."""

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import count, groupby
from types import TracebackType
from typing import Any
from urllib.request import ProxyHandler, build_opener

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Stroke = Sequence[Point]

_INK = 127  # of 255: paler pixels are the edge of a line
_ACROSS = 21.5  # pixels of an image: a digit, and half a pen on either side
_INSET = 0.35  # pixels that the pen, which is round and wider than a pixel, reaches beyond the end of a line


class Mouse:
    """Draws on the sheet of the page that a browser shows.

    The events are sent without waiting for each to be handled, as with a real mouse; the browser handles them in order.
    """

    def __init__(self, browser: Any) -> None:
        websocket = import_module("websocket")  # a dependency of selenium, without types
        debugger = browser.capabilities["goog:chromeOptions"]["debuggerAddress"]
        with build_opener(ProxyHandler({})).open(f"http://{debugger}/json") as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        shown = next(page for page in pages if page["id"] == browser.current_window_handle)
        self._socket = websocket.create_connection(shown["webSocketDebuggerUrl"], suppress_origin=True)
        self._numbers = count(1)
        self._browser = browser

    def __enter__(self) -> "Mouse":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._socket.close()

    def draw(self, strokes: Sequence[Stroke]) -> None:
        """Draw lines between points from 0 to 1, and return when the browser has handled all events."""
        script = (
            "const box = document.getElementById('sheet').getBoundingClientRect(); return [box.x, box.y, box.width]"
        )
        left, top, width = self._browser.execute_script(script)
        last = 0
        for stroke in strokes:
            places = [(left + x * width, top + y * width) for x, y in stroke]
            self._send("mousePressed", places[0])
            for place in places[1:]:
                self._send("mouseMoved", place)
            last = self._send("mouseReleased", places[-1])
        while json.loads(self._socket.recv()).get("id") != last:
            pass

    def _send(self, kind: str, place: Point) -> int:
        number = next(self._numbers)
        button = {"button": "left", "buttons": 0 if kind == "mouseReleased" else 1, "clickCount": 1}
        event = {"type": kind, "x": place[0], "y": place[1], **button}
        self._socket.send(json.dumps({"id": number, "method": "Input.dispatchMouseEvent", "params": event}))
        return number


def strokes_of(image: NDArray[np.uint8]) -> list[Stroke]:
    """Return a digit's ink as lines of the pen, horizontal or vertical, the fewer of both.

    Parameters
    ----------
    image : ndarray of uint8, shape (28, 28)
        A digit of MNIST; it is drawn as large as fits.
    """
    ink = image > _INK
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    middle = ((columns[0] + columns[-1]) / 2, (rows[0] + rows[-1]) / 2)
    across = list(_lines(ink))
    down = [[(x, y) for y, x in line] for line in _lines(ink.T)]
    return [
        [(0.5 + (x - middle[0]) / _ACROSS, 0.5 + (y - middle[1]) / _ACROSS) for x, y in line]
        for line in min(across, down, key=len)
    ]


def _lines(ink: NDArray[np.bool_]) -> Iterator[list[Point]]:
    """Yield the two ends of each line of ink, row by row."""
    for row, pixels in enumerate(ink):
        for is_ink, line in groupby(range(len(pixels)), key=lambda column: bool(pixels[column])):
            if is_ink:
                columns = list(line)
                inset = min(_INSET, (columns[-1] - columns[0]) / 2)
                yield [(columns[0] + inset, row), (columns[-1] - inset, row)]
