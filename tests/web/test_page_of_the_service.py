"""The page on the service as it is: real tasks, real processes, a real comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from cotality.web._web.models.kinds import METHODS
from tests.kit.browser import browser, complaints, missing, requests
from tests.web.servers import TASKS, Server
from tests.web.stage import Visit

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]

# What a browser complains of while a service is away, and while it begins.
REFUSED = ("ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY_RESPONSE", "/health - Failed")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    with browser(tmp_path_factory.mktemp("profile"), is_kept=True) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("service"))
    made.start()
    yield made
    made.end()


@pytest.fixture
def visit(driver: WebDriver, server: Server) -> Iterator[Visit]:
    complaints(driver), requests(driver)
    made = Visit(driver)
    made.size(1280)
    made.open(f"http://127.0.0.1:{server.port}/")
    yield made
    made.leave()
    assert made.unexpected() == []


def newest(visit: Visit, title: str) -> str:
    """The id of the newest task, once it is of this kind."""
    visit.until(lambda: visit.text("#task-list > li:first-child h3") == title)
    return str(visit.find("#task-list > li:first-child").get_attribute("id"))


def test_a_task_is_started_watched_and_cancelled(visit: Visit, server: Server) -> None:
    """Its bar moves, and nothing computes when it was cancelled."""
    visit.click("label[for=method-multiprocessing]")
    visit.type("#start-items_count", "50000")
    visit.type("#start-workers", "2")
    visit.click("#start-simulate_db_delay")
    visit.click("#start-simulate_redis_delay")
    visit.click("#start-button")
    task = newest(visit, "Processes")
    seen = [0.0]
    while len(seen) < 4:
        visit.until(lambda: visit.bar(task) > seen[-1])
        seen.append(visit.bar(task))
    assert visit.status(task) == "running"
    visit.until(lambda: "items/s" in visit.text(f"#{task} .numbers"))

    visit.click(f"#{task} .danger")
    visit.until(lambda: visit.status(task) == "cancelled")
    told = server.ask("GET", f"{TASKS}/status/{task}?results=0").json
    assert told["status"] == "cancelled"
    assert visit.bar(task) == told["items_processed"] / 50_000 < 1


def test_all_methods_are_compared(visit: Visit, server: Server) -> None:
    """The chart has seven bars with the numbers of the service."""
    visit.type("#compare-items_count", "60")
    visit.type("#compare-workers", "2")
    visit.type("#compare-budget_s", "1.5")
    visit.type("#compare-db_delay_s", "0.01")
    visit.click("#compare-button")
    task = newest(visit, "Comparison")
    visit.until(lambda: visit.count("#chart .row") == 7)

    told = server.ask("GET", f"{TASKS}/compare/{task}").json
    assert {each["method"] for each in told["methods"]} == {*METHODS}
    bars = visit.js(
        "return [...document.querySelectorAll('#chart .row')].map((row) =>"
        "[row.dataset.method, Number(row.dataset.seconds)])"
    )
    assert bars == [
        [each["method"], each["estimated_seconds"]] for each in told["methods"]
    ]
    reason = visit.text("#found-reason").rstrip(".")
    assert reason.lower() == told["reason"].rstrip(".").lower()
    best = visit.find("#chart .row.best").get_attribute("data-method")
    assert best == told["best_approach"]
    visit.until(lambda: visit.text("#found-checksums").startswith("All gave the same"))


def test_a_restart_of_the_service_is_seen_and_survived(
    visit: Visit, server: Server
) -> None:
    """The page says that it is away and back; the task goes on where it was."""
    visit.expected = REFUSED
    visit.click("label[for=method-background]")
    visit.type("#start-items_count", "1200")
    visit.click("#start-simulate_db_delay")
    visit.click("#start-simulate_redis_delay")
    visit.find("#start-method").send_keys("Sequential")
    visit.click("#start-button")
    task = newest(visit, "Background, by Sequential")
    visit.until(lambda: visit.bar(task) > 0.02)

    server.end()
    visit.until(lambda: visit.is_shown("#away"))
    server.start()
    visit.until_text("#away", "The service answers again.")
    visit.until(lambda: visit.status(task) == "completed")
    assert "1,200 of 1,200 items" in visit.text(f"#{task} .numbers")
