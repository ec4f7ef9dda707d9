"""A real browser, to open pages in."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PHONE, DESKTOP = 390, 1280
_PATIENCE = 20  # seconds; each wait takes a fraction of one


@contextmanager
def open_browser(profile: Path) -> Iterator[Any]:
    """Debian's chromium with a profile of its own; skips where there is none."""
    from selenium import webdriver

    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("there is no chromium with its driver: apt-get install chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    try:
        yield driver
    finally:
        driver.quit()


def look(browser: Any, address: str, *, width: int = DESKTOP, scheme: str = "light", density: int = 1) -> None:
    """Open a page on a screen of this size with these preferences."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 900, "deviceScaleFactor": density, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")  # forget what the page before has complained of
    browser.get(address)


def wait(browser: Any, condition: str) -> None:
    """Wait until an expression of JavaScript is true."""
    deadline = time.monotonic() + _PATIENCE
    while not browser.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < deadline, f"it has never come true that {condition}"


def widths(browser: Any) -> list[int]:
    """Of the window, and of what it would have to scroll to show."""
    found = browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    return [int(width) for width in found]


def brightness(browser: Any) -> float:
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return (red + green + blue) / (3 * 255)


def requests(browser: Any, address: str) -> set[str]:
    """What a page has asked for, itself among it; the browser's own first page asks for things, too."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return {request["request"]["url"] for request in sent if request["documentURL"] in (address, "about:srcdoc")}
