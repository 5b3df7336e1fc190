"""What a run did, as text and as a page for a browser."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cotality.core.utils.process import RunReport, Task, execute_tasks_in_parallel

from .output import confirm, say
from .sources import library_folder, some_of, standard_library
from .unordered import count_nodes


def nodes_in(name: str) -> int:
    """How many nodes the syntax tree of the module *name* has."""
    return count_nodes((library_folder() / name).read_bytes())


def report(scale: float) -> None:
    """Have a call write a report, with a picture of who did what when.

    A RunReport is filled while a call runs. It can say what there is to know as
    text, why the call was not faster, and all of it as a page for a browser.

        run = RunReport()
        execute_tasks_in_parallel(tasks, 2, True, on_error="return", report=run)
        run.save_html(page)
    """
    sources = some_of(standard_library(), scale / 3)
    tasks = [Task.of(nodes_in, source.name) for source in sources]
    run = RunReport()
    execute_tasks_in_parallel(tasks, 2, True, on_error="return", report=run)

    say(run.summary())
    say(f"\n{run.explain()}\n")
    confirm("each task is in it once", run.done + run.failed == len(tasks))
    page = page_to_keep()
    run.save_html(page)
    say(f"The page: {page.as_uri()}")


def page_to_keep() -> Path:
    """A new file for a page, among the temporary ones, which the system cleans up."""
    descriptor, name = tempfile.mkstemp(".html", "cotality-report-")
    os.close(descriptor)
    return Path(name)
