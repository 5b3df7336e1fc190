"""Tasks that do something: how much of the workers' time goes into it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from tests.benchmarks.contenders import (
    CORES,
    OURS,
    Call,
    Contender,
    Joblib,
    Ours,
    PlainLoops,
    PoolMap,
    Submit,
)
from tests.benchmarks.measure import Case, Figure, Samples, at_least, at_least_ours
from tests.benchmarks.work import burn, burn_timed, sleep

SHORT_TASKS = 2_000
SHORT = 0.001  # s of CPU time

TAIL_TASKS = 600
LONGEST = 0.4  # s
SHAPE = 1.1  # of the Pareto distribution: a few tasks make up most of the time
SLEEPERS = 8  # threads for tasks that only wait

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


def tail_contenders(
    workers: int, work: Callable[[float], float], *, processes: bool
) -> dict[str, Callable[[], Samples]]:
    submit = "ProcessPoolExecutor.submit" if processes else "ThreadPoolExecutor.submit"
    of = partial(time_of_tail, workers=workers, work=work, processes=processes)
    return {
        OURS: partial(of, Ours),
        submit: partial(of, Submit),
        "ideal (computed)": partial(ideal_tail, workers),
    }


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
            OURS: partial(share_of_ideal, Ours),
            "ProcessPoolExecutor.submit": partial(share_of_ideal, Submit),
            "multiprocessing Pool.map": partial(share_of_ideal, PoolMap),
            "joblib, loky": partial(share_of_ideal, Joblib),
            "plain loops (no pool)": partial(share_of_ideal, PlainLoops),
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
        "threads. They sleep, so that other programs hardly matter.",
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
]
