"""Executors of other make: real ones, and made-up ones with one odd trait each."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import pickle
import time
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from cotality.core.utils.process import IsolatedProcessPoolExecutor
from tests.kit.helpers import Marks, wait_for_marks
from tests.kit.limits import LONG_S

WORKERS = 2


class Inline(Executor):
    """Runs what it is given before it says that it took it."""

    def __init__(self) -> None:
        self.is_open = True
        self.submits = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self.is_open:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self.submits += 1
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.is_open = False


class Costly(Inline):
    """Takes 2.5 ms to submit anything, as some schedulers of clusters do."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        time.sleep(0.0025)
        return super().submit(fn, *args, **kwargs)


class PicklingThreads(Executor):
    """Threads of one process that get a copy of their own: as workers of Dask do."""

    def __init__(self, workers: int) -> None:
        self.threads = ThreadPoolExecutor(workers)
        self._max_workers = workers

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self.threads.submit(call_packed, pickle.dumps((fn, args, kwargs)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.threads.shutdown(wait, cancel_futures=cancel_futures)


def call_packed(packed: bytes) -> Any:
    fn, args, kwargs = pickle.loads(packed)
    return fn(*args, **kwargs)


class Remembering(Inline):
    """Takes every function for pure, and does nothing twice."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[bytes, Future[Any]] = {}

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        key = pickle.dumps((fn, args, kwargs))
        if key not in self.known:
            self.known[key] = super().submit(fn, *args, **kwargs)
        return self.known[key]


class Breaking(Executor):
    """Takes so many things, and none after that."""

    _max_workers = 1

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.threads = ThreadPoolExecutor(1)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.takes == 0:
            raise BrokenExecutor("out of order")
        self.takes -= 1
        return self.threads.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.threads.shutdown(wait)


class Cancelling(Executor):
    """Takes everything and runs nothing: somebody cancels it all."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def threads() -> Executor:
    return ThreadPoolExecutor(WORKERS)


def forked() -> Executor:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("nothing forks here")
    return ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork"))


def spawned() -> Executor:
    return ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"))


def loky() -> Executor:
    module = pytest.importorskip("loky", reason="loky is not installed")
    pool: Executor = module.get_reusable_executor(WORKERS, timeout=None, reuse=False)
    return pool


def interpreters() -> Executor:
    pool = getattr(concurrent.futures, "InterpreterPoolExecutor", None)
    if pool is None:
        pytest.skip("interpreters in a pool are new in Python 3.14")
    made: Executor = pool(WORKERS)
    return made


def ours() -> Executor:
    return IsolatedProcessPoolExecutor(WORKERS)


MAKERS: dict[str, Callable[[], Executor]] = {
    "threads": threads,
    "forked": forked,
    "spawned": spawned,
    "loky": loky,
    "interpreters": interpreters,
    "ours": ours,
    "inline": Inline,
}


def warmed(kind: str) -> Executor:
    """A new executor that has all its workers."""
    executor = MAKERS[kind]()
    if kind != "inline":
        with TemporaryDirectory() as folder:
            marks = Marks(Path(folder))
            meet = partial(executor.submit, wait_for_marks, marks)
            for future in [meet(f"{i}", WORKERS) for i in range(WORKERS)]:
                future.result(LONG_S)
    return executor
