"""Runs programs, and has what comes of them judged."""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import os
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, aclosing, closing
from contextvars import copy_context
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Journal,
    Rate,
    Retry,
    RunReport,
    TaskTimeoutError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_streaming_async,
    execute_tasks_in_parallel_unordered,
    execute_tasks_in_parallel_unordered_async,
    iter_outcomes,
    iter_outcomes_async,
    process_in_batches,
    shutdown_workers,
    worker_pool,
)
from cotality.tuning import PoolManager, execute, execute_async, optimize_streaming

from .doing import (
    InputError,
    Shared,
    Traces,
    TroubleError,
    labelled_task_of,
    perform,
    prepare,
    task_of,
    user,
)
from .model import CALLER, Judge, Seen
from .program import Call, Program, text_of

STUCK_AFTER = 60.0  # s that a program may take; one takes less than a second
CANCEL_AFTER = 0.004  # s, for each of the results after which a call is left
PROGRAMS_EACH = 50  # that share executors and a manager


class House:
    """Executors and a manager that serve many programs, so that they are warm."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.made: dict[str, Any] = {}
        self.lock = threading.Lock()

    def get(self, name: str) -> Any:
        with self.lock:
            if name not in self.made:
                self.made[name] = self.stack.enter_context(MAKERS[name]())
            return self.made[name]

    def close(self) -> None:
        self.stack.close()
        self.made.clear()
        shutdown_workers()


class Managed(PoolManager):
    def __enter__(self) -> Managed:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


MAKERS: dict[str, Callable[[], Any]] = {
    "thread executor": lambda: ThreadPoolExecutor(2),
    "process executor": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    "our executor": lambda: IsolatedProcessPoolExecutor(2),
    "manager": lambda: Managed(2),
}


class CallRunner:
    """Makes one call and notes what comes of it."""

    def __init__(
        self, call: Call, house: House, traces: Traces, *, is_second: bool = False
    ) -> None:
        self.call = call
        self.is_second = is_second
        self.house = house
        self.traces = traces
        self.shared = Shared()
        self.seen = Seen()
        self.report: RunReport | None = None

    def run(self) -> Seen:
        seen = self.seen
        try:
            user.set(CALLER)
            prepare(None)
            if self.call.place == "worker pool":
                with worker_pool(max_workers=2):
                    self.take(ENTRIES[self.call.entry](self))
            else:
                self.take(ENTRIES[self.call.entry](self))
        except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
            seen.error = error
        seen.runs = self.traces.counted()
        if self.report is not None and seen.error is None:
            seen.report = (self.report.done, self.report.failed)
        return seen

    def take(self, found: Any) -> None:
        """Note what *found* has: values, those of a stream, or of a coroutine."""
        if isinstance(found, list):
            self.seen.values = found
        elif inspect.iscoroutine(found):
            asyncio.run(self.awaited(found))
        elif hasattr(found, "__anext__"):
            asyncio.run(self.taken_async(found))
        elif self.call.is_dropped:
            self.taken(found)
        else:
            with closing(found):
                self.taken(found)

    def taken(self, stream: Iterator[Any]) -> None:
        if self.call.leave_after == 0:
            return
        for value in stream:
            self.seen.values.append(value)
            if len(self.seen.values) == self.call.leave_after:
                return

    async def taken_async(self, stream: Any) -> None:
        async with aclosing(stream) as values:
            if self.call.leave_after == 0:
                return
            async for value in values:
                self.seen.values.append(value)
                if len(self.seen.values) == self.call.leave_after:
                    return

    async def awaited(self, call: Any) -> None:
        task = asyncio.ensure_future(call)
        if self.call.leave_after is not None:
            pause = CANCEL_AFTER * self.call.leave_after
            asyncio.get_running_loop().call_later(pause, task.cancel)
        self.seen.values = await task

    # What the call is given.

    def tasks(self) -> Any:
        dos = self.call.tasks
        make = labelled_task_of if self.call.is_resumed else task_of
        return self.as_source(
            make(d, i, self.traces, self.shared) for i, d in enumerate(dos)
        )

    def items(self) -> Any:
        dos = self.call.tasks
        return self.as_source(
            (d, i, self.traces, self.shared.for_task(d)) for i, d in enumerate(dos)
        )

    def as_source(self, things: Iterator[Any]) -> Any:
        """*things*, which are only made when they are read, if that may be."""
        source = self.call.source
        if source == "tuple":
            return tuple(things)
        if source == "generator":
            return self.generated(things)
        if source.endswith("async"):
            return self.generated_async(things)
        return list(things)

    def generated(self, things: Iterator[Any]) -> Iterator[Any]:
        yield from islice(things, self.call.fails_at)
        if self.call.fails_at is not None:
            raise InputError

    async def generated_async(self, things: Iterator[Any]) -> AsyncIterator[Any]:
        for number, thing in enumerate(self.generated(things)):
            if self.call.source == "slow async":
                await asyncio.sleep(0.001)
            elif self.call.source == "busy async" and number % 8 == 7:
                await asyncio.sleep(0.005)
                time.sleep(0.02)  # in place of anything that keeps the loop busy
            yield thing
            del thing

    def options(self) -> dict[str, Any]:
        call = self.call
        options: dict[str, Any] = {}
        if call.on_error is not None:
            options["on_error"] = call.on_error
        if call.max_failures is not None:
            options["max_failures"] = call.max_failures
        if call.timeout is not None:
            options["timeout"] = call.timeout
        if call.context:
            options["context"] = [user]
        if call.prepared is not None:
            options |= {"initializer": prepare, "initargs": (call.prepared,)}
        if call.attempts > 1:
            crashes = (WorkerCrashedError, TaskTimeoutError, TroubleError)
            on = crashes if call.retries_crashes else TroubleError
            options["retries"] = Retry(call.attempts - 1, on=on, backoff=0.002)
        limits = dict(call.limits)
        if "rate" in limits:
            count, per = limits.pop("rate")  # type: ignore[misc]
            options["rate"] = Rate(count, per)
        if call.is_resumed:
            path = self.traces.path.with_suffix(".journal")
            options |= {"journal": Journal(path), "resume": self.is_second}
        if limits.pop("report", False) and not self.is_second:
            options["report"] = self.report = RunReport()
        if limits.pop("progress", False):
            options["progress"] = lambda _: None
        return options | limits

    def with_place(self, **more: Any) -> dict[str, Any]:
        """Options for the functions of the core, and where they run."""
        place, options = self.call.place, self.options() | more
        if place.endswith("executor"):
            options["executor"] = self.house.get(place)
        elif place == "inline":
            options["inline"] = True
        else:
            options["use_processes"] = {"threads": False, "auto": "auto"}.get(
                place, True
            )
        if not place.endswith("executor"):
            options["max_workers"] = self.call.workers
        return options

    def with_executor(self) -> dict[str, Any]:
        """Options for the functions of `cotality.tuning`, and where they run."""
        place, options = self.call.place, self.options()
        names = {"inline": "sequential"}
        executor: str | Executor = names.get(place, place)
        if place.endswith("executor"):
            executor = self.house.get(place)
        return options | {"executor": executor}

    # The ways to call.

    def submitted(self) -> list[Any]:
        executor: Executor = self.house.get("our executor")
        futures = [
            executor.submit(task.callback_function, *task.positional, **task.arguments)
            for task in self.tasks()
        ]
        return [f.exception() or f.result() for f in futures]

    def mapped(self) -> Iterator[Any]:
        return self.house.get("our executor").map(perform_item, self.items())  # type: ignore[no-any-return]


def perform_item(item: Any) -> Any:
    return perform(*item)


ENTRIES: dict[str, Callable[[CallRunner], Any]] = {
    "list": lambda r: execute_tasks_in_parallel(r.tasks(), **r.with_place()),
    "unordered": lambda r: execute_tasks_in_parallel_unordered(
        r.tasks(), **r.with_place()
    ),
    "stream": lambda r: execute_tasks_in_parallel_streaming(
        r.tasks(), **r.with_place(ordered=r.call.ordered)
    ),
    "outcomes": lambda r: iter_outcomes(
        r.tasks(), **r.with_place(ordered=r.call.ordered)
    ),
    "batches": lambda r: process_in_batches(
        r.tasks(), **r.with_place(ordered=r.call.ordered)
    ),
    "list_async": lambda r: in_a_loop(
        lambda: execute_tasks_in_parallel_async(r.tasks(), **r.with_place())
    ),
    "unordered_async": lambda r: in_a_loop(
        lambda: execute_tasks_in_parallel_unordered_async(r.tasks(), **r.with_place())
    ),
    "stream_async": lambda r: execute_tasks_in_parallel_streaming_async(
        r.tasks(), **r.with_place(ordered=r.call.ordered)
    ),
    "outcomes_async": lambda r: iter_outcomes_async(
        r.tasks(), **r.with_place(ordered=r.call.ordered)
    ),
    "submit": CallRunner.submitted,
    "map": CallRunner.mapped,
    "execute": lambda r: execute(perform_item, r.items(), **r.with_executor()),
    "execute_stream": lambda r: optimize_streaming(
        perform_item, r.items(), **r.with_executor() | {"ordered": r.call.ordered}
    ),
    "execute_async": lambda r: in_a_loop(
        lambda: execute_async(perform_item, r.items(), **r.with_executor())
    ),
    "manager": lambda r: r.house.get("manager").execute(
        perform_item, r.items(), **r.options()
    ),
    "manager_async": lambda r: in_a_loop(
        lambda: r.house.get("manager").execute_async(
            perform_item, r.items(), **r.options()
        )
    ),
}


async def in_a_loop(call: Callable[[], Any]) -> Any:
    """Make the call inside of the loop that it is awaited in."""
    return await call()


# Programs.


def run(program: Program, house: House) -> list[str]:
    """What is wrong with what comes of *program*; nothing if all is as promised."""
    # What a cancelled call has left on threads may still leave a trace.
    traces = tempfile.TemporaryDirectory(prefix="compare-", ignore_cleanup_errors=True)
    with traces as folder, stuck(program):
        complaints: list[str] = []
        for number, step in enumerate(program.steps):
            seen = run_step(step, house, Path(folder), number)
            found = list(zip(step, seen, strict=True))
            found += run_again(step, house, Path(folder), number)
            for place, (call, each) in enumerate(found):
                again = ", resumed" if place >= len(step) else ""
                complaints += [
                    f"step {number}, {call.entry} on {call.place}{again}: {complaint}"
                    for complaint in Judge(call, each).complaints()
                ]
        return complaints


def run_step(
    step: tuple[Call, ...], house: House, folder: Path, number: int
) -> list[Seen]:
    runners = [
        CallRunner(call, house, Traces(folder / f"{number}-{place}"))
        for place, call in enumerate(step)
    ]
    threads = [
        threading.Thread(target=copy_context().run, args=(each.run,))
        for each in runners[1:]
    ]
    for thread in threads:
        thread.start()
    copy_context().run(runners[0].run)
    for thread in threads:
        thread.join()
    return [each.seen for each in runners]


def run_again(
    step: tuple[Call, ...], house: House, folder: Path, number: int
) -> list[tuple[Call, Seen]]:
    """What comes of the calls that are resumed: the same, with nothing run again."""
    found: list[tuple[Call, Seen]] = []
    for place, call in enumerate(step):
        if call.is_resumed:
            traces = Traces(folder / f"{number}-{place}")
            runner = CallRunner(call, house, traces, is_second=True)
            found.append((call, copy_context().run(runner.run)))
    return found


class stuck:  # noqa: N801  # it reads like the function it replaces
    """Say which program it is that hangs, and where; then end everything."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.timer = threading.Timer(STUCK_AFTER, self.give_up)
        self.timer.daemon = True

    def __enter__(self) -> None:
        self.timer.start()

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        self.timer.join()

    def give_up(self) -> None:
        print(f"\nthis program hangs:\n\n{text_of(self.program)}", file=sys.__stderr__)
        faulthandler.dump_traceback(file=sys.__stderr__)
        os._exit(3)


def run_alone(program: Program) -> None:
    """Run *program* and print what is wrong with it."""
    house = House()
    try:
        complaints = run(program, house)
    finally:
        house.close()
    print("\n".join(complaints) or "all as promised")
