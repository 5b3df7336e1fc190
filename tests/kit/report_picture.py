"""Takes the picture of a report that the documentation shows.

``python -m tests.kit.report_picture docs/do/report.png`` runs some tasks on two
processes, writes the page of their report and photographs it in a browser without a
screen.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from cotality.core.utils.process import RunReport, Task, execute_tasks_in_parallel
from tests.kit.browser import browser, missing

SIZE = (1100, 640)


def resize(photo: int, seconds: float) -> int:
    time.sleep(seconds)
    if photo % 9 == 5:
        raise OSError(f"photo {photo} is cut off")
    return photo


def index(photos: range, seconds: float) -> range:
    time.sleep(seconds)
    return photos


def run() -> RunReport:
    """A run with tasks of two kinds, two failures, and one that takes very long."""
    tasks: list[Task[object]] = [
        Task(resize, {"photo": n, "seconds": 0.04 + 0.03 * (7 * n % 5)})
        for n in range(18)
    ]
    tasks.insert(6, Task(index, {"photos": range(6), "seconds": 0.12}))
    tasks.append(Task(index, {"photos": range(18), "seconds": 0.7}))
    execute_tasks_in_parallel([Task(time.time)] * 2, 2, True)  # start the workers
    report = RunReport()
    execute_tasks_in_parallel(
        tasks, 2, use_processes=True, return_exceptions=True, report=report
    )
    return report


def main(picture: Path) -> None:
    if reason := missing():
        raise SystemExit(reason)
    with TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        run().save_html(page)
        with browser(Path(folder, "profile"), size=SIZE) as driver:
            driver.get(page.as_uri())
            driver.execute_async_script(
                "requestAnimationFrame(() => requestAnimationFrame(arguments[0]));"
            )
            driver.save_screenshot(str(picture))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
