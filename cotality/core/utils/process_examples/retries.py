"""Tasks that fail at first and are run again."""

from __future__ import annotations

from cotality.core.utils.process import Retry, Task, iter_outcomes

from .output import confirm, say
from .server import BusyPages, fetch, web_server
from .sources import library_folder, standard_library


def retries(scale: float) -> None:
    """Fetch pages from a server that is too busy at first.

    It refuses each page twice. A task that failed is run again after a random
    pause, which gets longer, and occupies no thread meanwhile.

        policy = Retry(2, on=OSError, backoff=0.1)
        for outcome in iter_outcomes(tasks, 8, retries=policy):
    """
    pages = [s.name for s in standard_library()[: max(5, round(20 * scale))]]
    BusyPages.asked.clear()
    attempts: list[int] = []
    with web_server(library_folder(), BusyPages) as port:
        tasks = [Task.of(fetch, port, page) for page in pages]
        policy = Retry(2, on=OSError, backoff=0.1)
        for outcome in iter_outcomes(tasks, 8, retries=policy):
            if not attempts:
                for number, error in enumerate(outcome.earlier_errors, 1):
                    say(f"attempt {number}: {error}")
                say(f"attempt {outcome.attempts}: {outcome.unwrap():,} bytes")
            attempts.append(outcome.attempts)
    confirm("every page was there at the third attempt", attempts == [3] * len(pages))
