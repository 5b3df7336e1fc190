"""The page of queues, jobs and dead letters, in a real browser and on real jobs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from fastapi import FastAPI

from cotality.jobs import Jobs, JobStatus
from cotality.web import queues_router
from tests.jobs.shop import Shop
from tests.jobs.workers import WorkerProgram
from tests.kit.browser import browser, complaints, missing, requests
from tests.kit.helpers import wait_until
from tests.web.looking import FAINT, NAMELESS
from tests.web.served import Served
from tests.web.stage import Visit

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]

NASTY = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>\u202e"
ENTER, ESCAPE = "\ue007", "\ue00c"


class Done:
    """What some jobs have come to, in a store that each test gets a copy of.

    Attributes:
        strange: The id of the one whose name is a trap.
        waiting: The id of one that nobody runs.
        failed: Ids of dead letters, the newest first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shop = Shop(store_in(folder))
        jobs: Jobs = shop.jobs
        trap = jobs.job(name=NASTY, queue="mail")(self.trap)
        self.strange = trap.using(job_id="a/b?c=<i>#d").enqueue_sync(text=NASTY).id
        served = ("--queue", "default", "--queue", "mail")
        with WorkerProgram(jobs.url, folder, "--slots", "2", *served):
            for number in range(3):
                shop.fail.enqueue_sync(f"{NASTY} {number}")
            done = shop.add.enqueue_sync(1, 2)
            wait_until(lambda: len(jobs.dead()) == 4 and done.status_sync().is_over)
            # The worker tells now and then how long they took.
            wait_until(lambda: sum(each.run.count for each in jobs.times()) == 5)
        self.waiting = shop.add.using(queue="images").enqueue_sync(3, 4).id
        self.failed = [info.id for info in jobs.dead(queue="default")]
        jobs.close()

    @staticmethod
    def trap(text: str) -> None:
        """Never run: workers do not know it."""


def store_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'jobs.db'}"


class Site:
    """A service of somebody's own, in which queues have their page.

    Attributes:
        done: What its jobs have come to.
        shop: These jobs.
    """

    def __init__(self, done: Done, folder: Path) -> None:
        self.done = done
        shutil.copytree(done.folder, folder)
        self.shop = Shop(store_in(folder))
        app = FastAPI()
        app.include_router(queues_router(self.shop.jobs))
        self.served = Served(app)
        self.url = f"{self.served.url}queues/page"

    def status(self, job_id: str) -> JobStatus:
        return self.shop.jobs.handle(job_id).status_sync()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    with browser(tmp_path_factory.mktemp("profile"), is_kept=True) as made:
        yield made


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return Done(tmp_path_factory.mktemp("done"))


@pytest.fixture
def site(done: Done, tmp_path: Path) -> Iterator[Site]:
    made = Site(done, tmp_path / "site")
    made.served.start()
    yield made
    made.served.stop()
    made.shop.jobs.close()


@pytest.fixture
def visit(driver: WebDriver, site: Site) -> Iterator[Visit]:
    """The page, open, with no error on the console whatever a test does."""
    complaints(driver), requests(driver)
    made = Visit(driver)
    made.size(1280)
    made.scheme("light")
    made.open(site.url)
    yield made
    made.leave()
    assert made.unexpected() == []
    asked = requests(driver, "http")
    assert asked
    assert all(url.startswith(site.served.url) for url in asked)


def test_queues_jobs_and_dead_letters_are_shown(visit: Visit, site: Site) -> None:
    """As the store has them; what nobody serves is marked."""
    assert "no worker" in visit.text("#queues-rows tr:nth-child(2)")
    rows = visit.js(
        "return [...document.querySelectorAll('#queues-rows tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    found = {name: (waiting, dead) for name, waiting, _, _, _, _, dead, *_ in rows}
    assert found == {"default": ("0", "3"), "images": ("1", "0"), "mail": ("0", "1")}
    assert visit.count("#dead-list > li") == 4
    assert visit.count("#jobs-rows tr") == 6
    assert visit.text("#jobs-rows .chip.queued") == "○ queued"
    times = visit.js(
        "return [...document.querySelectorAll('#times-rows tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    runs = {name: int(count) for name, count, *_ in times}
    trap = NASTY.replace("\u202e", r"\u202e")
    assert runs == {site.shop.add.name: 1, site.shop.fail.name: 3, trap: 1}
    assert all(cell.endswith("s") for row in times for cell in row[2:])

    visit.click("#queues-rows tr:first-child button")
    visit.until(lambda: visit.count("#dead-list > li") == 3)
    visit.js(CHOOSE, "jobs-status", "SUCCEEDED")
    visit.until(lambda: visit.count("#jobs-rows tr") == 1)
    visit.js(CHOOSE, "jobs-queue", "images")
    visit.until(lambda: visit.is_shown("#no-jobs"))


CHOOSE = """
const select = document.getElementById(arguments[0]);
select.value = arguments[1];
select.dispatchEvent(new Event("change", {bubbles: true}));
"""


def test_whatever_jobs_are_called_and_say_stays_text(visit: Visit, site: Site) -> None:
    """Names, ids, arguments, errors and tracebacks."""
    name = f"{NASTY[:-1]}\\u202e"
    script = (
        "return [...document.querySelectorAll('#dead-list h3')].map(e => e.innerText)"
    )
    assert name in visit.js(script)
    visit.open(f"{site.url}#job={quote(site.done.strange, safe='')}")
    visit.until(lambda: visit.text("#job-title") == name)
    assert visit.text("#job-id") == site.done.strange
    assert "UnknownJobError" in visit.text("#job-fault")
    assert "<script>alert(1)</script>" in visit.text("#job-arguments")
    visit.press(ESCAPE)
    visit.open(f"{site.url}#job={site.done.failed[0]}")
    visit.until_text("#job-traceback", "<script>alert(1)</script>")
    assert visit.count("main img, dialog img, main script, dialog script") == 0
    assert "owned" not in visit.driver.title


def test_a_dead_letter_is_retried(visit: Visit, site: Site) -> None:
    """It waits again, and is no dead letter any more."""
    letter = site.done.failed[0]
    visit.click("#dead-list > li:first-child h3 button")
    visit.until_text("#job-id", letter)
    visit.until(lambda: visit.is_shown("#job-retry"))
    assert visit.count("#job-runs tr:not(.below)") == 1
    assert "ValueError" in visit.text("#job-runs tr.below")
    assert visit.js("return location.hash") == f"#job={letter}"
    visit.click("#job-retry")
    visit.until_text("#job-status", "queued")
    assert site.status(letter) is JobStatus.QUEUED
    assert visit.at() == "job-close"
    visit.press(ENTER)
    visit.until(lambda: visit.js("return location.hash") == "")
    visit.until(lambda: visit.count("#dead-list > li") == 3)
    visit.until_text("#dead-list", site.done.failed[1])


def test_several_dead_letters_are_retried_or_forgotten(
    visit: Visit, site: Site
) -> None:
    """Those that are chosen; before the last is gone for good somebody is asked."""
    newest, *_ = dead = [info.id for info in site.shop.jobs.dead()]
    assert not visit.find("#dead-retry").is_enabled()
    visit.click("#dead-list > li:nth-child(1) input")
    visit.click("#dead-list > li:nth-child(2) input")
    visit.click("#dead-list > li:nth-child(3) input")
    visit.until_text("#dead-retry", "Retry 3 chosen")
    visit.click("#dead-retry")
    visit.until(lambda: visit.count("#dead-list > li") == len(dead) - 3)
    visit.until_text("#dead-told", "3 jobs run again.")
    assert site.status(newest) is JobStatus.QUEUED

    left = [info.id for info in site.shop.jobs.dead()]
    visit.click("label[for=dead-all]")
    visit.click("#dead-forget")
    visit.until_text("#sure-question", "Forget this dead letter")
    visit.press(ESCAPE)
    visit.until(lambda: not visit.is_shown("#sure"))
    assert [info.id for info in site.shop.jobs.dead()] == left
    visit.click("#dead-forget")
    visit.click("#sure-yes")
    visit.until(lambda: visit.is_shown("#no-dead"))
    assert site.shop.jobs.dead() == []


def test_a_job_that_waits_is_cancelled(visit: Visit, site: Site) -> None:
    """From the list of jobs; the page says so."""
    visit.open(f"{site.url}#job={site.done.waiting}")
    visit.click("#job-cancel")
    visit.until_text("#job-status", "cancelled")
    assert site.status(site.done.waiting) is JobStatus.CANCELLED
    assert not visit.is_shown("#job-cancel")


def test_a_job_that_is_gone_is_told(visit: Visit, site: Site) -> None:
    """By the words of the service."""
    visit.expected = ("404",)
    visit.open(f"{site.url}#job=none")
    visit.until_text("#job-fault", "there is no job 'none'")
    assert not visit.is_shown("#job-body")


def test_all_of_it_can_be_read(visit: Visit) -> None:
    """In both schemes, wide and narrow, over the page and in a dialog."""
    for scheme in ("light", "dark"):
        visit.scheme(scheme)
        for width in (1400, 420):
            visit.size(width)
            assert visit.js("return document.documentElement.scrollWidth") <= width
        assert visit.js(FAINT) == []
    visit.click("#jobs-rows button")
    visit.until(lambda: visit.is_shown("#job-attempts, #no-attempts"))
    assert visit.js(FAINT) == []
    assert visit.js(NAMELESS) == []
