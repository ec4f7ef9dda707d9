"""Service in a thread, page in a browser, and actions on both."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnistlib.backends.local import LocalRun
from mnistlib.models.artifact import SavedModel, load_model
from mnistlib.report import write_report
from mnistlib.runs.context import OUTPUTS
from mnistlib.serving.packages import PACKAGES
from tests.browser import wait
from tests.serving.drawing import Mouse

for _module in PACKAGES:
    pytest.importorskip(_module)

import uvicorn  # noqa: E402 - the extra has it

from mnistlib.serving.app import Limits, ScoringApp  # noqa: E402
from mnistlib.serving.model import ServedModel  # noqa: E402
from mnistlib.serving.server import address_of, listen  # noqa: E402

ONE = [[(0.5, 0.15), (0.5, 0.5), (0.5, 0.85)]]
SEVEN = [[(0.25, 0.2), (0.5, 0.2), (0.75, 0.2), (0.6, 0.5), (0.45, 0.85)]]
UNCLEAR = [[(0.3, 0.2), (0.7, 0.2)], [(0.5, 0.2), (0.5, 0.8)]]
ANSWERED = "document.querySelector('#answer[aria-busy=false] #label:not(:empty)')"
READY = "document.querySelector('#draw:not([hidden])')"


@contextmanager
def serving(app: Any, *, port: int = 0) -> Iterator[str]:
    """Yield the address of a service that runs in a thread."""
    listening = listen("127.0.0.1", port)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"{address_of(listening)}/"
    finally:
        server.should_exit = True
        thread.join()


def app_of(run: LocalRun, *, token: str | None = None, most_waiting: int = 256) -> ScoringApp:
    """Return an application that serves a run's model, with its report."""

    def report() -> str:
        return write_report(run, run.path / "report.html").read_text()

    model = ServedModel(load_model(run.path / OUTPUTS), "digits:1", run_id=run.id)
    return ScoringApp(model, report=report, token=token, limits=Limits(most_waiting=most_waiting))


def app_of_model(saved: SavedModel) -> ScoringApp:
    """Return an application that serves a model without a run."""
    return ScoringApp(ServedModel(saved, "some:1"))


class Watched:
    """Application that records the pictures of requests, and the maximum number of concurrent requests."""

    def __init__(self, app: ScoringApp) -> None:
        self._app = app
        self._active = 0
        self.most_active = 0
        self.pictures: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def received() -> Any:
            message = await receive()
            self.pictures[-1] += message.get("body", b"")
            return message

        if scope["path"] != "/look":
            await self._app(scope, receive, send)
            return
        self.pictures.append(b"")
        self._active += 1
        self.most_active = max(self._active, self.most_active)
        await self._app(scope, received, send)
        self._active -= 1

    def last(self) -> NDArray[np.float32]:
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(self.pictures[-1])).convert("L"), np.float32)


class Unsure:
    """A classifier with neither weights nor probabilities."""

    def __init__(self, classifier: Any) -> None:
        self.classes_, self.n_features_in_, self.predict = (
            classifier.classes_,
            classifier.n_features_in_,
            classifier.predict,
        )


def text(browser: Any, id_: str) -> str:
    return str(browser.execute_script("return document.getElementById(arguments[0]).innerText", id_))


def ink(browser: Any) -> int:
    """Return the number of inked pixels of the sheet."""
    script = """
    const sheet = document.getElementById("sheet");
    return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
      const pixels = sheet.getContext("2d").getImageData(0, 0, sheet.width, sheet.height).data;
      done(pixels.filter((value, i) => i % 4 === 3 && value > 127).length);
    })));
    """
    return int(browser.execute_script(script))


def press(browser: Any, *keys: str) -> None:
    """Press keys one after the other, at the current focus."""
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser, duration=0).send_keys(*keys).perform()


def press_control_z(browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    ActionChains(browser).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()


def draw(browser: Any, strokes: Any) -> None:
    wait(browser, READY)
    with Mouse(browser) as mouse:
        mouse.draw(strokes)


def browser_errors(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
