"""The page of the service, in a real browser, on a desk that does what a test says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cotality.web import QueueFullError
from cotality.web._web.models.kinds import METHODS, TaskStatus
from tests.kit.browser import browser, complaints, missing, requests
from tests.web.looking import FAINT, NAMELESS
from tests.web.shown import FIGURES
from tests.web.stage import LISTEN, Stage, Visit

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

pytestmark = [
    # A browser shows the same on every Python.
    pytest.mark.one_python,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]

TASKS = "api/v1/tasks"
KEY = "a-key-of-more-than-16-characters"
NASTY = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>\u202e"
TAB, ENTER, SPACE, ESCAPE, DOWN = "\ue004", "\ue007", " ", "\ue00c", "\ue015"
SHIFT, CONTROL = "\ue008", "\ue009"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    with browser(tmp_path_factory.mktemp("profile"), is_kept=True) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("stage"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """With nothing of the test before, whose page has been left by now."""
    shared.clear()
    return shared


@pytest.fixture
def visit(driver: WebDriver) -> Iterator[Visit]:
    """No error is on the console, and nobody else was asked, whatever a test does."""
    complaints(driver), requests(driver)
    made = Visit(driver)
    made.size(1280)
    made.scheme("light")
    yield made
    made.leave()
    assert made.unexpected() == []
    hosts = {urlsplit(url).hostname for url in requests(driver, "http")}
    assert hosts == {"127.0.0.1"}


# What is there.


def test_the_page_shows_all_methods_and_the_limits_of_the_service(
    visit: Visit, stage: Stage
) -> None:
    """Words and numbers are those that the service tells, and no others."""
    visit.open(stage.url)

    assert visit.count(".card input[name=kind]") == len(METHODS) == 7
    for method in METHODS:
        assert visit.is_shown(f"label[for=method-{method}]")
        assert "Best for:" in visit.text(f"#method-{method}-text")
    document = json.loads(visit.js(GET, f"{stage.url}openapi.json"))
    fields = document["components"]["schemas"]["TaskConfig"]["properties"]
    for name in ("items_count", "workers", "batch_size"):
        field = visit.find(f"#start-{name}")
        for end in ("min", "max"):
            assert float(field.get_attribute(end) or "") == fields[name][f"{end}imum"]
        assert int(field.get_attribute("value") or "") == fields[name]["default"]
    assert visit.find("#start-db_delay_s").get_attribute("placeholder") == "1"
    assert "The service is well." in visit.text(".health")
    assert "Only this machine is served" in visit.text(".health")
    assert visit.is_shown("#no-tasks")


# A script of the page asks as well as any other.
GET = """
const asked = new XMLHttpRequest();
asked.open("GET", arguments[0], false);
asked.send();
return asked.responseText;
"""


def test_a_part_that_is_not_well_is_named(visit: Visit, stage: Stage) -> None:
    """With what it says itself."""
    stage.desk.faults = {"cache": f"Redis {NASTY} is away"}
    visit.open(stage.url)

    visit.until_text("#health-text", "not as it should")
    assert "degraded" in visit.text("#health-status")
    assert visit.text("#health-parts").startswith("cache: Redis <img src=x")


# A task.


def test_a_task_is_started_watched_and_cancelled(visit: Visit, stage: Stage) -> None:
    """Its bar moves by a stream, and the desk is told to cancel."""
    visit.open(stage.url)
    visit.start("multiprocessing", 200)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    visit.until(lambda: visit.status(task) == "pending")
    assert stage.desk.said[-1] == "start multiprocessing for local"
    assert "about 52 s" in visit.text("#start-told")

    for done in (20, 50, 120):
        stage.change(task, TaskStatus.RUNNING, done)
        visit.until(lambda done=done: visit.bar(task) == done / 200)
        visit.until(lambda: visit.status(task) == "running")
    visit.until_text(f"#{task} .numbers", "120 of 200 items")
    assert ("GET", f"/{TASKS}/events/{task}") in stage.asked

    visit.click(f"#{task} .danger")
    visit.until(lambda: visit.status(task) == "cancelled")
    assert stage.desk.said[-1] == f"cancel {task}"
    assert not visit.is_shown(f"#{task} .danger")
    assert visit.bar(task) == 0.6


def test_several_tasks_are_watched_at_once(visit: Visit, stage: Stage) -> None:
    """More than there are streams for, so some of them are asked for."""
    visit.open(stage.url)
    kinds = ("sequential", "threading", "batch_async", "auto", "background")
    for number, kind in enumerate(kinds, 1):
        visit.start(kind, 100)
        visit.until(lambda number=number: len(stage.desk.known) == number)
    for done, task in enumerate(stage.desk.known, 10):
        stage.change(task, TaskStatus.RUNNING, done)
    for done, task in enumerate(stage.desk.known, 10):
        visit.until(lambda done=done, task=task: visit.bar(task) == done / 100)
    streams = {path for _, path in stage.asked if "/events/" in path}
    assert 1 <= len(streams) <= 3
    assert "5 at work or waiting" in visit.text("#task-count")

    for task in list(stage.desk.known):
        stage.change(task, TaskStatus.COMPLETED, 100)
    visit.until(lambda: visit.count(".task .chip.completed") == 5)


def test_without_streams_the_bar_moves_as_well(visit: Visit, stage: Stage) -> None:
    """The page asks for the list again and again."""
    visit.expected = ("503",)
    stage.has_streams = False
    visit.open(stage.url)
    visit.start("auto", 100)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    for done in (10, 70):
        stage.change(task, TaskStatus.RUNNING, done)
        visit.until(lambda done=done: visit.bar(task) == done / 100)
    stage.change(task, TaskStatus.COMPLETED, 100)
    visit.until(lambda: visit.status(task) == "completed")


def test_a_stream_that_is_cut_off_goes_on_where_it_was(
    visit: Visit, stage: Stage
) -> None:
    """The page says which event it has heard last."""
    visit.open(stage.url)
    visit.start("auto", 100)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    stage.change(task, TaskStatus.RUNNING, 10)
    visit.until(lambda: visit.bar(task) == 0.1)
    visit.until(lambda: stage.cuts)
    stage.cut()
    stage.change(task, TaskStatus.RUNNING, 40)
    again = ("GET", f"/{TASKS}/events/{task}")
    visit.until(lambda: stage.asked.count(again) == 2)
    last = max(n for n, asked in enumerate(stage.asked) if asked == again)
    assert stage.told[last]["last-event-id"] == "1"
    visit.until(lambda: visit.bar(task) == 0.4)
    stage.change(task, TaskStatus.COMPLETED, 100)
    visit.until(lambda: visit.status(task) == "completed")


def test_results_are_turned_page_by_page(visit: Visit, stage: Stage) -> None:
    """Forth and back; what has failed says why, as text."""
    stage.desk.is_quick = True
    visit.open(stage.url)
    visit.start("sequential", 120)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    visit.until(lambda: visit.status(task) == "completed")
    visit.click(f"#{task} .acts button:nth-child(2)")

    visit.until_text("#items-where", "Items 0 to 49 of 120")
    assert visit.count("#items-rows tr") == 50
    assert "ValueError: <b>item</b> 7" in visit.text("#items-rows tr.failed")
    visit.click("#items-next")
    visit.until_text("#items-where", "Items 50 to 99")
    visit.click("#items-next")
    visit.until_text("#items-where", "Items 100 to 119")
    assert visit.find("#items-next").get_property("disabled") is True
    # The button that was pressed is of no use now, and the keyboard is not lost.
    assert visit.at() == "items-back"
    visit.click("#items-back")
    visit.until_text("#items-where", "Items 50 to 99")
    visit.press(ESCAPE)
    assert not visit.is_shown("#items")


# A comparison.


def test_a_comparison_is_a_chart_and_a_table_with_the_numbers_of_the_service(
    visit: Visit, stage: Stage
) -> None:
    """Seven bars, what is estimated is to be told apart, and the best one is named."""
    visit.open(stage.url)
    visit.type("#compare-items_count", "2000")
    visit.type("#compare-budget_s", "7.5")
    visit.click("#compare-button")
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    config = stage.desk.known[task].config
    assert (config.items_count, getattr(config, "budget_s", None)) == (2000, 7.5)
    stage.change(task, TaskStatus.RUNNING, 900)
    visit.until_text(f"#{task} .numbers", "45 % measured")
    assert visit.bar(task) == 0.45
    assert not visit.is_shown("#found")

    stage.change(task, TaskStatus.COMPLETED, 2000)
    visit.until(lambda: visit.count("#chart .row") == 7)

    told = json.loads(visit.js(GET, f"{stage.url}{TASKS}/compare/{task}"))
    bars = visit.js(
        "return [...document.querySelectorAll('#chart .row')].map((row) => ["
        "row.dataset.method, Number(row.dataset.seconds),"
        "row.querySelector('.bar').classList.contains('estimated'),"
        "row.querySelector('.bar').getBoundingClientRect().width,"
        "row.querySelector('.value').textContent])"
    )
    assert [bar[:3] for bar in bars] == [
        [each["method"], each["estimated_seconds"], each["is_estimate"]]
        for each in told["methods"]
    ]
    assert {bar[2] for bar in bars} == {True, False}
    widths = [bar[3] for bar in bars]
    assert widths == sorted(widths)
    assert widths[0] > 1
    assert [bar[4] for bar in bars][:3] == ["4.62 s", "6.04 s", "≈ 8 min 23 s"]
    assert visit.count("#found-rows tr") == 7
    assert visit.text("#chart .row.best .name") == "Auto★ best"
    assert visit.text("#found-best").startswith("Auto is best for 2,000 items")
    assert visit.text("#found-reason").lower() == told["reason"].lower()
    assert "436 times" in visit.text("#found-best")
    assert "2 other tasks ran" in visit.text("#found-others")
    # What to use here follows from it, and was asked for when the page was opened.
    asked = ("GET", f"/{TASKS}/recommendations")
    visit.until(lambda: stage.asked.count(asked) == 2)


def test_a_chart_can_be_linear_and_fits_any_window(visit: Visit, stage: Stage) -> None:
    """On a linear scale lengths are to each other as the times are."""
    stage.desk.is_quick = True
    visit.open(stage.url)
    visit.click("#compare-button")
    visit.until(lambda: visit.count("#chart .row") == 7)
    assert visit.find("#logarithmic").is_selected()
    visit.click("label[for=logarithmic]")
    script = (
        "return [...document.querySelectorAll('#chart .bar')]"
        ".map((bar) => Number(bar.getAttribute('width')))"
    )
    longest = max(time for time, _ in FIGURES.values())
    for width in (1280, 420):
        visit.size(width)
        visit.until(lambda: visit.js(FITS))
        visit.until(lambda: visit.js(WIDE_ENOUGH))
        widths = visit.js(script)
        for bar, (time, _) in zip(widths, FIGURES.values(), strict=True):
            assert bar == pytest.approx(max(2, widths[-1] * time / longest), rel=0.01)


FITS = "return document.documentElement.scrollWidth <= innerWidth"
WIDE_ENOUGH = """
const place = document.getElementById('chart');
return Number(place.firstChild.getAttribute('width')) === place.clientWidth;
"""


def test_advice_fills_in_the_form(visit: Visit, stage: Stage) -> None:
    """With the method and the limits that it names."""
    visit.open(stage.url)
    assert visit.count("#advice-list .advice") == 3
    assert "about 1 min 26 s, estimated" in visit.text("#advice-list .advice")
    assert "10.1 s, measured" in visit.text("#advice-list .advice:last-child")

    visit.click("#advice-list .advice:nth-child(2) button")
    assert visit.find("#method-multiprocessing").is_selected()
    assert visit.find("#start-items_count").get_property("value") == "20000"
    assert not visit.find("#start-simulate_db_delay").is_selected()
    assert not visit.find("#start-db_delay_s").is_enabled()
    visit.press(ENTER)
    visit.until(lambda: stage.desk.known)
    config = stage.desk.known[stage.newest()].config
    assert (config.items_count, config.workers) == (20_000, 3)
    assert (config.simulate_db_delay, config.simulate_redis_delay) == (False, True)

    visit.click("#advice-list .advice:first-child button")
    assert visit.find("#method-background").is_selected()
    assert visit.is_shown("#start-method")
    assert visit.find("#start-method").get_property("value") == "auto"


# What goes wrong.


def test_a_refusal_of_the_service_is_shown_as_it_says_it(
    visit: Visit, stage: Stage
) -> None:
    """At the field that is meant, or at the form."""
    visit.expected = ("503", "422")
    visit.open(stage.url)
    stage.desk.refusal = QueueFullError("100 tasks wait already: come again", 3)
    visit.click("#start-button")
    visit.until_text("#start-fault", "100 tasks wait already: come again")

    stage.desk.refusal = None
    visit.js("document.getElementById('start-items_count').removeAttribute('max')")
    visit.type("#start-items_count", "100001")
    visit.click("#start-button")
    visit.until_text("#start-items_count-fault", "less than or equal to 100000")
    assert visit.text("#start-fault") == ""
    assert visit.at() == "start-items_count"
    assert visit.find("#start-items_count").get_attribute("aria-invalid") == "true"
    assert not stage.desk.known

    visit.type("#start-items_count", "100")
    visit.click("#start-button")
    visit.until(lambda: stage.desk.known)
    visit.until(lambda: visit.text("#start-items_count-fault") == "")


def test_what_a_task_says_stays_text(visit: Visit, stage: Stage) -> None:
    """Whatever it is: no element comes of it, no script, no text that turns around."""
    visit.open(stage.url)
    visit.start("auto", 10)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    stage.served.do(stage.desk.say(task, message=NASTY))
    stage.served.do(stage.desk.fail(task, f"ValueError: {NASTY}"))
    visit.until(lambda: visit.status(task) == "failed")

    visit.until_text(f"#{task} .note", "<img src=x")
    assert visit.text(f"#{task} .fault") == f"ValueError: {NASTY[:-1]}\\u202e"
    assert visit.count(".task img, .task script, main img") == 0
    assert "owned" not in visit.driver.title


def test_no_text_can_become_markup(visit: Visit, stage: Stage) -> None:
    """The browser refuses it, if the page should ever try."""
    visit.expected = ("TrustedHTML",)
    visit.open(stage.url)
    refused = visit.js(
        "try { document.body.innerHTML = '<b>x</b>'; return 'done' }"
        "catch (error) { return error.name }"
    )
    assert refused == "TypeError"


def test_a_service_that_is_away_is_told_and_its_return_as_well(
    visit: Visit, tmp_path: Path
) -> None:
    """The page asks again by itself, and all that runs is as it stands by then."""
    visit.expected = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE", "ERR_EMPTY_RESPONSE")
    visit.expected += ("ERR_CONNECTION_RESET",)
    stage = Stage(tmp_path)
    stage.start()
    visit.open(stage.url)
    visit.start("auto", 100)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    stage.change(task, TaskStatus.RUNNING, 10)
    visit.until(lambda: visit.bar(task) == 0.1)
    visit.js(LISTEN)

    stage.stop()
    visit.until(lambda: visit.is_shown("#away"))
    assert "The service does not answer." in visit.text("#away")
    visit.click("#start-button")
    visit.until_text("#start-fault", "The service does not answer.")

    stage.start()
    stage.change(task, TaskStatus.RUNNING, 60)
    visit.until_text("#away", "The service answers again.")
    visit.until(lambda: visit.bar(task) == 0.6)
    visit.until(lambda: "The service answers again." in visit.js("return heard"))
    assert "does not answer" in visit.js("return heard")[0]
    stage.change(task, TaskStatus.COMPLETED, 100)
    visit.until(lambda: visit.status(task) == "completed")
    visit.leave()
    stage.stop()


def test_the_page_works_below_any_path(visit: Visit, tmp_path: Path) -> None:
    """As a part of another application, or behind a proxy."""
    stage = Stage(tmp_path, below="/heavy")
    stage.start()
    visit.open(stage.url)
    visit.start("auto", 100)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    stage.change(task, TaskStatus.RUNNING, 40)
    visit.until(lambda: visit.bar(task) == 0.4)
    assert all(path.startswith("/heavy/") for _, path in stage.asked)
    visit.click("nav a[href='queues/page']")
    visit.until_ready()
    assert visit.is_shown("#no-dead")
    visit.click("#home")
    visit.until_ready()
    assert visit.bar(task) == 0.4
    visit.leave()
    stage.stop()


# Keys.


def test_a_key_is_asked_for_and_kept_in_this_tab(visit: Visit, tmp_path: Path) -> None:
    """It is sent in a header, also to a stream, and never in an address."""
    visit.expected = ("401",)
    stage = Stage(tmp_path, api_keys=f"me:{KEY}", rate_per_minute=1000)
    stage.start()
    visit.driver.get(stage.url)
    visit.until(lambda: visit.is_shown("#key"))
    assert not visit.is_shown("#main")
    assert visit.at() == "key-input"

    visit.press(*"a-key-that-is-none-of-ours", ENTER)
    visit.until_text("#key-fault", "none of ours")
    assert not visit.is_shown("#main")
    visit.type("#key-input", KEY)
    visit.press(ENTER)
    visit.until_ready()
    assert "Whoever has an API key" in visit.text(".health")
    assert visit.is_shown("#main")
    visit.start("auto", 100)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    assert stage.desk.said[-1] == "start auto for me"
    stage.change(task, TaskStatus.RUNNING, 30)
    visit.until(lambda: visit.bar(task) == 0.3)
    visit.until(lambda: ("GET", f"/{TASKS}/events/{task}") in stage.asked)
    stream = stage.asked.index(("GET", f"/{TASKS}/events/{task}"))
    assert stage.told[stream]["x-api-key"] == KEY
    assert not any(KEY in target for _, target in stage.asked)
    assert visit.js("return Object.values(localStorage)") == [stage.url]
    assert visit.js("return document.cookie") == ""

    visit.driver.refresh()
    visit.until_ready()
    visit.driver.switch_to.new_window("tab")
    visit.driver.get(stage.url)
    visit.until(lambda: visit.is_shown("#key"))
    visit.driver.close()
    visit.driver.switch_to.window(visit.driver.window_handles[0])
    visit.click("#key-forget")
    visit.until(lambda: visit.is_shown("#key"))
    assert visit.js("return sessionStorage.length") == 0
    visit.leave()
    stage.stop()


# Two tabs.


def test_two_tabs_see_the_same(visit: Visit, stage: Stage) -> None:
    """What is started in one is cancelled in the other, and both say so."""
    visit.open(stage.url)
    first = visit.driver.current_window_handle
    visit.driver.switch_to.new_window("tab")
    visit.open(stage.url)
    second = visit.driver.current_window_handle
    visit.start("threading", 100)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    stage.change(task, TaskStatus.RUNNING, 30)
    visit.until(lambda: visit.bar(task) == 0.3)

    visit.driver.switch_to.window(first)
    visit.until(lambda: visit.bar(task) == 0.3)
    visit.click(f"#{task} .danger")
    visit.until(lambda: visit.status(task) == "cancelled")
    visit.driver.switch_to.window(second)
    visit.until(lambda: visit.status(task) == "cancelled")


# By keyboard, and for those who do not see it.


def test_all_of_it_works_by_keyboard_alone(visit: Visit, stage: Stage) -> None:
    """To choose, to start, to cancel, to look at results and to go back."""
    visit.open(stage.url)
    visit.press(TAB)
    assert visit.at() == "To the content"
    visit.press(ENTER)
    visit.tab_to("method-auto")
    visit.press(DOWN)  # from the last one to the first one
    assert visit.find("#method-sequential").is_selected()
    visit.press(DOWN, DOWN, DOWN)
    assert visit.find("#method-batch_async").is_selected()
    visit.tab_to("start-items_count")
    visit.press(f"{CONTROL}a", *"80", ENTER)  # all of it is typed over
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    assert stage.desk.known[task].config.items_count == 80
    stage.change(task, TaskStatus.RUNNING, 40)
    visit.until(lambda: visit.bar(task) == 0.5)
    visit.tab_to("Results")
    visit.press(ENTER)
    visit.until_text("#items-where", "Items 0 to 39")
    visit.press(ESCAPE)
    assert visit.at() == "Results"
    visit.press(f"{SHIFT}{TAB}")
    assert visit.at() == "Cancel"
    visit.press(SPACE)
    visit.until(lambda: visit.status(task) == "cancelled")
    assert visit.at() == task


def test_a_screen_reader_is_told_of_what_matters(visit: Visit, stage: Stage) -> None:
    """That a task was taken, and how it has ended: not of each item in between."""
    visit.open(stage.url)
    visit.js(LISTEN)
    visit.start("auto", 100)
    visit.until(lambda: stage.desk.known)
    task = stage.newest()
    for done in range(1, 60):
        stage.change(task, TaskStatus.RUNNING, done)
    visit.until(lambda: visit.bar(task) == 0.59)
    stage.change(task, TaskStatus.COMPLETED, 100)
    visit.until(lambda: any("completed" in each for each in visit.js("return heard")))

    heard = visit.js("return heard")
    assert heard[0] == "Auto was taken, which takes about 52 s."
    assert heard[-1].startswith("Auto completed. 100 of 100 items")
    assert len(heard) <= 4
    assert visit.find("#speech").get_attribute("role") == "status"


def test_everything_has_a_name_and_can_be_read(visit: Visit, stage: Stage) -> None:
    """In both schemes, wide and narrow: contrast by WCAG AA, no scrolling sideways."""
    stage.desk.is_quick = True
    stage.desk.faults = {"cache": "away"}
    visit.open(stage.url)
    visit.start("auto", 60)
    visit.click("#compare-button")
    visit.until(lambda: visit.count("#chart .row") == 7)
    stage.desk.is_quick = False
    visit.start("threading", 60)
    visit.until(lambda: len(stage.desk.known) == 3)
    task = stage.newest()
    stage.change(task, TaskStatus.RUNNING, 30)
    visit.until(lambda: visit.bar(task) == 0.5)

    assert visit.js(NAMELESS) == []
    ids = visit.js("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    for scheme in ("light", "dark"):
        visit.scheme(scheme)
        backs = visit.js("return getComputedStyle(document.body).backgroundColor")
        assert (backs == "rgb(243, 245, 248)") is (scheme == "light")
        for width in (1400, 420, 320):
            visit.size(width)
            assert visit.js("return document.documentElement.scrollWidth") <= width
        assert visit.js(FAINT) == []


def test_a_scheme_can_be_chosen_and_is_kept(visit: Visit, stage: Stage) -> None:
    """Whatever the system says, and before anything is shown."""
    visit.open(stage.url)
    script = "return getComputedStyle(document.body).backgroundColor"
    light = visit.js(script)
    visit.click("label[for=scheme-dark]")
    dark = visit.js(script)
    assert dark != light
    visit.open(stage.url)
    assert visit.js(script) == dark
    assert visit.find("#scheme-dark").is_selected()
    visit.click("label[for=scheme-system]")
    assert visit.js(script) == light
