"""Reports, opened in a real browser."""

from pathlib import Path
from typing import Any

import pytest

from mnistlib.backends.local import LocalRun
from mnistlib.report import write_report
from tests.browser import PHONE, brightness, look, requests, widths


def count(browser: Any, selector: str) -> int:
    return int(browser.execute_script("return document.querySelectorAll(arguments[0]).length", selector))


def headings(browser: Any) -> list[str]:
    found = browser.execute_script("return [...document.querySelectorAll('h1, h2')].map(e => e.firstChild.textContent)")
    return [str(text) for text in found]


def test_a_training_run_shows_everything_it_has(browser: Any, trained: LocalRun, tmp_path: Path) -> None:
    look(browser, write_report(trained, tmp_path / "report.html").as_uri())
    accuracy = trained.metrics().latest["accuracy"]
    assert headings(browser) == [
        f"digits: {accuracy:.2%} of the test images recognised",
        "Loss curve",
        "Confusion matrix",
        "Each class",
        "Weights of each class",
        "Worst mistakes",
        "Job and origin",
        "Log",
    ]
    assert count(browser, ".confusion tbody td") == 100
    assert count(browser, ".classes tbody tr") == count(browser, ".weights img") == 10
    assert count(browser, ".mistakes img") == round((1 - accuracy) * 355)
    assert browser.execute_script("return [...document.images].every(image => image.complete && image.naturalWidth)")


def test_a_sweep_shows_its_trials_and_the_best(browser: Any, swept: LocalRun, tmp_path: Path) -> None:
    look(browser, write_report(swept, tmp_path / "report.html").as_uri())
    assert headings(browser)[1:4] == ["Accuracy against regularization", "Trials", "Best trial: regularization 0.1"]
    assert count(browser, ".children tbody tr") == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_fetched_and_no_browser_error_is_logged(
    browser: Any, trained: LocalRun, swept: LocalRun, tmp_path: Path, scheme: str
) -> None:
    for run in (trained, swept):
        page = write_report(run, tmp_path / f"{run.id}.html").as_uri()
        look(browser, page, scheme=scheme)
        assert browser.get_log("browser") == []
        assert {url for url in requests(browser, page) if not url.startswith("data:")} == {page}


def test_text_of_users_is_not_executed(browser: Any, hostile: LocalRun, tmp_path: Path) -> None:
    look(browser, write_report(hostile, tmp_path / "report.html").as_uri())
    assert browser.execute_script("return window.hacked") is None
    assert count(browser, "script, img[onerror]") == 0
    assert "<script>" in browser.execute_script("return document.body.innerText")


@pytest.mark.parametrize("name", ["trained", "swept", "hostile"])
def test_a_phone_need_not_scroll_sideways(
    browser: Any, request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    look(browser, write_report(request.getfixturevalue(name), tmp_path / "report.html").as_uri(), width=PHONE)
    assert widths(browser) == [PHONE, PHONE]


def test_the_page_follows_the_readers_colour_scheme(browser: Any, trained: LocalRun, tmp_path: Path) -> None:
    page = write_report(trained, tmp_path / "report.html").as_uri()
    look(browser, page, scheme="light")
    assert brightness(browser) > 0.9
    look(browser, page, scheme="dark")
    assert brightness(browser) < 0.1
