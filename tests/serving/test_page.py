"""The page, in a real browser, over the real service."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnistlib import LocalBackend, TrainJob, load_dataset
from mnistlib.artifacts import SavedModel, load_model
from mnistlib.backends.local import LocalRun
from mnistlib.report import write_report
from mnistlib.runs.context import OUTPUTS
from mnistlib.serving.page import content_security_policy, make_page
from tests.browser import DESKTOP, PHONE, brightness, look, requests, wait, widths
from tests.serving.drawing import Mouse, strokes_of

pytest.importorskip("starlette", reason="the extra serve is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("orjson", reason="the extra serve is not installed")

from mnistlib.serving.app import Limits, ScoringApp  # noqa: E402 - it needs the extra
from mnistlib.serving.model import ServedModel  # noqa: E402
from mnistlib.serving.server import address_of, listen  # noqa: E402

ONE = [[(0.5, 0.15), (0.5, 0.5), (0.5, 0.85)]]
SEVEN = [[(0.25, 0.2), (0.5, 0.2), (0.75, 0.2), (0.6, 0.5), (0.45, 0.85)]]
ANSWERED = "document.querySelector('#answer[aria-busy=false] #label:not(:empty)')"
READY = "document.querySelector('#draw:not([hidden])')"


@contextmanager
def serving(app: Any, *, port: int = 0) -> Iterator[str]:
    """Give the address of a service that runs in a thread."""
    listening = listen("127.0.0.1", port)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"{address_of(listening)}/"
    finally:
        server.should_exit = True
        thread.join()


def app_of(run: LocalRun, **options: Any) -> ScoringApp:
    def report() -> str:
        return write_report(run, run.path / "report.html").read_text()

    model = ServedModel(load_model(run.path / OUTPUTS), "digits:1", run_id=run.id)
    return ScoringApp(model, report=report, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    """Give a run of the small digits, 8 x 8 pixels."""
    run = LocalBackend(tmp_path_factory.mktemp("runs")).submit(TrainJob(dataset="digits", regularization=0.5))
    run.wait()
    return run


@pytest.fixture(scope="module")
def address(run: LocalRun) -> Iterator[str]:
    with serving(app_of(run)) as address:
        yield address


def text(browser: Any, id_: str) -> str:
    return str(browser.execute_script("return document.getElementById(arguments[0]).innerText", id_))


def ink(browser: Any) -> int:
    """How many pixels of the sheet are inked."""
    script = """
    const sheet = document.getElementById("sheet");
    return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
      const pixels = sheet.getContext("2d").getImageData(0, 0, sheet.width, sheet.height).data;
      done(pixels.filter((value, i) => i % 4 === 3 && value > 127).length);
    })));
    """
    return int(browser.execute_script(script))


def press(browser: Any, *keys: str) -> None:
    """Press keys one after the other, wherever the focus is."""
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser, duration=0).send_keys(*keys).perform()


def draw(browser: Any, strokes: Any) -> None:
    wait(browser, READY)
    with Mouse(browser) as mouse:
        mouse.draw(strokes)


def complaints(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def test_the_page_is_one_document_that_only_its_own_script_runs_in() -> None:
    page, policy = make_page().decode(), content_security_policy()
    assert page.count("<script") == page.count("</script>") == 1
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.mnist
def test_of_a_hundred_digits_drawn_at_least_ninety_come_out_right(
    browser: Any, mnist_folder: Path, tmp_path: Path
) -> None:
    job = TrainJob(dataset="mnist", data_folder=str(mnist_folder.parent), regularization=0.8)
    run = LocalBackend(tmp_path / "runs").submit(job)
    run.wait()
    test = load_dataset("mnist", data_folder=mnist_folder.parent).test
    answers = []
    with serving(app_of(run)) as address:
        look(browser, address)
        wait(browser, READY)
        with Mouse(browser) as mouse:
            for image in test.images[:100]:
                browser.execute_script("document.getElementById('clear').click()")
                mouse.draw(strokes_of(image))
                wait(browser, ANSWERED)
                answers.append(int(text(browser, "label")))
    assert sum(answer == label for answer, label in zip(answers, test.labels[:100].tolist(), strict=True)) >= 90


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_that_the_page_has_is_shown_without_a_complaint(browser: Any, address: str, scheme: str) -> None:
    look(browser, address, scheme=scheme)
    draw(browser, SEVEN)
    wait(browser, ANSWERED)
    assert text(browser, "label") == "7"
    assert "sure" in text(browser, "certainty")
    seen = "return [document.getElementById('seen').width, document.querySelectorAll('#bars li, #maps li').length]"
    assert browser.execute_script(seen) == [8, 20]
    assert "digits:1" in text(browser, "facts")
    assert (brightness(browser) < 0.1) == (scheme == "dark")
    assert complaints(browser) == []


def test_no_request_leaves_the_server_of_the_page(browser: Any, address: str) -> None:
    look(browser, address)
    draw(browser, ONE)
    wait(browser, ANSWERED)
    browser.execute_script("document.getElementById('report-tab').click()")
    wait(browser, "document.querySelector('iframe')?.contentDocument.images.length")
    asked = {url for url in requests(browser, address) if not url.startswith(("data:", "about:"))}
    assert asked == {address, f"{address}model", f"{address}look", f"{address}report"}


def test_the_answer_is_the_class_with_the_largest_sum(browser: Any, address: str) -> None:
    look(browser, address)
    draw(browser, SEVEN)
    wait(browser, ANSWERED)
    sums = browser.execute_script("return [...document.querySelectorAll('#maps span')].map((sum) => sum.innerText)")
    numbers = [float(number.replace("−", "-")) for number in sums]
    assert str(numbers.index(max(numbers))) == text(browser, "label")
    assert abs(sum(numbers)) < 0.1 * len(numbers)  # rounded, each is what speaks for a class against the others


@pytest.mark.parametrize("panel", ["draw", "report"])
def test_a_phone_need_not_scroll_sideways(browser: Any, address: str, panel: str) -> None:
    look(browser, address, width=PHONE)
    draw(browser, SEVEN)
    wait(browser, ANSWERED)
    if panel == "report":
        browser.execute_script("document.getElementById('report-tab').click()")
        wait(browser, "parseFloat(document.querySelector('iframe')?.style.height) > 1000")
    assert widths(browser) == [PHONE, PHONE]


def test_a_keyboard_is_enough_to_draw(browser: Any, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    look(browser, address)
    wait(browser, READY)
    press(browser, Keys.TAB, Keys.TAB)
    assert browser.execute_script("return document.activeElement.id") == "sheet"
    press(browser, *[Keys.ARROW_UP] * 9, *[Keys.ARROW_LEFT] * 7)
    press(browser, " ", *[Keys.ARROW_RIGHT] * 14, *[Keys.ARROW_DOWN] * 18, " ")
    wait(browser, ANSWERED)
    assert text(browser, "label") == "7"
    drawn = ink(browser)
    press(browser, Keys.ARROW_LEFT)
    assert ink(browser) == drawn > 0
    wait(browser, "document.getElementById('spoken').textContent.startsWith('7, ')")
    press(browser, Keys.DELETE)
    assert ink(browser) == 0


def test_undo_takes_back_one_stroke_and_clear_all(browser: Any, address: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    look(browser, address)
    draw(browser, ONE)
    one = ink(browser)
    draw(browser, SEVEN)
    assert ink(browser) > one
    browser.execute_script("document.getElementById('undo').click()")
    assert ink(browser) == one
    draw(browser, SEVEN)
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
    assert ink(browser) == one
    draw(browser, SEVEN)
    browser.execute_script("document.getElementById('clear').click()")
    assert ink(browser) == 0
    assert text(browser, "label") == ""
    assert text(browser, "certainty") == "nothing drawn yet"


def test_arrows_go_from_tab_to_tab_and_the_report_is_shown_with_its_styles(browser: Any, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    look(browser, address)
    wait(browser, READY)
    press(browser, Keys.TAB, Keys.ARROW_RIGHT)
    assert browser.execute_script("return document.activeElement.id") == "report-tab"
    wait(browser, "document.querySelector('iframe')?.contentDocument.querySelector('h1')")
    heat = """
    const report = document.querySelector("iframe").contentDocument;
    return [...report.querySelectorAll(".confusion .right")].map((cell) => getComputedStyle(cell).backgroundColor)
    """
    assert len(set(browser.execute_script(heat))) > 1
    wait(browser, "[...document.querySelector('iframe').contentDocument.images].every((image) => image.naturalWidth)")
    press(browser, Keys.ARROW_LEFT)
    assert browser.execute_script("return document.getElementById('draw').checkVisibility()")
    assert complaints(browser) == []


class Watched:
    """An application that notes what pictures it is asked about, and how many at a time."""

    def __init__(self, app: ScoringApp) -> None:
        self._app = app
        self._asked = 0
        self.most_asked = 0
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
        self._asked += 1
        self.most_asked = max(self._asked, self.most_asked)
        await self._app(scope, received, send)
        self._asked -= 1

    def last(self) -> NDArray[np.float32]:
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(self.pictures[-1])).convert("L"), np.float32)


def test_one_question_at_a_time_and_the_last_is_of_the_drawing_as_it_is(browser: Any, run: LocalRun) -> None:
    app = Watched(app_of(run))
    with serving(app) as address:
        look(browser, address)
        draw(browser, [[(0.5, 0.1 + 0.02 * step)] for step in range(40)])
        wait(browser, ANSWERED)
    assert app.most_asked == 1
    assert np.flatnonzero((app.last() < 128).any(axis=1))[-1] == pytest.approx(280 * (0.1 + 0.02 * 39 + 0.04), abs=2)


def test_what_is_sent_depends_on_no_screen(browser: Any, run: LocalRun) -> None:
    app, pictures = Watched(app_of(run)), []
    with serving(app) as address:
        for width, density, scheme in ((DESKTOP, 1, "light"), (PHONE, 3, "dark")):
            look(browser, address, width=width, density=density, scheme=scheme)
            draw(browser, SEVEN)
            wait(browser, ANSWERED)
            pictures.append(app.last())
    assert pictures[0].shape == (280, 280)
    assert np.abs(pictures[0] - pictures[1]).mean() < 2


def test_a_service_with_a_token_is_asked_with_it(browser: Any, run: LocalRun) -> None:
    with serving(app_of(run, token="right")) as address:
        look(browser, address)
        wait(browser, "document.activeElement.id === 'token'")
        press(browser, "wrong", "\n")
        wait(browser, "document.getElementById('token-refused').textContent")
        press(browser, "right", "\n")
        draw(browser, SEVEN)
        wait(browser, ANSWERED)
        browser.execute_script("document.getElementById('report-tab').click()")
        wait(browser, "document.querySelector('iframe')?.contentDocument.querySelector('h1')")
        browser.refresh()
        wait(browser, READY)  # for as long as the tab is open it is not asked for again


def test_a_server_that_goes_away_and_comes_back_answers_the_drawing_as_it_is(browser: Any, run: LocalRun) -> None:
    with serving(app_of(run)) as address:
        look(browser, address)
        draw(browser, ONE)
        wait(browser, ANSWERED)
    browser.execute_script("document.getElementById('clear').click()")
    draw(browser, SEVEN)
    wait(browser, "document.getElementById('trouble').innerText.includes('be reached')")
    with serving(app_of(run), port=int(address.rstrip("/").rpartition(":")[2])):
        wait(browser, ANSWERED)
        assert text(browser, "label") == "7"
        assert not browser.execute_script("return document.getElementById('trouble').checkVisibility()")


def test_a_server_that_is_busy_is_asked_again(browser: Any, run: LocalRun) -> None:
    with serving(app_of(run, limits=Limits(most_waiting=0))) as address:
        look(browser, address)
        draw(browser, SEVEN)
        wait(browser, "document.getElementById('trouble').innerText.includes('busy')")
        assert text(browser, "certainty") == "waiting for an answer"
    with serving(app_of(run), port=int(address.rstrip("/").rpartition(":")[2])):
        wait(browser, ANSWERED)
        assert text(browser, "label") == "7"


def test_a_model_of_no_images_says_so_in_place_of_the_sheet(browser: Any, run: LocalRun) -> None:
    classifier = load_model(run.path / OUTPUTS).classifier
    with serving(ScoringApp(ServedModel(SavedModel(classifier, None), "iris:1"))) as address:
        look(browser, address)
        wait(browser, READY)
        assert "does not take images" in text(browser, "draw")
        assert not browser.execute_script("return document.getElementById('sheet').checkVisibility()")


class Unsure:
    """A classifier with neither weights nor probabilities."""

    def __init__(self, classifier: Any) -> None:
        self.classes_, self.n_features_in_, self.predict = (
            classifier.classes_,
            classifier.n_features_in_,
            classifier.predict,
        )


def test_what_a_model_can_not_say_is_left_out(browser: Any, run: LocalRun) -> None:
    saved = load_model(run.path / OUTPUTS)
    model = ServedModel(SavedModel(Unsure(saved.classifier), saved.description), "digits:2")
    with serving(ScoringApp(model)) as address:
        look(browser, address)
        draw(browser, SEVEN)
        wait(browser, ANSWERED)
        assert text(browser, "label") == "7"
        for id_ in ("evidence", "bars", "tabs"):
            assert not browser.execute_script("return document.getElementById(arguments[0]).checkVisibility()", id_)
