"""Takes the picture of the service's page that the documentation shows.

``python -m tests.web.page_picture docs/learn/service.png`` starts the service, lets it
compare its methods and do some tasks, and photographs its page in a browser without a
screen.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.kit.browser import browser, missing
from tests.web.servers import Server
from tests.web.stage import Visit

WIDTH = 1200
COLOURS = 96  # enough for a page, and a small file
PATIENCE_S = 300.0


def prepare(visit: Visit) -> None:
    """Have a comparison that is over, and tasks that run."""
    visit.type("#compare-items_count", "1000")
    visit.type("#compare-budget_s", "25")
    visit.click("#compare-button")
    visit.until(lambda: visit.count("#chart .row") == 7, PATIENCE_S)
    visit.start("background", 50_000)
    visit.click("label[for=method-multiprocessing]")
    visit.click("#start-simulate_db_delay")
    visit.type("#start-items_count", "10000")
    visit.click("#start-button")
    visit.until(lambda: visit.count("#task-list > li") == 3)
    newest = str(visit.find("#task-list > li").get_attribute("id"))
    visit.until(lambda: visit.bar(newest) > 0.3, PATIENCE_S)


def main(picture: Path) -> None:
    if reason := missing():
        raise SystemExit(reason)
    with TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            with browser(Path(folder, "profile")) as driver:
                visit = Visit(driver)
                visit.size(WIDTH)
                visit.open(f"http://127.0.0.1:{server.port}/")
                prepare(visit)
                # From the tasks on, to the end of the comparison.
                visit.size(WIDTH, visit.js("return document.body.scrollHeight"))
                top, bottom = visit.js(
                    "return [tasks.offsetTop - 20, advice.offsetTop - 1]"
                )
                shot = Image.open(io.BytesIO(driver.get_screenshot_as_png()))
                shot = shot.crop((0, int(top), WIDTH, int(bottom)))
                shot.convert("RGB").quantize(COLOURS).save(picture, optimize=True)
        finally:
            server.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
