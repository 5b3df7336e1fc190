"""Large arguments, results and functions: what moving them takes, time and memory."""

from __future__ import annotations

import gc
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing import get_context
from statistics import median
from time import perf_counter, sleep
from typing import Any

from benchmarks.contenders import (
    OURS,
    Contender,
    Joblib,
    Loky,
    Mpire,
    MpireWithDill,
    Ours,
    Pebble,
    PoolMap,
    Submit,
    SubmitMap,
)
from benchmarks.machine import forget_peak, memory_now, peak_since
from benchmarks.measure import (
    Case,
    Figure,
    Samples,
    Target,
    at_least,
    at_least_ours,
    at_most,
    at_most_of_best,
)
from benchmarks.work import add_up, add_up_and_look, filled, write_to

WORKERS = 2
MB = 10**6

LIST_TASKS, LIST_LENGTH = 10, 3_000_000
ARRAY_TASKS, ARRAY_BYTES = 8, 200 * MB
RESULT_TASKS, RESULT_BYTES = 20, 16 * MB
CLOSURE_TASKS, CLOSURE_BYTES = 40, 20 * MB
FLOAT = 8  # bytes

SHARED = "cotality, share()"
SHARED_COLD = "cotality, share(), first call"
FIRST_CALL = "cotality, first call"


class OursShared(Ours):
    """Our own call, with each argument marked as read-only."""

    def prepare(self, calls: Iterable[Any]) -> Any:
        share = self.library.share
        return [
            self.library.Task(function, {k: share(v) for k, v in kwargs.items()})
            for function, kwargs in calls
        ]


class PoolMapOneChunk(PoolMap):
    """``Pool.map`` with one chunk for each worker, chosen by hand."""

    def run(self, prepared: Any) -> list[Any]:
        from benchmarks.contenders import call_pair

        size = -(-len(prepared) // self.workers)
        return self.pool.map(call_pair, prepared, chunksize=size)


PEERS: dict[str, type[Contender]] = {
    "ProcessPoolExecutor.submit": Submit,
    "ProcessPoolExecutor.map": SubmitMap,
    "multiprocessing Pool.map": PoolMap,
    "joblib, loky": Joblib,
    "loky.submit": Loky,
    "mpire": Mpire,
    "pebble": Pebble,
}


def warm_up(way: Contender, function: Callable[..., Any], **small: Any) -> list[Any]:
    """Have every worker start, and import what *function* needs."""
    way.run(way.prepare([(sleep_for, {"seconds": 0.05})] * 4 * WORKERS))
    return way.run(way.prepare([(function, small)] * 4 * WORKERS))


def sleep_for(seconds: float) -> None:
    sleep(seconds)


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """What *run* returns, its seconds, and by how many MB the peak grew.

    Only the first time tells about memory: later ones reuse what the first one freed.
    """
    gc.collect()
    before = forget_peak()
    began = perf_counter()
    value = run()
    took = perf_counter() - began
    return value, took, max(0.0, peak_since() - before)


# One list of numbers for all tasks.


def numbers() -> list[int]:
    return list(range(1_000_000, 1_000_000 + LIST_LENGTH))


def pickled_size(data: object) -> float:
    return len(pickle.dumps(data, 5)) / 2**20


def one_list(
    contender: type[Contender], *, is_warm: bool = True, repeats: int = 2
) -> Samples:
    samples: Samples = defaultdict(list)
    with contender(WORKERS, processes=True) as way:
        if is_warm:
            warm_up(way, add_up, data=[1, 2])
        for _ in range(repeats if is_warm else 1):
            data = numbers()
            prepared = way.prepare([(add_up, {"data": data})] * LIST_TASKS)
            results, took, growth = timed(partial(way.run, prepared))
            assert results == [sum(data)] * LIST_TASKS
            samples["time"].append(took)
            if not samples["growth"]:
                samples["growth"].append(growth / pickled_size(data))
            del data, prepared
    return samples


def inherited_list() -> Samples:
    """The way of mpire to share: workers forked for it have it already."""
    import mpire

    data = numbers()

    def run() -> list[int]:
        with mpire.WorkerPool(WORKERS, shared_objects=data) as pool:
            return pool.map(add_up_inherited, range(LIST_TASKS))

    results, took, growth = timed(run)
    assert results == [sum(data)] * LIST_TASKS
    return {"time": [took], "growth": [growth / pickled_size(data)]}


def add_up_inherited(data: list[int], _number: int) -> int:
    return add_up(data)


# One array for all tasks.


def one_array(
    contender: type[Contender],
    *,
    details: bool = False,
    repeats: int = 1,
) -> Samples:
    import numpy

    samples: Samples = defaultdict(list)
    with contender(WORKERS, processes=True) as way:
        small = numpy.ones(8)
        warm_up(way, add_up, data=small)
        for number in range(repeats):
            data = numpy.full(ARRAY_BYTES // FLOAT, number + 1.0)
            prepared = way.prepare([(add_up, {"data": data})] * ARRAY_TASKS)
            results, took, growth = timed(partial(way.run, prepared))
            assert results == [data.size * (number + 1.0)] * ARRAY_TASKS
            samples["time"].append(took)
            if not samples["growth"]:
                samples["growth"].append(growth / (data.nbytes / 2**20))
            del prepared
        if not details:
            return samples
        samples["unique"].append(unique_growth(way, small, data))
        prepared = way.prepare([(write_to, {"data": data})] * ARRAY_TASKS)
        came_before = float(data[0])
        written = way.run(prepared)
        is_pristine = data[0] == came_before
        samples["writable"].append(
            sum(could and is_pristine and was == came_before for could, was in written)
        )
    return samples


def unique_growth(way: Contender, small: Any, data: Any) -> float:
    """By how many MB a worker's unique memory is more while it has *data*."""

    def look(array: Any) -> dict[int, float]:
        calls = [(add_up_and_look, {"data": array, "seconds": 0.2})] * ARRAY_TASKS
        seen: dict[int, list[float]] = defaultdict(list)
        for _, worker, unique in way.run(way.prepare(calls)):
            seen[worker].append(unique)
        return {worker: median(values) for worker, values in seen.items()}

    before, during = look(small), look(data)
    usual = min(before.values())
    return max(during[worker] - before.get(worker, usual) for worker in during)


# Arrays as results.


def results_back(contender: type[Contender], *, repeats: int = 2) -> Samples:
    samples: Samples = defaultdict(list)
    length = RESULT_BYTES // FLOAT
    with contender(WORKERS, processes=True) as way:
        warm_up(way, filled, value=1, length=8)
        calls = [(filled, {"value": n, "length": length}) for n in range(RESULT_TASKS)]
        samples["in flight"].append(in_flight(partial(way.run, way.prepare(calls))))
        for _ in range(repeats):
            prepared = way.prepare(calls)
            results, took, _ = timed(partial(way.run, prepared))
            began = perf_counter()
            sums = [float(each.sum()) for each in results]
            read = perf_counter() - began
            assert sums == [float(n * length) for n in range(RESULT_TASKS)]
            samples["time"].append(took)
            samples["read"].append(took + read)
            del results
    return samples


def in_flight(run: Callable[[], list[Any]]) -> float:
    """How many results fit into what the peak was above the results themselves."""
    gc.collect()
    before = forget_peak()
    results = run()
    for each in results:
        each.sum()  # what is mapped and never read takes no memory
    assert memory_now() > before
    whole = RESULT_TASKS * RESULT_BYTES / 2**20
    return max(0.0, peak_since() - before - whole) / (RESULT_BYTES / 2**20)


# A function that closes over a lot.


def closure(
    contender: type[Contender], *, is_warm: bool = True, repeats: int = 2
) -> Samples:
    samples: Samples = defaultdict(list)
    with contender(WORKERS, processes=True) as way:
        if is_warm:
            warm_up(way, closing_over(b"few"), number=1)
        for repeat in range(repeats if is_warm else 1):
            function = closing_over(bytes([repeat]) * CLOSURE_BYTES)
            calls = [(function, {"number": n}) for n in range(CLOSURE_TASKS)]
            prepared = way.prepare(calls)
            results, took, growth = timed(partial(way.run, prepared))
            assert results == [CLOSURE_BYTES + n for n in range(CLOSURE_TASKS)]
            samples["time"].append(took)
            if not samples["growth"]:
                samples["growth"].append(growth / (CLOSURE_BYTES / 2**20))
            del function, calls, prepared
    return samples


def closing_over(blob: bytes) -> Callable[[int], int]:
    return lambda number: len(blob) + number


FORKS = get_context().get_start_method() == "fork"

TIME = Figure("time", "s")
GROWTH = Figure("growth", "times its size, parent's memory", comparable=False)
UNIQUE = Figure("unique", "MB more of its own in a worker", comparable=False)
WRITABLE = Figure("writable", f"of {ARRAY_TASKS} tasks may write", comparable=False)
IN_FLIGHT = Figure("in flight", "results in memory besides", comparable=False)


def on_all(
    measured: Callable[..., Samples], repeats: int = 2
) -> dict[str, Callable[[], Samples]]:
    return {
        name: partial(measured, contender, repeats=repeats)
        for name, contender in {OURS: Ours, **PEERS}.items()
    }


def list_contenders() -> dict[str, Callable[[], Samples]]:
    ours = {
        OURS: partial(one_list, Ours),
        SHARED: partial(one_list, OursShared),
    }
    more = {
        "Pool.map (one chunk for each worker)": partial(one_list, PoolMapOneChunk),
        SHARED_COLD: partial(one_list, OursShared, is_warm=False),
    }
    if FORKS:
        more["mpire, shared_objects, new pool"] = inherited_list
    return on_all(one_list) | ours | more


def array_contenders() -> dict[str, Callable[[], Samples]]:
    """As all; memory is looked at where arrays are mapped."""
    mapped = {
        OURS: partial(one_array, Ours, details=True, repeats=3),
        "joblib, loky": partial(one_array, Joblib, details=True, repeats=3),
    }
    return on_all(one_array, repeats=1) | mapped


CASES = [
    Case(
        "large-list",
        "10 tasks that get the same list of 3,000,000 ints and add it up, on 2 warm "
        "processes. *Parent's memory* is by how much the peak of the calling process "
        "grows, in times of the pickled list. `Pool.map` sends 2 tasks as one piece, "
        "and those get the same list object; all other peers send it with each task. "
        "With one chunk for each worker, chosen by hand, `Pool.map` sends it twice. "
        "*First call* and *new pool* start their workers while the clock runs: what "
        "mpire calls shared objects is there when workers are copied with `fork`.",
        list_contenders(),
        (TIME, GROWTH),
        (
            at_most_of_best("time", 1.0),
            at_most_of_best("time", 0.5, SHARED),
            at_most("growth", 1.3),
            Target("growth", SHARED, 1.3, at_least=False),
        ),
        cold=frozenset([SHARED_COLD, "mpire, shared_objects, new pool"]),
    ),
    Case(
        "large-array",
        "8 tasks that get the same NumPy array of 200 MB and read all of it, on 2 warm "
        "processes. *More of its own* is the unique memory (USS) of a worker while it "
        "holds the array. joblib writes the array to a file and maps that, for reading "
        "only; all other peers send a copy with each task. A task may write to the "
        "array if that is no error and nobody else sees it.",
        array_contenders(),
        (TIME, UNIQUE, WRITABLE, GROWTH),
        (
            at_least_ours("time", "joblib, loky", 1.0),
            at_most("unique", 20),
            at_least("writable", ARRAY_TASKS),
        ),
    ),
    Case(
        "large-results",
        "20 tasks that each return a new array of 16 MB, on 2 warm processes: until "
        "all are there, and until the caller has read all of them as well. *Results "
        "besides* is how many more of them would fit into the peak of the calling "
        "process than it gets.",
        on_all(results_back),
        (TIME, Figure("read", "s, and all read"), IN_FLIGHT),
        (
            at_most_of_best("time", 0.5),
            at_most_of_best("read", 0.5),
            at_most("in flight", 2),
        ),
    ),
    Case(
        "large-closure",
        "40 calls of one lambda that closes over 20 MB of bytes, on 2 warm processes. "
        "The standard library and pebble cannot send a lambda; mpire can with dill. "
        "*New pool* starts its workers while the clock runs, with `fork`, so that "
        "nothing has to be sent.",
        {
            OURS: partial(closure, Ours),
            "joblib, loky": partial(closure, Joblib),
            "loky.submit": partial(closure, Loky),
            "mpire, use_dill": partial(closure, MpireWithDill),
            FIRST_CALL: partial(closure, Ours, is_warm=False),
            "mpire, use_dill, new pool": partial(closure, MpireWithDill, is_warm=False),
        },
        (TIME, GROWTH),
        (at_least_ours("time", "mpire, use_dill", 1.0),),
        cold=frozenset([FIRST_CALL, "mpire, use_dill, new pool"]),
    ),
]
