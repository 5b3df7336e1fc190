"""The ways to run many calls that are compared.

A call is a function and its keyword arguments. Each contender is given them in the form
it likes best, made before the clock starts; it runs them all and returns the results in
order. Nothing is imported before it is needed: one contender must not pay for another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

Call = tuple[Callable[..., Any], dict[str, Any]]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
CORES = CORES or os.cpu_count() or 1
THREADS = min(32, CORES + 4)  # what both cotality and the standard library take

OURS = "cotality"  # what our own contenders' names start with


class Contender:
    """A way to run calls on *workers* threads or processes.

    Used in a ``with``: entering makes what can be kept between runs, if anything.
    """

    def __init__(self, workers: int, *, processes: bool) -> None:
        self.workers = workers
        self.processes = processes

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def prepare(self, calls: Sequence[Call]) -> Any:
        """*calls* in the contender's own form; not part of what is measured."""
        return calls

    def run(self, prepared: Any) -> list[Any]:
        raise NotImplementedError


class Ours(Contender):
    """Our own call with a list of tasks that are there already."""

    def __enter__(self) -> Contender:
        from cotality.core.utils import process

        self.library = process
        return self

    def prepare(self, calls: Sequence[Call]) -> Any:
        return [self.library.Task(function, kwargs) for function, kwargs in calls]

    def run(self, prepared: Any) -> list[Any]:
        return self.library.execute_tasks_in_parallel(
            prepared, self.workers, self.processes
        )


class OursWithTasks(Ours):
    """The same, and making the tasks counts too."""

    def prepare(self, calls: Sequence[Call]) -> Any:
        return calls

    def run(self, prepared: Any) -> list[Any]:
        return super().run(super().prepare(prepared))


class Submit(Contender):
    """A future for each call on a pool of the standard library that is kept."""

    def __enter__(self) -> Contender:
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

        kind = ProcessPoolExecutor if self.processes else ThreadPoolExecutor
        self.pool = kind(self.workers)
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown()

    def run(self, prepared: Any) -> list[Any]:
        submit = self.pool.submit
        futures = [submit(function, **kwargs) for function, kwargs in prepared]
        return [future.result() for future in futures]


class PoolMap(Contender):
    """``multiprocessing.Pool.map`` with chunks of its own, on a pool that is kept."""

    def __enter__(self) -> Contender:
        from multiprocessing import Pool
        from multiprocessing.pool import ThreadPool

        self.pool = (Pool if self.processes else ThreadPool)(self.workers)
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.terminate()
        self.pool.join()

    def run(self, prepared: Any) -> list[Any]:
        return self.pool.map(call_pair, prepared)


class Joblib(Contender):
    """``joblib.Parallel``, whose workers stay between calls."""

    def __enter__(self) -> Contender:
        import joblib

        self.library = joblib
        return self

    def prepare(self, calls: Sequence[Call]) -> Any:
        delayed = self.library.delayed
        return [delayed(function)(**kwargs) for function, kwargs in calls]

    def run(self, prepared: Any) -> list[Any]:
        backend = "loky" if self.processes else "threading"
        return self.library.Parallel(n_jobs=self.workers, backend=backend)(prepared)


class Loky(Submit):
    """A future for each call on loky's own executor, which is kept and made reusable.

    What joblib runs on, without its batches.
    """

    def __enter__(self) -> Contender:
        import loky

        self.pool = loky.get_reusable_executor(self.workers)
        return self


class SubmitMap(Submit):
    """The ``map`` of a pool of the standard library, one call at a time."""

    def run(self, prepared: Any) -> list[Any]:
        return list(self.pool.map(call_pair, prepared))


class Pebble(Contender):
    """A future for each call on a pool of pebble's that is kept."""

    def __enter__(self) -> Contender:
        import pebble

        self.pool = pebble.ProcessPool(self.workers)
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.stop()
        self.pool.join()

    def run(self, prepared: Any) -> list[Any]:
        schedule = self.pool.schedule
        futures = [schedule(function, kwargs=kwargs) for function, kwargs in prepared]
        return [future.result() for future in futures]


class Mpire(Contender):
    """``WorkerPool.map`` of mpire, whose workers stay between calls.

    It sends the function once to each worker, so calls of one function are best.
    """

    use_dill = False

    def __enter__(self) -> Contender:
        import mpire

        self.pool = mpire.WorkerPool(
            self.workers, keep_alive=True, use_dill=self.use_dill
        )
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.stop_and_join()
        self.pool.terminate()

    def prepare(self, calls: Sequence[Call]) -> Any:
        (function,) = {id(function): function for function, _ in calls}.values()
        return function, [kwargs for _, kwargs in calls]

    def run(self, prepared: Any) -> list[Any]:
        function, kwargs = prepared
        return list(self.pool.map(function, kwargs, concatenate_numpy_output=False))


class MpireWithDill(Mpire):
    """The same for functions that pickle cannot send."""

    use_dill = True


class PlainLoops(Contender):
    """No pool at all: each worker is a process that loops over its own part.

    Not a way to work, but the measure of what the machine gives at this moment.
    """

    def run(self, prepared: Any) -> list[Any]:
        from multiprocessing import Pipe, Process

        links, loops = [], []
        for number in range(self.workers):
            ours, theirs = Pipe()
            part = prepared[number :: self.workers]
            loops.append(Process(target=plain_loop, args=(part, theirs)))
            links.append(ours)
        for loop in loops:
            loop.start()
        results = [result for link in links for result in link.recv()]
        for loop in loops:
            loop.join()
        return results


def call_pair(pair: Call) -> Any:
    function, kwargs = pair
    return function(**kwargs)


def plain_loop(calls: Sequence[Call], link: Any) -> None:
    link.send([function(**kwargs) for function, kwargs in calls])
