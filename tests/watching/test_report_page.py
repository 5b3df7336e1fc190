"""The page of a report: complete in itself, safe, and alive in a real browser."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cotality.core.utils.process import (
    RunReport,
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
)
from tests.kit.browser import browser, complaints, missing, requests
from tests.kit.helpers import echo
from tests.kit.limits import LONG_S
from tests.kit.made_up_run import MadeUpRun

# A browser shows the same on every Python.
pytestmark = pytest.mark.one_python

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

NASTY = "</script><script>alert(1)</script><!-- <b>&amp; \u2028 $data ${title}"


def page_of(report: RunReport, folder: Path) -> str:
    path = folder / "report.html"
    report.save_html(path)
    return path.read_text("utf-8")


class Outline(HTMLParser):
    """The elements of a page, and what of it comes from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for name, v in attrs if name in ("src", "href")]


def data_in(page: str) -> dict[str, Any]:  # Any: JSON
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)<', page)
    data: dict[str, Any] = json.loads(text)  # Any: as above
    return data


def nasty_run() -> RunReport:
    run = MadeUpRun(workers=1, total=1)
    run.portion(NASTY, 0.0, [1.0], errors={0: ValueError(NASTY)}, function=nasty)
    return run.end()


def nasty(number: int) -> None:
    """Its name is set below to what no name should be."""


nasty.__qualname__ = NASTY


def test_a_page_is_complete_in_itself(tmp_path: Path) -> None:
    """It refers to nothing outside, and forbids itself to load anything."""
    page = page_of(nasty_run(), tmp_path)

    assert Outline(page).links == ["data:,"]
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert "url(" not in page


def test_nothing_of_the_user_becomes_markup(tmp_path: Path) -> None:
    """Names, calls and errors stay text, whatever they hold."""
    plain = MadeUpRun(workers=1, total=1)
    plain.portion("w", 0.0, [1.0], errors={0: ValueError("plain")})
    expected = Outline(page_of(plain.end(), tmp_path)).tags

    page = page_of(nasty_run(), tmp_path)

    assert Outline(page).tags == expected
    assert data_in(page)["workers"] == [NASTY]
    # Both the end of a script and the start of a comment are written otherwise.
    assert "<!-- <b>" not in page


def test_a_page_of_twenty_thousand_spans_stays_small(tmp_path: Path) -> None:
    """The largest page there can be is a few megabytes, not hundreds."""
    page = page_of(large_run(), tmp_path)

    assert len(page) < 4_000_000


def large_run(spans: int = 20_000, workers: int = 16) -> RunReport:
    chance = random.Random(1)
    run = MadeUpRun(workers=workers, total=spans, lasts=60.0)
    step = 60.0 / (spans / workers)
    for number in range(spans // workers):
        for worker in range(workers):
            seconds = chance.uniform(0.1, 0.9) * step
            run.portion(f"process {worker}", number * step, [seconds])
    return run.end()


def failing_run() -> RunReport:
    run = MadeUpRun(workers=3, total=9, lasts=10.0)
    for number in range(3):
        run.portion("process 1", number * 3.0, [2.5])
    run.portion("process 2", 0.0, [5.0], errors={0: ValueError("no such <file>")})
    run.portion("process 2", 5.0, [4.0], attempt=2)
    run.portion("process 3", 0.0, [1.0], errors={0: WorkerCrashedError("gone")})
    run.portion("process 4", 2.0, [1.0, 1.0, 1.0])
    return run.end()


def refuse(order: int) -> None:
    raise ConnectionError(f"no answer for {order}")


def a_real_run(*, arguments: bool = True) -> RunReport:
    report = RunReport(name="nightly <import>", arguments=arguments)
    tasks: list[Task[Any]] = [  # Any: of different results
        Task(refuse, {"order": number}) for number in range(20)
    ]
    tasks += [Task(echo, {"value": 1}), Task.of(int, "secret")]
    execute_tasks_in_parallel(tasks, 2, on_error="return", report=report)
    return report


def test_a_page_groups_failures(tmp_path: Path) -> None:
    """Those that differ in numbers are one, with the line and the first tasks."""
    report = a_real_run()
    page = page_of(report, tmp_path)

    first, second = sorted(report.failure_groups, key=lambda group: -group.count)
    assert (first.count, second.count) == (20, 1)
    assert first.where.startswith("test_report_page.py, line ")
    assert first.where.endswith(", in refuse")
    assert len(first.tasks) == 3
    assert f'<td class="code">{first.error}</td>' in page
    assert first.error.startswith("ConnectionError: no answer for ")
    assert second.tasks == [(21, "int('secret')")]


def test_a_page_names_the_run_its_program_and_its_python(tmp_path: Path) -> None:
    """So that two pages can be told apart."""
    report = a_real_run()
    page = page_of(report, tmp_path)

    assert "<h1>nightly &lt;import&gt;: 22 tasks on 2 threads" in page
    assert report.script.rpartition("/")[2] in page
    assert f"CPython {sys.version_info[0]}.{sys.version_info[1]}." in page
    assert report.function == "refuse"


def test_a_page_without_arguments_has_none_in_its_groups(tmp_path: Path) -> None:
    """What exceptions say, and the folder of the program, are left out as well."""
    report = a_real_run(arguments=False)
    page = page_of(report, tmp_path)

    assert "no answer" not in page
    assert "secret" not in page
    if report.script:
        assert str(Path(report.script).parent) not in page
    assert {group.error for group in report.failure_groups} == {
        "ConnectionError",
        "ValueError",
    }


def test_failures_of_many_kinds_are_bounded() -> None:
    """What comes after fifty kinds is counted together."""
    run = MadeUpRun(workers=1, total=80)
    for number in range(80):
        name = "x" * (number + 1)
        run.portion("w", number / 10, [0.01], errors={0: ValueError(name)})
    groups = run.end().failure_groups

    assert len(groups) == 51
    assert sum(group.count for group in groups) == 80
    assert groups[-1].count == 30


# In a browser.

needs_a_browser = pytest.mark.skipif(
    bool(missing()), reason=missing() or "there is one"
)

Open = Callable[[RunReport], "WebDriver"]


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a report in a browser, from a file."""
    with browser(tmp_path / "profile") as driver:

        def open_(report: RunReport) -> WebDriver:
            path = tmp_path / "report.html"
            report.save_html(path)
            driver.get(path.as_uri())
            settle(driver)
            return driver

        yield open_


def settle(driver: WebDriver) -> None:
    """Return when the page has drawn what it was asked to draw."""
    driver.set_script_timeout(LONG_S)
    driver.execute_async_script(
        "const done = arguments[0];"
        "requestAnimationFrame(() => requestAnimationFrame(done));"
    )


def state(driver: WebDriver) -> dict[str, float]:
    """What the timeline shows: from when to when, and how much."""
    found: dict[str, str] = driver.execute_script(
        "return {...document.getElementById('timeline').dataset}"
    )
    return {name: float(value) for name, value in found.items()}


def by_id(driver: WebDriver, name: str) -> Any:  # Any: an element, untyped in selenium
    return driver.find_element("id", name)


def hover(driver: WebDriver, row: int, at: float) -> None:
    """Put the pointer on a row of the timeline, at so many seconds of the whole run."""
    from selenium.webdriver import ActionChains

    canvas, shown = by_id(driver, "spans"), state(driver)
    width, height = canvas.size["width"], canvas.size["height"]
    x = width * (at - shown["from"]) / (shown["to"] - shown["from"]) - width / 2
    y = height * (row + 0.5) / shown["workers"] - height / 2
    ActionChains(driver).move_to_element_with_offset(
        canvas, round(x), round(y)
    ).perform()
    settle(driver)


def press(driver: WebDriver, *keys: str) -> None:
    by_id(driver, "spans").send_keys(*keys)
    settle(driver)


@needs_a_browser
def test_a_page_loads_by_itself(open_page: Open) -> None:
    """No error, no request but for the file itself, and a row for each worker."""
    driver = open_page(failing_run())

    assert complaints(driver) == []
    asked = [url for url in requests(driver) if not url.startswith("data:")]
    assert asked == [driver.current_url]
    names = driver.find_elements("css selector", "#names li")
    assert [name.text for name in names] == [
        "process 1",
        "process 2",
        "process 4 (+1 before)",
    ]
    shown = state(driver)
    assert (shown["workers"], shown["spans"], shown["drawn"]) == (3, 9, 9)
    assert (shown["from"], shown["to"]) == (0, 10)


@needs_a_browser
def test_what_a_user_named_is_shown_as_it_is(open_page: Open) -> None:
    """A name full of markup is a name: no script in it runs, and all of it shows."""
    driver = open_page(nasty_run())
    hover(driver, 0, 0.5)

    assert complaints(driver) == []
    assert "</script><script>alert(1)</script>" in by_id(driver, "tooltip").text
    assert "</script>" in by_id(driver, "slowest-table").text


@needs_a_browser
def test_a_timeline_can_be_zoomed_and_moved(open_page: Open) -> None:
    """By wheel, buttons, keys and dragging; and all of it can be had back."""
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    driver = open_page(failing_run())
    canvas = by_id(driver, "spans")
    by_id(driver, "zoom-in").click()
    settle(driver)
    once = state(driver)
    assert (once["from"], once["to"]) == (2.5, 7.5)

    origin = ScrollOrigin.from_element(canvas)
    ActionChains(driver).scroll_from_origin(origin, 0, -200).perform()
    settle(driver)
    wheeled = state(driver)
    assert wheeled["to"] - wheeled["from"] < 5.0
    assert wheeled["from"] < 5.0 < wheeled["to"]

    ActionChains(driver).drag_and_drop_by_offset(canvas, 200, 0).perform()
    settle(driver)
    dragged = state(driver)
    assert dragged["from"] < wheeled["from"]
    assert dragged["to"] - dragged["from"] == pytest.approx(
        wheeled["to"] - wheeled["from"]
    )

    press(driver, "+")
    assert state(driver)["to"] - state(driver)["from"] < dragged["to"] - dragged["from"]
    press(driver, "0")
    assert (state(driver)["from"], state(driver)["to"]) == (0, 10)
    assert not by_id(driver, "fit").is_enabled()

    overview = by_id(driver, "overview")
    ActionChains(driver).drag_and_drop_by_offset(overview, 150, 0).perform()
    settle(driver)
    picked = state(driver)
    assert picked["from"] == pytest.approx(5.0, abs=0.1)
    assert picked["to"] < 8.0
    assert complaints(driver) == []


@needs_a_browser
def test_a_task_tells_about_itself(open_page: Open) -> None:
    """The pointer on it, or the keyboard, brings its index, call, time and failure."""
    driver = open_page(failing_run())
    tooltip = by_id(driver, "tooltip")
    assert not tooltip.is_displayed()

    hover(driver, 1, 2.0)
    told = tooltip.text.splitlines()
    assert told[:4] == ["Task 3", "work(number=3)", "5 s, from 0 s on", "process 2"]
    assert told[4] == "▼ Failed: ValueError: no such <file>"

    hover(driver, 2, 0.5)
    assert tooltip.text.splitlines()[-1].startswith("✕ Ended with its worker")

    from selenium.webdriver.common.keys import Keys

    press(driver, Keys.ARROW_UP, Keys.ARROW_RIGHT)
    assert tooltip.text.splitlines()[0] == "Task 4, attempt 2"
    press(driver, Keys.ENTER)
    assert state(driver)["from"] == pytest.approx(4.0, abs=0.01)
    press(driver, Keys.ESCAPE)
    assert not tooltip.is_displayed()


@needs_a_browser
@pytest.mark.parametrize("workers", [1, 64])
def test_a_page_suits_any_number_of_workers(open_page: Open, workers: int) -> None:
    """Each worker has a row, as high as its name, and the page is never too wide."""
    driver = open_page(large_run(2_000 - 2_000 % workers, workers))

    assert complaints(driver) == []
    assert state(driver)["workers"] == workers
    heights = driver.execute_script(
        "const names = document.querySelectorAll('#names li');"
        "return [...names].map((name) => name.offsetHeight);"
    )
    assert len(heights) == workers
    assert len(set(heights)) == 1
    assert not driver.execute_script(
        "return document.documentElement.scrollWidth > innerWidth"
    )


@needs_a_browser
@pytest.mark.parametrize("width", [420, 1200])
def test_a_page_suits_any_width(open_page: Open, width: int) -> None:
    """On a telephone nothing is cut off, and failures are there as well."""
    driver = open_page(a_real_run())
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    settle(driver)

    assert driver.execute_script(
        "return document.documentElement.scrollWidth <= innerWidth"
    )
    assert "ConnectionError: no answer for" in by_id(driver, "failures-table").text
    assert complaints(driver) == []


@needs_a_browser
def test_twenty_thousand_spans_are_all_there(open_page: Open) -> None:
    """The largest timeline is drawn, zoomed to one task, and drawn whole again."""
    driver = open_page(large_run())
    assert state(driver)["spans"] == 20_000

    for _ in range(12):
        press(driver, "+")

    assert 0 < state(driver)["drawn"] < 200
    press(driver, "0")
    assert complaints(driver) == []


@needs_a_browser
def test_a_run_of_nothing_has_a_page_too(open_page: Open) -> None:
    """Without tasks there is no timeline, and the page says so."""
    driver = open_page(MadeUpRun(total=0).end())

    assert complaints(driver) == []
    assert by_id(driver, "empty").text == "No task was run."
    assert not by_id(driver, "spans").is_displayed()


@needs_a_browser
def test_a_real_run_has_a_page(open_page: Open, use_processes: bool) -> None:
    """What a call filled in is shown, with a row for each worker that ran a task."""
    report = RunReport()
    tasks = [Task(echo, {"value": number}) for number in range(100)]
    execute_tasks_in_parallel(tasks, 2, use_processes, report=report)

    driver = open_page(report)

    assert complaints(driver) == []
    assert state(driver)["workers"] == len(report.rows)
    assert "100 tasks on 2" in driver.title
