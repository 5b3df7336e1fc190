"""One executor that many callers share: an event loop, a service, a long queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from time import perf_counter

from benchmarks.contenders import CORES
from benchmarks.measure import Case, Figure, Samples, Target, at_least_ours
from benchmarks.work import echo

CALLERS = (1, 8, 64, 256)
SECONDS = 1.0  # that each number of callers goes on for
QUEUED = 60_000  # items that are submitted before one result is asked for


def ours() -> Executor:
    from cotality.core.utils.process import IsolatedProcessPoolExecutor

    return IsolatedProcessPoolExecutor(CORES)


def standard() -> Executor:
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(CORES)


async def rate(pool: Executor, callers: int, seconds: float) -> float:
    """Calls a second, of so many callers that each wait for one future at a time."""
    loop, done = asyncio.get_running_loop(), 0
    end = perf_counter() + seconds

    async def calls() -> None:
        nonlocal done
        while perf_counter() < end:
            await loop.run_in_executor(pool, echo, 1)
            done += 1

    began = perf_counter()
    await asyncio.gather(*(calls() for _ in range(callers)))
    return done / (perf_counter() - began)


def rates(executor: Callable[[], Executor]) -> Samples:
    with executor() as pool:
        asyncio.run(rate(pool, 8, SECONDS / 4))
        return {f"{n}": [asyncio.run(rate(pool, n, SECONDS))] for n in CALLERS}


def queue(executor: Callable[[], Executor]) -> Samples:
    """Microseconds for each item: of the submit alone, and until all have answered."""
    with executor() as pool:
        pool.submit(echo, 1).result()
        began = perf_counter()
        futures = [pool.submit(echo, number) for number in range(QUEUED)]
        submitted = perf_counter() - began
        for future in futures:
            future.result()
        whole = perf_counter() - began
    return {"submit": [submitted / QUEUED * 1e6], "whole": [whole / QUEUED * 1e6]}


CASES = [
    Case(
        "callers",
        "Calls a second of a function that does nothing, by as many callers in an "
        "event loop, each of which waits for one future at a time, on one warm worker "
        "for each core.",
        {
            "IsolatedProcessPoolExecutor": partial(rates, ours),
            "ProcessPoolExecutor": partial(rates, standard),
        },
        tuple(
            Figure(f"{n}", f"calls/s, {n} callers", higher_is_better=True)
            for n in CALLERS
        ),
        tuple(Target(f"{n}", "ProcessPoolExecutor", 1.0, False) for n in CALLERS),
    ),
    Case(
        "queue",
        "60,000 calls of a function that does nothing, all submitted before the first "
        "result is asked for: the time of one `submit`, and of one item in all.",
        {
            "IsolatedProcessPoolExecutor": partial(queue, ours),
            "ProcessPoolExecutor": partial(queue, standard),
        },
        (Figure("submit", "us/submit"), Figure("whole", "us/item")),
        (
            at_least_ours("submit", "ProcessPoolExecutor", 1.0),
            at_least_ours("whole", "ProcessPoolExecutor", 1.0),
        ),
    ),
]
