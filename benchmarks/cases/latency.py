"""Single small calls: how soon the answer is there, warm and cold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.cases.first import first
from benchmarks.contenders import CORES, OURS, Joblib, Loky, Ours, Submit
from benchmarks.measure import Case, Figure, Samples, at_least_ours
from benchmarks.work import echo

ROUND_TRIPS = 2_000
SMALL_CALLS = 50
TWO = [(echo, {"value": 1}), (echo, {"value": 2})]
COLD = {  # by the names that they have in the program `first`
    OURS: "tasks",
    "ProcessPoolExecutor": "process pool",
    "multiprocessing Pool": "multiprocessing pool",
    "joblib, loky": "joblib",
    "loky.submit": "loky",
    "mpire": "mpire",
    "pebble": "pebble",
}
AT_MOST = 0.6  # of the standard library's


def round_trips(call: Callable[[], Any]) -> Samples:
    """Microseconds until *call* returns, and of this process's CPU time, each time."""
    for _ in range(ROUND_TRIPS // 10):
        call()
    times = []
    cpu_began = process_time()
    for _ in range(ROUND_TRIPS):
        began = perf_counter()
        call()
        times.append(perf_counter() - began)
    cpu = (process_time() - cpu_began) / ROUND_TRIPS
    return {"latency": [median(times) * 1e6], "cpu": [cpu * 1e6]}


def our_executor() -> Samples:
    from cotality.core.utils.process import IsolatedProcessPoolExecutor

    with IsolatedProcessPoolExecutor(1) as pool:
        return round_trips(lambda: pool.submit(echo, 1).result())


def standard_executor() -> Samples:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as pool:
        return round_trips(lambda: pool.submit(echo, 1).result())


def loky_executor() -> Samples:
    import loky

    pool = loky.get_reusable_executor(1)
    return round_trips(lambda: pool.submit(echo, 1).result())


def pool_apply() -> Samples:
    from multiprocessing import Pool

    with Pool(1) as pool:
        return round_trips(lambda: pool.apply(echo, (1,)))


def bare_pipe() -> Samples:
    from multiprocessing import Pipe, Process

    ours, theirs = Pipe()
    process = Process(target=answer_for_ever, args=(theirs,), daemon=True)
    process.start()

    def call() -> None:
        ours.send((echo, 1))
        ours.recv()

    return round_trips(call)


def answer_for_ever(link: Any) -> None:
    while True:
        function, value = link.recv()
        link.send(function(value))


def small_calls(call: Callable[[], Any], times: int = SMALL_CALLS) -> Samples:
    """Milliseconds until *call* returns, in the middle of so many."""
    for _ in range(3):
        call()
    samples = []
    for _ in range(times):
        began = perf_counter()
        call()
        samples.append((perf_counter() - began) * 1e3)
    return {"time": [median(samples)]}


def two_warm(contender: type[Ours | Joblib | Submit]) -> Samples:
    with contender(CORES, processes=True) as way:
        return small_calls(lambda: way.run(way.prepare(TWO)))


def two_on_a_new_pool() -> Samples:
    def call() -> None:
        with Submit(CORES, processes=True) as way:
            way.run(TWO)

    return small_calls(call, 10)


def two_cold(contender: str) -> Samples:
    """Milliseconds in a program that does nothing else."""
    began = perf_counter()
    samples = first(contender)
    whole = perf_counter() - began
    return {"result": samples["both"], "whole": [whole * 1e3]}


CASES = [
    Case(
        "round-trip",
        "One call of a function that does nothing, on one warm worker: the time until "
        "the result is there (the middle one of 2,000), and the CPU time of the "
        "calling process. The bare pipe is a loop of `send` and `recv` without any "
        "executor: what is left when everything is left out.",
        {
            "IsolatedProcessPoolExecutor": our_executor,
            "ProcessPoolExecutor": standard_executor,
            "loky.submit": loky_executor,
            "multiprocessing Pool.apply": pool_apply,
            "bare pipe (no executor)": bare_pipe,
        },
        (Figure("latency", "us"), Figure("cpu", "us CPU of the caller")),
        (
            at_least_ours("latency", "ProcessPoolExecutor", 1 / AT_MOST),
            at_least_ours("cpu", "ProcessPoolExecutor", 1 / AT_MOST),
        ),
    ),
    Case(
        "two-tasks-warm",
        "Two tasks that do nothing in a call that is repeated, so that workers are "
        "there; a new `ProcessPoolExecutor` for each call has none, which is how it "
        "is mostly used.",
        {
            OURS: partial(two_warm, Ours),
            "joblib, loky": partial(two_warm, Joblib),
            "loky.submit": partial(two_warm, Loky),
            "ProcessPoolExecutor, new each time": two_on_a_new_pool,
            "ProcessPoolExecutor, kept": partial(two_warm, Submit),
        },
        (Figure("time", "ms"),),
        cold=frozenset(["ProcessPoolExecutor, new each time"]),
    ),
    Case(
        "two-tasks-cold",
        "Two tasks in a new interpreter: from the import to the results, and from "
        "starting the program to its end. Whoever copies the program with `fork` has "
        "less to start: on Linux and Python before 3.14 the standard library, mpire "
        "and pebble.",
        {name: partial(two_cold, way) for name, way in COLD.items()},
        (Figure("result", "ms to the results"), Figure("whole", "ms program")),
        cold=frozenset(COLD),
    ),
]
