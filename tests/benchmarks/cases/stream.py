"""A million tasks made as they are needed: time, memory, and how far ahead they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from tests.benchmarks.contenders import CORES, OURS, THREADS
from tests.benchmarks.machine import peak_memory_of_all
from tests.benchmarks.measure import Case, Figure, Samples, at_most
from tests.benchmarks.work import echo

TASKS = 1_000_000
SETTLED = 10_000  # results after which everything that stays is there
GROWTH_LIMIT = 30  # MB
PORTIONS_AHEAD, LARGEST_PORTION = 4, 512  # the documented window for tiny tasks


def window(workers: int) -> int:
    return workers * PORTIONS_AHEAD * LARGEST_PORTION


class Watched:
    """Counts how many items were made, how many taken, and the most in between."""

    def __init__(self) -> None:
        self.made = self.taken = self.ahead = 0

    def items(self, make: Callable[[int], Any]) -> Iterator[Any]:
        for number in range(TASKS):
            self.made += 1
            if self.made - self.taken > self.ahead:
                self.ahead = self.made - self.taken
            yield make(number)


def figures(stream: Iterator[Any], watched: Watched) -> Samples:
    """What it takes to read all of *stream*."""
    settled = 0.0
    began = perf_counter()
    for _ in stream:
        watched.taken += 1
        if watched.taken == SETTLED:
            settled = peak_memory_of_all()
    took = perf_counter() - began
    assert watched.taken == TASKS
    growth = peak_memory_of_all() - settled
    return {"time": [took], "growth": [growth], "ahead": [watched.ahead]}


def ours(workers: int, *, processes: bool) -> Samples:
    from cotality.core.utils.process import Task, execute_tasks_in_parallel_streaming

    watched = Watched()
    tasks = watched.items(lambda number: Task(echo, {"value": number}))
    stream = execute_tasks_in_parallel_streaming(tasks, workers, processes)
    return figures(stream, watched)


def joblib_generator(workers: int, *, backend: str) -> Samples:
    from joblib import Parallel, delayed

    watched = Watched()
    tasks = watched.items(lambda number: delayed(echo)(value=number))
    parallel = Parallel(n_jobs=workers, backend=backend, return_as="generator")
    return figures(parallel(tasks), watched)


def imap(workers: int) -> Samples:
    from multiprocessing import Pool

    watched = Watched()
    with Pool(workers) as pool:
        return figures(pool.imap(echo, watched.items(int), chunksize=500), watched)


TIME = Figure("time", "s")
GROWTH = Figure("growth", "MB more at the end", comparable=False)
AHEAD = Figure("ahead", "tasks read ahead at most", comparable=False)

CASES = [
    Case(
        "stream-threads",
        "1,000,000 tasks that do nothing, made one by one as they are read, and their "
        "results taken one by one, on threads. *Memory* is by how much the peak grows "
        "between the first 10,000 results and the last.",
        {
            OURS: partial(ours, THREADS, processes=False),
        },
        (TIME, GROWTH, AHEAD),
        (at_most("growth", GROWTH_LIMIT), at_most("ahead", window(THREADS))),
    ),
    Case(
        "stream-processes",
        "The same on one process for each core; the memory of all processes together. "
        "`Pool.imap` gets 500 items at a time, a number chosen for it by hand.",
        {
            OURS: partial(ours, CORES, processes=True),
            "joblib, loky, generator": partial(joblib_generator, CORES, backend="loky"),
            "multiprocessing Pool.imap, chunks of 500": partial(imap, CORES),
        },
        (TIME, GROWTH, AHEAD),
        (at_most("growth", GROWTH_LIMIT), at_most("ahead", window(CORES))),
    ),
]
