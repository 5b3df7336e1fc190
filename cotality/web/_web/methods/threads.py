"""Threads of one process: they wait together, and compute one at a time."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from .order import Done, Give, Order, done_here

AHEAD = 4  # items that are handed out, for each thread


def threads(order: Order, give: Give) -> None:
    """Do all items on as many threads as there are workers.

    Items are handed out as threads become free, so that no more of them are in memory
    than are needed.
    """
    indices, most = iter(order.indices), AHEAD * order.workers
    running: set[Future[Done]] = set()
    with ThreadPoolExecutor(order.workers, "web-item") as pool:
        while True:
            while len(running) < most and (index := next(indices, None)) is not None:
                running.add(pool.submit(done_here, order.recipe, index))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                give(future.result())
