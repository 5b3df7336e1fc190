"""Tasks that wait for a network, on threads."""

from __future__ import annotations

from cotality.core.utils.process import Task, execute_tasks_in_parallel

from .output import Measured, Stopwatch, confirm, say_measured
from .server import fetch, web_server
from .sources import library_folder, standard_library

PAGES = 300


def input_output(scale: float) -> None:
    """Fetch some hundred pages from a web server, on threads.

    A task that waits for a network does not compute, so threads are enough, and
    there may be many more of them than CPUs. The server is a real one on this
    machine; it takes 10 ms for each page.

        tasks = [Task.of(fetch, port, page) for page in pages]
        sizes = execute_tasks_in_parallel(tasks, max_workers=32)
    """
    pages = [s.name for s in standard_library()[: max(10, round(PAGES * scale))]]
    with web_server(library_folder()) as port:
        clock = Stopwatch()
        by_loop = [fetch(port, page) for page in pages]
        loop = Measured("plain loop", len(pages), clock.lap())

        tasks = [Task.of(fetch, port, page) for page in pages]
        sizes = execute_tasks_in_parallel(tasks, max_workers=32)
        threads = Measured("32 threads", len(pages), clock.lap())

    say_measured("pages", loop, threads)
    confirm("every page has the size that the loop found", sizes == by_loop)
