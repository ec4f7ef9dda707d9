"""Reports, opened in a real browser."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnistlib.backends.local import LocalRun
from mnistlib.report import write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: tox -e browser has it")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if CHROMIUM is None or DRIVER is None:
    pytest.skip("there is no chromium with its driver: apt-get install chromium-driver", allow_module_level=True)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PHONE, DESKTOP = 390, 1280


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def look(browser: Any, page: Path, *, width: int = DESKTOP, scheme: str = "light") -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def count(browser: Any, selector: str) -> int:
    return int(browser.execute_script("return document.querySelectorAll(arguments[0]).length", selector))


def headings(browser: Any) -> list[str]:
    found = browser.execute_script("return [...document.querySelectorAll('h1, h2')].map(e => e.firstChild.textContent)")
    return [str(text) for text in found]


def brightness(browser: Any) -> float:
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return (red + green + blue) / (3 * 255)


def requests(browser: Any, page: Path) -> set[str]:
    """What the page has asked for, itself among it; the browser's own first page asks for things, too."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return {request["request"]["url"] for request in sent if request["documentURL"] == page.as_uri()}


def test_a_training_run_shows_everything_it_has(browser: Any, trained: LocalRun, tmp_path: Path) -> None:
    look(browser, write_report(trained, tmp_path / "report.html"))
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


def test_a_sweep_shows_its_rates_and_its_winner(browser: Any, swept: LocalRun, tmp_path: Path) -> None:
    look(browser, write_report(swept, tmp_path / "report.html"))
    assert headings(browser)[1:4] == ["Accuracy against regularization", "Each rate", "The winner: rate 0.1"]
    assert count(browser, ".children tbody tr") == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_fetched_and_nothing_complained_of(
    browser: Any, trained: LocalRun, swept: LocalRun, tmp_path: Path, scheme: str
) -> None:
    for run in (trained, swept):
        page = write_report(run, tmp_path / f"{run.id}.html")
        look(browser, page, scheme=scheme)
        assert browser.get_log("browser") == []
        assert {url for url in requests(browser, page) if not url.startswith("data:")} == {page.as_uri()}


def test_what_a_user_writes_does_not_run(browser: Any, hostile: LocalRun, tmp_path: Path) -> None:
    look(browser, write_report(hostile, tmp_path / "report.html"))
    assert browser.execute_script("return window.hacked") is None
    assert count(browser, "script, img[onerror]") == 0
    assert "<script>" in browser.execute_script("return document.body.innerText")


@pytest.mark.parametrize("name", ["trained", "swept", "hostile"])
def test_a_phone_need_not_scroll_sideways(
    browser: Any, request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    look(browser, write_report(request.getfixturevalue(name), tmp_path / "report.html"), width=PHONE)
    assert browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [PHONE, PHONE]


def test_the_page_is_as_dark_as_its_reader_likes(browser: Any, trained: LocalRun, tmp_path: Path) -> None:
    page = write_report(trained, tmp_path / "report.html")
    look(browser, page, scheme="light")
    assert brightness(browser) > 0.9
    look(browser, page, scheme="dark")
    assert brightness(browser) < 0.1
