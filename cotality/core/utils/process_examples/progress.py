"""How far a call is while it runs."""

from __future__ import annotations

from cotality.core.utils.process import (
    Progress,
    Task,
    execute_tasks_in_parallel,
)

from .ordered import fingerprint
from .output import confirm, say
from .sources import some_of, standard_library


class Quarters:
    """Prints how far a call is, each time another quarter of it is done."""

    shown: int

    def __init__(self) -> None:
        self.shown = 0
        self.latest: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Look at *progress*, and print it if it is time."""
        self.latest = progress
        quarter = 4 * progress.done // (progress.total or 1)
        if quarter > self.shown:
            self.shown = quarter
            say(f"{progress.done:6,} of {progress.total:,}, {progress.rate:5,.0f}/s")


def progress(scale: float) -> None:
    """Watch how far a call is while it runs.

    A function gets a Progress up to 20 times a second, and once at the end; here
    it prints every quarter. progress=True would draw a bar on standard error.

        execute_tasks_in_parallel(tasks, use_processes=True, progress=quarters)
    """
    sources = some_of(standard_library(), scale / 3)
    tasks = [Task.of(fingerprint, source.content) for source in sources]
    quarters = Quarters()
    execute_tasks_in_parallel(tasks, use_processes=True, progress=quarters)

    last = quarters.latest
    assert last is not None
    confirm(
        "the last one came at the end, with all tasks done, none in flight",
        last.finished and (last.done, last.in_flight) == (len(tasks), 0),
    )
