"""One contender runs 20 tasks of which one misbehaves: ``faults_child.py NAME FAULT``.

Prints a line of JSON, and ends as a program of its kind does: waiting for its workers.
Each contender is used as its documentation has it, in the way that keeps most.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.faults_work import BAD, COUNT, LIMIT_S, task

WORKERS = 2

# What each task came to: a value, or an error.
Outcomes = list[Any]  # Any: a value or an error


def cotality(fault: str, limit: float | None) -> Outcomes:
    from cotality.core.utils.process import Task, execute_tasks_in_parallel

    tasks = [Task(task, {"number": n, "fault": fault}) for n in range(COUNT)]
    return execute_tasks_in_parallel(
        tasks, WORKERS, True, return_exceptions=True, timeout=limit
    )


def joblib(fault: str, limit: float | None) -> Outcomes:
    """A list, or nothing; so what its generator has given before counts."""
    from joblib import Parallel, delayed

    found: Outcomes = []
    parallel = Parallel(WORKERS, timeout=limit, return_as="generator")
    try:
        found += parallel(delayed(task)(n, fault) for n in range(COUNT))
    except BaseException as error:
        found.append(error)
    return found


def mpire(fault: str, limit: float | None) -> Outcomes:
    from mpire import WorkerPool

    with WorkerPool(WORKERS) as pool:
        results = [
            pool.apply_async(task, (n, fault), task_timeout=limit) for n in range(COUNT)
        ]
        return [outcome(result.get) for result in results]


def pebble(fault: str, limit: float | None) -> Outcomes:
    from pebble import ProcessPool

    with ProcessPool(WORKERS) as pool:
        futures = [
            pool.schedule(task, args=[n, fault], timeout=limit) for n in range(COUNT)
        ]
        return [outcome(future.result) for future in futures]


def pool(fault: str, limit: float | None) -> Outcomes:
    """A future of the standard library has no limit but that of who waits for it."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(WORKERS) as executor:
        futures = [executor.submit(task, n, fault) for n in range(COUNT)]
        return [outcome(lambda f=future: f.result(limit)) for future in futures]


def outcome(get: Callable[[], Any]) -> Any:  # Any: as above
    try:
        return get()
    except BaseException as error:
        return error


CONTENDERS = {
    "cotality": cotality,
    "joblib": joblib,
    "mpire": mpire,
    "pebble": pebble,
    "ProcessPoolExecutor": pool,
}


def main(name: str, fault: str) -> None:
    limit = LIMIT_S if fault == "endless" else None
    CONTENDERS[name]("none", None)  # imports and, where they stay, workers
    start = perf_counter()
    found = outcome(lambda: CONTENDERS[name](fault, limit))
    seconds = perf_counter() - start
    outcomes: Outcomes = found if isinstance(found, list) else [found]
    right = sum(
        each == number * number
        for number, each in enumerate(outcomes)
        if number != BAD and isinstance(each, int)
    )
    errors = [each for each in outcomes if isinstance(each, BaseException)]
    bad = outcomes[BAD] if len(outcomes) == COUNT else None
    told = bad if isinstance(bad, BaseException) else (errors or [None])[0]
    kind = "" if told is None else type(told).__name__
    print(json.dumps({"right": right, "error": kind, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
