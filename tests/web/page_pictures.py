"""Takes the pictures of pages that the documentation shows.

``python -m tests.web.page_pictures docs`` photographs the page of queues of a small
shop in a browser without a screen; then it starts the service, lets it compare its
methods and do some tasks, and photographs its page.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fastapi import FastAPI
from PIL import Image

from cotality.web import queues_router
from tests.jobs.workers import WorkerProgram
from tests.kit.browser import browser, missing
from tests.kit.helpers import wait_until
from tests.web.served import Served
from tests.web.servers import Server
from tests.web.stage import Visit

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

WIDTH = 1200
COLOURS = 160  # enough for a page, and a small file
PATIENCE_S = 600.0
OPTIONS = ("--queue", "mail=1", "--queue", "images=2")
# The page says on which machine it measured. That it was this one is nobody's business.
MACHINE = "server-1"
NAMED = """
const note = document.getElementById("found-machine");
const said = note.textContent;
note.textContent = said.replace(`on ${arguments[0]},`, `on ${arguments[1]},`);
if (note.textContent === said) throw new Error(`no machine in ${said}`);
"""


def of_the_service(visit: Visit, folder: Path, picture: Path) -> None:
    """Its tasks, and a comparison."""
    server = Server(folder)
    server.start()
    try:
        visit.open(f"http://127.0.0.1:{server.port}/")
        compare_and_start(visit)
        visit.js(NAMED, socket.gethostname(), MACHINE)
        top, bottom = "tasks.offsetTop - 20", "advice.offsetTop - 1"
        take(visit, picture, f"return [{top}, {bottom}]")
    finally:
        server.end()


def compare_and_start(visit: Visit) -> None:
    visit.type("#compare-items_count", "1000")
    visit.type("#compare-budget_s", "30")
    visit.click("#compare-button")
    visit.until(lambda: visit.count("#chart .row") == 7, PATIENCE_S)
    visit.start("background", 50_000)
    visit.click("label[for=method-multiprocessing]")
    visit.click("#start-simulate_db_delay")
    visit.type("#start-items_count", "10000")
    visit.click("#start-button")
    visit.until(lambda: visit.count("#task-list > li") == 3)
    newest = str(visit.find("#task-list > li").get_attribute("id"))
    visit.until(lambda: visit.bar(newest) > 0.4, PATIENCE_S)


def of_queues(visit: Visit, folder: Path, picture: Path) -> None:
    """With dead letters, and a queue that nobody serves."""
    os.environ["COTALITY_JOBS_URL"] = f"sqlite:///{folder / 'shop.db'}"
    from tests.web.picture_jobs import (
        jobs,
        make_thumbnail,
        nightly_report,
        send_receipt,
    )

    orders = [send_receipt.enqueue_sync(order) for order in (311, 312)]
    photos = [f"{name}.jpg" for name in ("harbour", "broken-mast", "sail")]
    ended = [*orders, *(make_thumbnail.enqueue_sync(photo) for photo in photos)]
    app = FastAPI()
    app.include_router(queues_router(jobs))
    served = Served(app)
    served.start()
    try:
        with WorkerProgram(
            jobs.url, folder, *OPTIONS, target="tests.web.picture_jobs:jobs"
        ):
            wait_until(lambda: all(each.status_sync().is_over for each in ended))
            nightly_report.enqueue_sync()
            make_thumbnail.using(delay=3600).enqueue_sync("anchor.jpg")
            visit.open(f"{served.url}queues/page")
            take(visit, picture, "return [0, document.body.scrollHeight - 20]")
    finally:
        visit.driver.get("about:blank")
        served.stop()
        jobs.close()


def take(visit: Visit, picture: Path, part: str) -> None:
    """Photograph the page, from the first line that *part* returns to the second."""
    visit.size(WIDTH, visit.js("return document.body.scrollHeight"))
    top, bottom = visit.js(part)
    shot = Image.open(io.BytesIO(visit.driver.get_screenshot_as_png()))
    shot = shot.crop((0, int(top), WIDTH, int(bottom))).convert("RGB")
    shot.quantize(COLOURS).save(picture, optimize=True)


def all_of(driver: WebDriver, folder: Path, docs: Path) -> None:
    visit = Visit(driver)
    visit.size(WIDTH)
    of_queues(visit, folder, docs / "do" / "queues.png")
    of_the_service(visit, folder, docs / "learn" / "service.png")


def main(docs: Path) -> None:
    if reason := missing():
        raise SystemExit(reason)
    docs = docs.absolute()
    with TemporaryDirectory() as made:
        folder = Path(made)
        with browser(folder / "profile") as driver:
            all_of(driver, folder, docs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
