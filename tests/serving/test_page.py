"""The page, in a real browser, over the real service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistlib import LocalBackend, TrainJob, load_dataset
from mnistlib.backends.local import LocalRun
from mnistlib.models.artifact import SavedModel, load_model
from mnistlib.runs.context import OUTPUTS
from mnistlib.serving.page import content_security_policy, make_page
from tests.browser import DESKTOP, PHONE, brightness, look, requests, wait, widths
from tests.serving import servers
from tests.serving.drawing import Mouse, strokes_of
from tests.serving.pages import (
    ANSWERED,
    ONE,
    READY,
    SEVEN,
    UNCLEAR,
    Unsure,
    Watched,
    app_of,
    app_of_model,
    browser_errors,
    draw,
    ink,
    press,
    press_control_z,
    serving,
    text,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    """A run on the small digits, 8 x 8 pixels."""
    run = LocalBackend(tmp_path_factory.mktemp("runs")).submit(TrainJob(dataset="digits", regularization=0.5))
    run.wait()
    return run


@pytest.fixture(scope="module")
def address(run: LocalRun) -> Iterator[str]:
    with serving(app_of(run)) as address:
        yield address


def test_the_policy_of_the_page_allows_only_its_own_script() -> None:
    page, policy = make_page().decode(), content_security_policy()
    assert page.count("<script") == page.count("</script>") == 1
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.mnist
def test_at_least_ninety_of_a_hundred_drawn_digits_are_recognised(
    browser: Any, mnist_folder: Path, tmp_path: Path
) -> None:
    job = TrainJob(dataset="mnist", data_folder=str(mnist_folder.parent), regularization=0.8)
    run = LocalBackend(tmp_path / "runs").submit(job)
    run.wait()
    test = load_dataset("mnist", data_folder=mnist_folder.parent).test
    answers = []
    with servers.serving(tmp_path, run.id, "--runs", tmp_path / "runs") as server:
        look(browser, server.url("/"))
        wait(browser, READY)
        with Mouse(browser) as mouse:
            for image in test.images[:100]:
                browser.execute_script("document.getElementById('clear').click()")
                mouse.draw(strokes_of(image))
                wait(browser, ANSWERED)
                answers.append(int(text(browser, "label")))
    assert sum(answer == label for answer, label in zip(answers, test.labels[:100].tolist(), strict=True)) >= 90


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_every_part_without_browser_errors(browser: Any, address: str, scheme: str) -> None:
    look(browser, address, scheme=scheme)
    draw(browser, SEVEN)
    wait(browser, ANSWERED)
    assert text(browser, "label") == "7"
    assert "sure" in text(browser, "certainty")
    seen = "return [document.getElementById('seen').width, document.querySelectorAll('#bars li, #maps li').length]"
    assert browser.execute_script(seen) == [8, 20]
    assert "digits:1" in text(browser, "facts")
    assert (brightness(browser) < 0.1) == (scheme == "dark")
    assert browser_errors(browser) == []


def test_no_request_leaves_the_server_of_the_page(browser: Any, address: str) -> None:
    look(browser, address)
    draw(browser, ONE)
    wait(browser, ANSWERED)
    browser.execute_script("document.getElementById('report-tab').click()")
    wait(browser, "document.querySelector('iframe')?.contentDocument.images.length")
    asked = {url for url in requests(browser, address) if not url.startswith(("data:", "about:"))}
    assert asked == {address, f"{address}model", f"{address}look", f"{address}report"}


def test_the_shown_sums_give_the_shown_probability(browser: Any, address: str) -> None:
    look(browser, address)
    draw(browser, UNCLEAR)
    wait(browser, ANSWERED)
    shown = browser.execute_script("return [...document.querySelectorAll('#maps span')].map((sum) => sum.innerText)")
    sums = np.array([float(number.replace("\N{MINUS SIGN}", "-")) for number in shown])
    probabilities = np.exp(sums) / np.exp(sums).sum()
    assert str(probabilities.argmax()) == text(browser, "label")
    sure = float(text(browser, "certainty").partition("%")[0]) / 100
    assert probabilities.max() == pytest.approx(sure, abs=0.03)  # the sums are rounded


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


def test_a_pen_that_is_down_still_draws_after_an_undo(browser: Any, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    look(browser, address)
    wait(browser, READY)
    press(browser, Keys.TAB, Keys.TAB, " ", *[Keys.ARROW_DOWN] * 5)
    press_control_z(browser)
    assert ink(browser) == 0
    press(browser, *[Keys.ARROW_DOWN] * 3)
    assert ink(browser) > 0


def test_undo_takes_back_one_stroke_and_clear_all(browser: Any, address: str) -> None:
    look(browser, address)
    draw(browser, ONE)
    one = ink(browser)
    draw(browser, SEVEN)
    assert ink(browser) > one
    browser.execute_script("document.getElementById('undo').click()")
    assert ink(browser) == one
    draw(browser, SEVEN)
    press_control_z(browser)
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
    assert browser_errors(browser) == []


def test_requests_are_sequential_and_the_last_has_the_final_drawing(browser: Any, run: LocalRun) -> None:
    app = Watched(app_of(run))
    with serving(app) as address:
        look(browser, address)
        draw(browser, [[(0.5, 0.1 + 0.02 * step)] for step in range(40)])
        wait(browser, ANSWERED)
    assert app.most_active == 1
    assert np.flatnonzero((app.last() < 128).any(axis=1))[-1] == pytest.approx(280 * (0.1 + 0.02 * 39 + 0.04), abs=2)


def test_the_picture_does_not_depend_on_the_screen(browser: Any, run: LocalRun) -> None:
    app, pictures = Watched(app_of(run)), []
    with serving(app) as address:
        for width, density, scheme in ((DESKTOP, 1, "light"), (PHONE, 3, "dark")):
            look(browser, address, width=width, density=density, scheme=scheme)
            draw(browser, SEVEN)
            wait(browser, ANSWERED)
            pictures.append(app.last())
    assert pictures[0].shape == (280, 280)
    assert np.abs(pictures[0] - pictures[1]).mean() < 2


def test_the_page_asks_for_a_token_and_sends_it(browser: Any, run: LocalRun) -> None:
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
        wait(browser, READY)  # the token is kept while the tab is open


def test_after_a_restart_the_server_scores_the_current_drawing(browser: Any, run: LocalRun) -> None:
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


def test_the_page_retries_while_the_server_is_busy(browser: Any, run: LocalRun) -> None:
    with serving(app_of(run, most_waiting=0)) as address:
        look(browser, address)
        draw(browser, SEVEN)
        wait(browser, "document.getElementById('trouble').innerText.includes('busy')")
        assert text(browser, "certainty") == "waiting for an answer"
    with serving(app_of(run), port=int(address.rstrip("/").rpartition(":")[2])):
        wait(browser, ANSWERED)
        assert text(browser, "label") == "7"


def test_a_model_without_images_has_a_note_instead_of_the_sheet(browser: Any, run: LocalRun) -> None:
    classifier = load_model(run.path / OUTPUTS).classifier
    with serving(app_of_model(SavedModel(classifier, None))) as address:
        look(browser, address)
        wait(browser, READY)
        assert "does not take images" in text(browser, "draw")
        assert not browser.execute_script("return document.getElementById('sheet').checkVisibility()")


def test_a_model_of_some_classes_is_shown_with_their_names(browser: Any, run: LocalRun) -> None:
    from sklearn.linear_model import LogisticRegression

    train = load_dataset("digits").train
    known = np.isin(train.labels, (1, 4, 7))
    classifier = LogisticRegression().fit(train.images[known].reshape(-1, 64) / 255, train.labels[known])
    description = load_model(run.path / OUTPUTS).description
    with serving(app_of_model(SavedModel(classifier, description))) as address:
        look(browser, address)
        draw(browser, SEVEN)
        wait(browser, ANSWERED)
        assert text(browser, "label") == "7"
        names = "return [...document.querySelectorAll('#bars li > :first-child')].map((name) => name.innerText)"
        assert browser.execute_script(names) == ["1", "4", "7"]


def test_weights_and_probabilities_are_hidden_if_the_model_has_none(browser: Any, run: LocalRun) -> None:
    saved = load_model(run.path / OUTPUTS)
    with serving(app_of_model(SavedModel(Unsure(saved.classifier), saved.description))) as address:
        look(browser, address)
        draw(browser, SEVEN)
        wait(browser, ANSWERED)
        assert text(browser, "label") == "7"
        for id_ in ("evidence", "bars", "tabs"):
            assert not browser.execute_script("return document.getElementById(arguments[0]).checkVisibility()", id_)
