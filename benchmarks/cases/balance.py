"""Tasks that do something: how much of the workers' time goes into it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from benchmarks.contenders import (
    CORES,
    OURS,
    Call,
    Contender,
    Joblib,
    Loky,
    Mpire,
    Ours,
    Pebble,
    PlainLoops,
    PoolMap,
    Submit,
)
from benchmarks.measure import Case, Figure, Samples, at_least, at_least_ours
from benchmarks.server import request, slow_server
from benchmarks.work import burn, burn_timed, sleep

SHORT_TASKS = 2_000
SHORT = 0.001  # s of CPU time

TAIL_TASKS = 600
LONGEST = 0.4  # s
SHAPE = 1.1  # of the Pareto distribution: a few tasks make up most of the time
SLEEPERS = 8  # threads for tasks that only wait

REQUESTS = 2_000
CLIENTS = 50  # threads that each wait for an answer
ANSWER_AFTER = 0.05  # s

NOISE = 0.95  # a ratio that nobody can tell from 1 while other programs run


def share_of_ideal(contender: type[Contender]) -> Samples:
    """What part of the time went into the tasks, by their CPU time and by the clock."""
    with contender(CORES, processes=True) as way:
        way.run(way.prepare([(burn_timed, {"seconds": SHORT})] * 200))
        prepared = way.prepare([(burn_timed, {"seconds": SHORT})] * SHORT_TASKS)
        began = perf_counter()
        times = way.run(prepared)
        available = (perf_counter() - began) * CORES
    cpu, wall = map(sum, zip(*times, strict=True))
    return {"share": [cpu / available], "busy": [wall / available]}


def durations() -> list[float]:
    """The same heavy-tailed seconds every time."""
    # Reproducible, not secret.
    dice = random.Random(20)
    drawn = [dice.paretovariate(SHAPE) for _ in range(TAIL_TASKS)]
    scale = LONGEST / max(drawn)
    return [each * scale for each in drawn]


def time_of_tail(
    contender: type[Contender],
    workers: int,
    work: Callable[[float], float],
    *,
    processes: bool,
) -> Samples:
    """Seconds until all of the heavy-tailed tasks are done, on warm workers."""
    calls: Sequence[Call] = [(work, {"seconds": each}) for each in durations()]
    with contender(workers, processes=processes) as way:
        way.run(way.prepare([(work, {"seconds": SHORT})] * 20 * workers))
        prepared = way.prepare(calls)
        began = perf_counter()
        way.run(prepared)
        return {"time": [perf_counter() - began]}


def ideal_tail(workers: int) -> Samples:
    """What nobody can be faster than: all work shared evenly, or the longest task."""
    return {"time": [max(sum(durations()) / workers, LONGEST)]}


ON_THREADS: dict[str, type[Contender]] = {
    OURS: Ours,
    "ThreadPoolExecutor.submit": Submit,
    "multiprocessing ThreadPool.map": PoolMap,
    "joblib, threading": Joblib,
}
ON_PROCESSES: dict[str, type[Contender]] = {
    OURS: Ours,
    "ProcessPoolExecutor.submit": Submit,
    "multiprocessing Pool.map": PoolMap,
    "joblib, loky": Joblib,
    "loky.submit": Loky,
    "mpire": Mpire,
    "pebble": Pebble,
}


def tail_contenders(
    workers: int, work: Callable[[float], float], *, processes: bool
) -> dict[str, Callable[[], Samples]]:
    of = partial(time_of_tail, workers=workers, work=work, processes=processes)
    contenders = ON_PROCESSES if processes else ON_THREADS
    measured = {name: partial(of, contender) for name, contender in contenders.items()}
    return measured | {"ideal (computed)": partial(ideal_tail, workers)}


def time_of_requests(contender: type[Contender]) -> Samples:
    """Seconds until a slow server on this machine has answered all requests."""
    with slow_server(ANSWER_AFTER) as port, contender(CLIENTS, processes=False) as way:
        way.run(way.prepare([(request, {"port": port})] * CLIENTS))
        prepared = way.prepare([(request, {"port": port})] * REQUESTS)
        began = perf_counter()
        answers = way.run(prepared)
        took = perf_counter() - began
    assert answers == [b"done"] * REQUESTS
    return {"time": [took]}


def ideal_requests() -> Samples:
    return {"time": [REQUESTS / CLIENTS * ANSWER_AFTER]}


CASES = [
    Case(
        "short-cpu",
        "2,000 tasks of 1 ms of CPU time each, on one warm process for each core: the "
        "CPU time that the tasks say they used, divided by the cores and by the time "
        "it took. *Plain loops* are as many bare processes, each with its part of the "
        "work known beforehand and no pool at all: what the machine had to give. *In "
        "tasks* is the part of the workers' time that was spent inside of tasks, also "
        "when another program had the core meanwhile: it shows what handing out costs "
        "when the machine is not idle.",
        {
            name: partial(share_of_ideal, contender)
            for name, contender in {
                **ON_PROCESSES,
                "plain loops (no pool)": PlainLoops,
            }.items()
        },
        (
            Figure("share", "of ideal", higher_is_better=True),
            Figure("busy", "in tasks", higher_is_better=True),
        ),
        (at_least("share", 0.93), at_least("busy", 0.93)),
    ),
    Case(
        "heavy-tail-threads",
        "600 tasks whose durations are Pareto distributed, the longest 0.4 s, on 8 "
        "threads. They sleep, so that other programs hardly matter. `map` of a pool "
        "cuts the tasks into chunks beforehand, which long tasks do not forgive.",
        tail_contenders(SLEEPERS, sleep, processes=False),
        (Figure("time", "s"),),
        (at_least_ours("time", "ThreadPoolExecutor.submit", NOISE),),
    ),
    Case(
        "heavy-tail-processes",
        "The same sleeping tasks on one warm process for each core.",
        tail_contenders(CORES, sleep, processes=True),
        (Figure("time", "s"),),
        (at_least_ours("time", "ProcessPoolExecutor.submit", NOISE),),
    ),
    Case(
        "heavy-tail-cpu",
        "The same durations as CPU time, on one warm process for each core.",
        tail_contenders(CORES, burn, processes=True),
        (Figure("time", "s"),),
        (at_least_ours("time", "ProcessPoolExecutor.submit", NOISE),),
    ),
    Case(
        "io-threads",
        "2,000 requests from 50 threads to a server on the same machine that answers "
        "each after 50 ms: every task opens a connection, asks, and waits.",
        {
            **{
                name: partial(time_of_requests, contender)
                for name, contender in ON_THREADS.items()
            },
            "ideal (computed)": ideal_requests,
        },
        (Figure("time", "s"),),
        (at_least_ours("time", "ThreadPoolExecutor.submit", NOISE),),
    ),
]
