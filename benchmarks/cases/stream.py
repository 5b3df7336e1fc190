"""A million tasks made as they are needed: time, memory, and how far ahead they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks.contenders import CORES, OURS, THREADS
from benchmarks.machine import peak_memory_of_all
from benchmarks.measure import Case, Figure, Samples, at_least_ours, at_most
from benchmarks.work import echo

TASKS = 1_000_000
CHUNK = 500  # items at a time, for those who have to be told
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
    settled = peak = 0.0
    began = perf_counter()
    for _ in stream:
        watched.taken += 1
        if watched.taken == SETTLED:
            settled = peak_memory_of_all()
        elif watched.taken == TASKS - CHUNK:  # while all its workers are there
            peak = peak_memory_of_all()
    took = perf_counter() - began
    assert watched.taken == TASKS
    return {
        "time": [took],
        "peak": [peak],
        "growth": [peak - settled],
        "ahead": [watched.ahead],
    }


def ours(workers: int, *, processes: bool) -> Samples:
    from cotality import pmap_iter

    watched = Watched()
    items = watched.items(int)
    stream = pmap_iter(echo, items, workers=workers, processes=processes)
    return figures(stream, watched)


def ours_with_tasks(workers: int, *, processes: bool) -> Samples:
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


def imap(workers: int, *, processes: bool) -> Samples:
    from multiprocessing import Pool
    from multiprocessing.pool import ThreadPool

    watched = Watched()
    with (Pool if processes else ThreadPool)(workers) as pool:
        stream = pool.imap(echo, watched.items(int), chunksize=CHUNK)
        return figures(stream, watched)


def futures_map(workers: int) -> Samples:
    from concurrent.futures import ProcessPoolExecutor

    watched = Watched()
    with ProcessPoolExecutor(workers) as pool:
        return figures(pool.map(echo, watched.items(int), chunksize=CHUNK), watched)


def mpire_imap(workers: int) -> Samples:
    import mpire

    watched = Watched()
    with mpire.WorkerPool(workers) as pool:
        stream = pool.imap(
            echo, watched.items(int), iterable_len=TASKS, chunk_size=CHUNK
        )
        return figures(stream, watched)


WITH_TASKS = "cotality, a Task for each"
IMAP_THREADS = "multiprocessing ThreadPool.imap, chunks of 500"
IMAP = "multiprocessing Pool.imap, chunks of 500"
# Of the time of a peer whose chunks were chosen by hand.
AT_MOST = 2.0

TIME = Figure("time", "s")
PEAK = Figure("peak", "MB at the peak, all processes", comparable=False)
GROWTH = Figure("growth", "MB more at the end", comparable=False)
AHEAD = Figure("ahead", "tasks read ahead at most", comparable=False)

CASES = [
    Case(
        "stream-threads",
        "1,000,000 calls that do nothing with items that are made one by one as they "
        "are read, and their results taken one by one, on threads. *Memory* is by how "
        "much the peak grows between the first 10,000 results and the last. "
        "`ThreadPool.imap` gets 500 items at a time, a number chosen for it by hand. "
        "`ThreadPoolExecutor.map` is left out: it makes a million futures before it "
        "gives the first result.",
        {
            OURS: partial(ours, THREADS, processes=False),
            WITH_TASKS: partial(ours_with_tasks, THREADS, processes=False),
            "joblib, threading, generator": partial(
                joblib_generator, THREADS, backend="threading"
            ),
            IMAP_THREADS: partial(imap, THREADS, processes=False),
        },
        (TIME, PEAK, GROWTH, AHEAD),
        (
            at_least_ours("time", IMAP_THREADS, 1 / AT_MOST),
            at_most("growth", GROWTH_LIMIT),
            at_most("ahead", window(THREADS)),
        ),
    ),
    Case(
        "stream-processes",
        "The same on one process for each core; the memory of all processes together. "
        "`imap` and `map` get 500 items at a time, a number chosen for them by hand.",
        {
            OURS: partial(ours, CORES, processes=True),
            WITH_TASKS: partial(ours_with_tasks, CORES, processes=True),
            "joblib, loky, generator": partial(joblib_generator, CORES, backend="loky"),
            IMAP: partial(imap, CORES, processes=True),
            "ProcessPoolExecutor.map, chunks of 500": partial(futures_map, CORES),
            "mpire imap, chunks of 500": partial(mpire_imap, CORES),
        },
        (TIME, PEAK, GROWTH, AHEAD),
        (
            at_least_ours("time", IMAP, 1 / AT_MOST),
            at_most("growth", GROWTH_LIMIT),
            at_most("ahead", window(CORES)),
        ),
    ),
]
