"""Jobs whose workers look whether their queues are well."""

from __future__ import annotations

import os
from pathlib import Path

from cotality.jobs import Jobs
from cotality.jobs.health import Alert, AlertRules
from tests.jobs.shop import note, work


def tell(alert: Alert) -> None:
    note(os.environ["FOLDER_OF_TESTS"], f"{os.getpid()} {alert.text}")


def fail(alert: Alert) -> None:
    raise ConnectionError("nobody is there to be told")


def made(url: str) -> Jobs:
    jobs = Jobs(url)
    jobs.job(name="work", queue="served", runs_on="threads")(work)
    jobs.watch(
        AlertRules(depth=2, oldest_s=None, no_worker_s=None),
        tell=[fail, tell],
        every=1,
    )
    return jobs


URL = os.environ.get("COTALITY_JOBS_URL")
jobs = made(URL) if URL and Path(os.environ.get("FOLDER_OF_TESTS", "/")).name else None
