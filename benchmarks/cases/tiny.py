"""Tasks that do nothing: all of the time is what handing them out costs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from time import perf_counter

from benchmarks.contenders import (
    CORES,
    OURS,
    THREADS,
    Contender,
    Joblib,
    Loky,
    Mpire,
    Ours,
    OursWithTasks,
    Pebble,
    PoolMap,
    Submit,
)
from benchmarks.measure import Case, Figure, Samples, at_least_ours, at_most
from benchmarks.work import echo

TASKS = 200_000
FEWER = 20_000  # for those who take long: the time of each is what counts
WARM_UP = 2_000
OF_BLIND_CHUNKS = 1.5  # times what one piece for each chunk takes
COST = Figure("cost", "us/task")


def cost(
    contender: type[Contender],
    workers: int,
    *,
    processes: bool,
    tasks: int = TASKS,
    repeats: int = 3,
) -> Samples:
    """Microseconds for each of *tasks* trivial calls on workers that are warm."""
    with contender(workers, processes=processes) as way:
        way.run(way.prepare([(echo, {"value": i}) for i in range(WARM_UP)]))
        samples = []
        for _ in range(repeats):
            prepared = way.prepare([(echo, {"value": i}) for i in range(tasks)])
            gc.collect()
            began = perf_counter()
            results = way.run(prepared)
            samples.append((perf_counter() - began) / tasks * 1e6)
            assert results == list(range(tasks))
            del prepared, results
    return {"cost": samples}


def cost_cold(contender: type[Contender], *, tasks: int = TASKS) -> Samples:
    """The same once, on workers that are started while the clock runs."""
    calls = [(echo, {"value": i}) for i in range(tasks)]
    gc.collect()
    began = perf_counter()
    with contender(CORES, processes=True) as way:
        results = way.run(way.prepare(calls))
        took = perf_counter() - began
    assert results == list(range(tasks))
    return {"cost": [took / tasks * 1e6]}


ON_THREADS: dict[str, Callable[[], Samples]] = {
    OURS: partial(cost, Ours, THREADS, processes=False),
    "cotality, making the tasks included": partial(
        cost, OursWithTasks, THREADS, processes=False
    ),
    "ThreadPoolExecutor.submit": partial(
        cost, Submit, THREADS, processes=False, tasks=FEWER, repeats=1
    ),
    "multiprocessing ThreadPool.map": partial(cost, PoolMap, THREADS, processes=False),
    "joblib, threading": partial(
        cost, Joblib, THREADS, processes=False, tasks=FEWER, repeats=1
    ),
}

ON_PROCESSES: dict[str, Callable[[], Samples]] = {
    OURS: partial(cost, Ours, CORES, processes=True),
    "cotality, making the tasks included": partial(
        cost, OursWithTasks, CORES, processes=True
    ),
    "ProcessPoolExecutor.submit": partial(
        cost, Submit, CORES, processes=True, tasks=FEWER, repeats=1
    ),
    "multiprocessing Pool.map": partial(cost, PoolMap, CORES, processes=True),
    "joblib, loky": partial(cost, Joblib, CORES, processes=True, repeats=1),
    "loky.submit": partial(cost, Loky, CORES, processes=True, tasks=FEWER, repeats=1),
    "mpire": partial(cost, Mpire, CORES, processes=True, repeats=2),
    "pebble": partial(cost, Pebble, CORES, processes=True, tasks=FEWER, repeats=1),
}

# As many tasks for all: what starting costs is in the figure.
COLD: dict[str, Callable[[], Samples]] = {
    name: partial(cost_cold, contender, tasks=FEWER)
    for name, contender in {
        "cotality, first call": Ours,
        "ProcessPoolExecutor.submit": Submit,
        "multiprocessing Pool.map": PoolMap,
        "joblib, loky": Joblib,
        "loky.submit": Loky,
        "mpire": Mpire,
        "pebble": Pebble,
    }.items()
}

CASES = [
    Case(
        "tiny-threads",
        "200,000 tasks that do nothing, on as many threads as is usual (the number of "
        "cores plus 4). `ThreadPool.map` gets pairs of function and arguments and cuts "
        "them into 4 chunks for each thread blindly, with no window and no failure of "
        "one task alone.",
        ON_THREADS,
        (COST,),
        (
            at_most("cost", 1.5),
            at_least_ours("cost", "ThreadPoolExecutor.submit", 10),
            at_least_ours(
                "cost", "multiprocessing ThreadPool.map", 1 / OF_BLIND_CHUNKS
            ),
        ),
    ),
    Case(
        "tiny-processes",
        "200,000 tasks that do nothing, on one warm process for each core; nobody's "
        "start counts. `Pool.map` gets pairs of function and arguments and cuts them "
        "into 4 chunks for each process blindly; a process that dies there takes the "
        "whole call with it.",
        ON_PROCESSES,
        (COST,),
        (
            at_most("cost", 4.0),
            at_least_ours("cost", "ProcessPoolExecutor.submit", 20),
            at_least_ours("cost", "multiprocessing Pool.map", 1 / OF_BLIND_CHUNKS),
        ),
    ),
    Case(
        "tiny-processes-cold",
        "20,000 tasks that do nothing, in a program whose first call this is: starting "
        "the workers counts, and so do importing the library and making what it wants "
        "for a call. On Linux and Python before 3.14 the standard library, mpire and "
        "pebble copy the program with `fork`, which is quick, and may leave the copy "
        "of a program with threads stuck; we and loky start workers apart from it.",
        COLD,
        (COST,),
        cold=frozenset(COLD),
    ),
]
