"""Chromium without a screen, for pages that are to be looked at.

On Debian ``apt-get install chromium chromium-driver`` brings both programs. Nothing is
ever fetched: where they are missing, tests that need them are skipped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",  # a container's root may not use it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # small in containers
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
)


# Pids of drivers that are there for all tests of a module: their browsers have other
# processes at each moment.
kept: set[int] = set()


def missing() -> str:
    """What keeps us from starting a browser; empty if nothing does."""
    try:
        import selenium  # noqa: F401  # whether it is there
    except ImportError:
        return "selenium is not installed (it is in the dependency group 'test')"
    if found() is None:
        return "no Chromium on this machine (Debian: apt-get install chromium)"
    if shutil.which("chromedriver") is None:
        return "no ChromeDriver (Debian: apt-get install chromium-driver)"
    return ""


def found() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def browser(
    profile: Path,
    *,
    size: tuple[int, int] = (1280, 1000),
    dark: bool = False,
    is_kept: bool = False,
) -> Iterator[WebDriver]:
    """A browser with nothing but the empty folder *profile*; gone afterwards.

    Args:
        profile: Where it keeps what it has to.
        size: Of its window.
        dark: Whether the system is dark.
        is_kept: Whether several tests have it one after the other.
    """
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = found() or ""
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.add_argument(f"--window-size={size[0]},{size[1]}")
    # Otherwise it connects to servers that it has been to, and asks them for nothing.
    options.add_experimental_option("prefs", {"net.network_prediction_options": 2})
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    service = Service(shutil.which("chromedriver"))
    driver = Chrome(options, service)
    pid = service.process.pid
    if is_kept:
        kept.add(pid)
    try:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()
        kept.discard(pid)


def complaints(driver: WebDriver) -> list[str]:
    """What the page has written to the console: errors, and what was refused."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requests(driver: WebDriver, pages: str = "file:") -> list[str]:
    """What pages whose address begins so have asked for; can be read once."""
    found: list[str] = []
    for entry in driver.get_log("performance"):
        message: dict[str, Any] = json.loads(entry["message"])["message"]  # Any: JSON
        if message["method"] != "Network.requestWillBeSent":
            continue
        # Not what the browser itself asks for when it starts.
        if message["params"]["documentURL"].startswith(pages):
            found.append(message["params"]["request"]["url"])
    return found
