"""Kinds of calls that an exception strikes, and what has to hold after each of them.

`tests.kit.strikes` runs them.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gc
import io
import json
import logging
import os
import shutil
import sys
import types
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cotality.core.utils._process.progress import bar, choose_display
from cotality.core.utils.process import (
    DeadLetters,
    IsolatedProcessPoolExecutor,
    Journal,
    RunReport,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_streaming_async,
    iter_outcomes,
    iter_outcomes_async,
    process_in_batches,
    replay,
    share,
    shutdown_workers,
    worker_pool,
    worker_state,
)
from cotality.tuning import (
    CircuitBreaker,
    PoolManager,
    Rate,
    execute,
    execute_async,
    get_global_pool_manager,
    managed_pool,
    optimize,
    optimize_streaming,
    shutdown_global_pool_manager,
)
from tests.kit.struck_tasks import (
    Square,
    failing,
    logger,
    marked_square,
    noted_square,
    opened,
    printed,
    slow_square,
)

T = TypeVar("T")

COUNT = 6  # tasks of a call
GONE_S = 10.0  # that a call of an event loop gets to end


class Scenario:
    """A kind of call, and what has to hold after it was struck.

    Args:
        folder: For its files.

    Attributes:
        further: How many calls follow each strike.
    """

    # One answer that is left over would come to the next call, one that lies behind it
    # to another.
    further = 3

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = str(folder / "log")
        self.run = 0
        self.found: list[str] = []

    def tasks(self) -> list[Task[int]]:
        self.run += 1
        return [Task.of(noted_square, self.log, f"{self.run}", i) for i in range(COUNT)]

    def prepare(self) -> None:
        """Before each round."""

    def is_spared(self, file: str) -> bool:
        """Whether code of that file is not struck: it only reckons, and for long."""
        return False

    def act(self) -> None:
        """The call that is struck."""
        raise NotImplementedError

    def again(self) -> object:
        """A further call: the squares."""
        raise NotImplementedError

    def finish(self) -> None:
        """Leave nothing behind."""
        shutdown_workers()

    def leave(self) -> None:
        """Give back what only the scenario has."""

    def check(self, expected: object, got: object, what: str) -> None:
        if got != expected:
            self.found.append(f"{what}: {got!r} instead of {expected!r}")

    def check_log(self) -> None:
        """No task has run twice."""
        if not os.path.exists(self.log):
            return
        lines = Path(self.log).read_text("utf-8").splitlines()
        os.unlink(self.log)
        twice = [line for line, n in collections.Counter(lines).items() if n > 1]
        self.check([], twice, "ran twice")


SQUARES = [i * i for i in range(COUNT)]


class WarmCall(Scenario):
    """A list of results, on processes that are there."""

    options: dict[str, Any] = {}  # noqa: RUF012  # of the call
    where: Any = True

    def act(self) -> None:
        execute_tasks_in_parallel(self.tasks(), 2, self.where, **self.options)

    def again(self) -> object:
        return execute_tasks_in_parallel(self.tasks(), 2, self.where, **self.options)


class FirstCall(WarmCall):
    """The call that starts the workers."""

    def prepare(self) -> None:
        shutdown_workers()


class Threads(WarmCall):
    """Threads."""

    where = False


class Auto(WarmCall):
    """The machine decides."""

    where = "auto"


class LongAuto(Auto):
    """Tasks so long that another thread takes over from the caller's."""

    def tasks(self) -> list[Task[int]]:
        self.run += 1
        run = f"{self.run}"
        return [Task.of(slow_square, self.log, run, i) for i in range(COUNT)]


class OwnWorkers(WarmCall):
    """Workers for this call alone."""

    further = 1  # each has its own workers

    options = {"max_tasks_per_worker": 2}  # noqa: RUF012


class Stream(Scenario):
    """A stream on processes that is closed early."""

    def act(self) -> None:
        stream = execute_tasks_in_parallel_streaming(self.tasks(), 2, True, grace=1)
        next(stream)
        stream.close()

    def again(self) -> object:
        return [
            value
            for _, value in execute_tasks_in_parallel_streaming(self.tasks(), 2, True)
        ]


class ThreadStream(Scenario):
    """Outcomes from threads, to the end."""

    def act(self) -> None:
        for _ in iter_outcomes(self.tasks(), 2):
            pass

    def again(self) -> object:
        return [outcome.value for outcome in iter_outcomes(self.tasks(), 2)]


class Executor(Scenario):
    """An executor that lives on; at times one that is shut down."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.executor = IsolatedProcessPoolExecutor(2)

    def act(self) -> None:
        self.run += 1
        for i in range(3):
            self.executor.submit(noted_square, self.log, f"{self.run}", i).result()

    def again(self) -> object:
        self.run += 1
        submit = self.executor.submit
        futures = [
            submit(noted_square, self.log, f"{self.run}", i) for i in range(COUNT)
        ]
        return [future.result() for future in futures]

    def finish(self) -> None:
        self.executor.shutdown()
        self.executor = IsolatedProcessPoolExecutor(2)


class ExecutorsEnd(Scenario):
    """An executor from its beginning to its end."""

    further = 1  # each has its own workers

    def act(self) -> None:
        self.run += 1
        executor = IsolatedProcessPoolExecutor(1)
        try:
            executor.submit(noted_square, self.log, f"{self.run}", 1)
            executor.shutdown()
        except BaseException:
            executor.shutdown()  # as after any Ctrl-C
            raise

    def again(self) -> object:
        with IsolatedProcessPoolExecutor(1) as executor:
            return list(executor.map(pow, range(COUNT), [2] * COUNT))


class Manager(Scenario):
    """A pool manager that lives on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.manager = PoolManager(2)

    def square_of(self) -> Callable[[int], int]:
        self.run += 1
        return Square(self.log, f"{self.run}")

    def act(self) -> None:
        self.manager.execute(self.square_of(), range(COUNT), chunksize=1)

    def again(self) -> object:
        return list(self.manager.execute(self.square_of(), range(COUNT)))

    def finish(self) -> None:
        self.check(0, self.manager.status().calls, "calls of the manager")
        self.manager.shutdown()
        self.manager = PoolManager(2)


class WorkerPool(Scenario):
    """A pool for the time of a ``with``."""

    further = 1  # each has its own workers

    def act(self) -> None:
        with worker_pool(max_workers=1):
            execute_tasks_in_parallel(self.tasks(), None, True)

    def again(self) -> object:
        with worker_pool(max_workers=1):
            return execute_tasks_in_parallel(self.tasks(), None, True)


class Execute(Scenario):
    """A function and data."""

    def act(self) -> None:
        self.run += 1
        execute(Square(self.log, f"{self.run}"), range(COUNT))

    def again(self) -> object:
        self.run += 1
        return list(execute(Square(self.log, f"{self.run}"), range(COUNT)))


class LongExecute(Scenario):
    """Items so long that another thread takes over from the caller's."""

    def act(self) -> None:
        self.again()

    def again(self) -> object:
        self.run += 1
        return execute(partial(slow_square, self.log, f"{self.run}"), range(COUNT))


class Journalled(Scenario):
    """A journal: what it holds afterwards is right, and the run can go on."""

    where: Any = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "journal"

    def prepare(self) -> None:
        self.path.unlink(missing_ok=True)
        shutil.rmtree(f"{self.path}.results", ignore_errors=True)

    def call(self) -> list[int]:
        self.run += 1
        # The run is not part of what a task is known by: it has to be found again.
        tasks = [Task.of(noted_square, self.log, "journal", i) for i in range(COUNT)]
        journal = Journal(self.path)
        return execute_tasks_in_parallel(
            tasks, 2, self.where, journal=journal, resume=True
        )

    def act(self) -> None:
        self.call()

    def again(self) -> object:
        return self.call()

    def check_log(self) -> None:
        """A task may run again if the strike kept its end from being written."""
        lines = Path(self.log).read_text("utf-8").splitlines()
        os.unlink(self.log)
        often = [line for line, n in collections.Counter(lines).items() if n > 2]
        self.check([], often, "ran more often than twice")


class JournalledOnProcesses(Journalled):
    """The same on processes."""

    where = True


class Letters(Scenario):
    """Dead letters: each is about a task that failed, and the file can be read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.letters = DeadLetters(folder / "letters")

    def call(self) -> list[int | Exception]:
        self.run += 1
        tasks = [Task.of(failing, self.log, f"{self.run}", i) for i in range(COUNT)]
        return execute_tasks_in_parallel(
            tasks, 2, on_error="return", dead_letters=self.letters
        )

    def act(self) -> None:
        self.call()

    def again(self) -> object:
        results = self.call()
        for letter in self.letters.entries():
            number = letter.message.split()[0]
            self.check(
                True, letter.call.endswith(f"{number})"), f"letter {letter.call}"
            )
        if len(self.letters.entries()) > 50:
            self.letters.path.unlink()
        return [
            int(str(each).split()[0]) ** 2 if isinstance(each, Exception) else each
            for each in results
        ]


# In event loops. `asyncio.run` makes a cancellation of the first Ctrl-C; a loop that is
# run by hand is left by it at once.


class AsyncCall(Scenario):
    """A list of results, awaited, on processes."""

    def act(self) -> None:
        self.again()

    def again(self) -> object:
        return asyncio.run(self.call())

    async def call(self) -> object:
        return await execute_tasks_in_parallel_async(self.tasks(), 2, True)


class AsyncInput(AsyncCall):
    """Tasks from an asynchronous iterable, on threads."""

    async def call(self) -> object:
        return await execute_tasks_in_parallel_async(self.given(), 2)

    async def given(self) -> AsyncIterator[Task[int]]:
        for task in self.tasks():
            yield task
            await asyncio.sleep(0)


class AsyncExecute(AsyncCall):
    """A function and data."""

    async def call(self) -> object:
        self.run += 1
        return await execute_async(Square(self.log, f"{self.run}"), range(COUNT))


class AsyncManager(AsyncCall):
    """A pool manager that lives on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.manager = PoolManager(2)

    async def call(self) -> object:
        self.run += 1
        work = Square(self.log, f"{self.run}")
        return list(await self.manager.execute_async(work, range(COUNT)))

    def finish(self) -> None:
        gc.collect()  # asyncio's frames hold the exception that holds them
        self.check(0, self.manager.status().calls, "calls of the manager")
        self.manager.shutdown()
        self.manager = PoolManager(2)


class AsyncStream(Scenario):
    """A stream that is closed early, in a loop that lives on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.loop = asyncio.new_event_loop()

    def act(self) -> None:
        self.loop.run_until_complete(self.first())

    async def first(self) -> None:
        stream = execute_tasks_in_parallel_streaming_async(
            self.given(), 2, True, grace=1
        )
        async with aclosing(stream) as results:
            async for _ in results:
                break

    def given(self) -> Any:  # Any: an iterable of either kind
        return self.tasks()

    def again(self) -> object:
        self.end_others()
        return self.loop.run_until_complete(self.all())

    def end_others(self) -> None:
        """What a Ctrl-C has left in the loop comes to its end when that goes on."""
        gc.collect()  # what struck the very end of a call has it in its traceback
        while True:
            try:
                self.loop.run_until_complete(self.others())
                return
            except (KeyboardInterrupt, SystemExit):
                pass  # it stops the loop in each task that it comes out of

    async def others(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, pending = await asyncio.wait(left, timeout=GONE_S)
            self.found += [f"is stuck: {each!r}" for each in pending]

    async def all(self) -> object:
        return [each.value async for each in iter_outcomes_async(self.given(), 2, True)]

    def finish(self) -> None:
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.loop = asyncio.new_event_loop()
        super().finish()

    def leave(self) -> None:
        self.loop.close()


class AsyncInputStream(AsyncStream):
    """The same with tasks from an asynchronous iterable."""

    async def given(self) -> AsyncIterator[Task[int]]:
        for task in self.tasks():
            yield task
            await asyncio.sleep(0)


# People who watch.


class Terminal(io.StringIO):
    """What stands for a terminal."""

    def isatty(self) -> bool:
        return True


class Bar(Scenario):
    """A bar in a terminal, which draws each step."""

    library = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        os.environ.pop("CI", None)
        os.environ["TERM"] = "xterm"
        bar.FIRST_AFTER = 0.0
        choose_display.is_installed = self.is_allowed
        self.usual, self.terminal = sys.stderr, Terminal()

    def is_allowed(self, name: str) -> bool:
        return name == self.library

    def act(self) -> None:
        self.again()

    def again(self) -> object:
        gc.collect()  # what struck the very end may have left a bar in a circle
        self.terminal = Terminal()
        sys.stderr = self.terminal
        try:
            results = execute_tasks_in_parallel(
                self.tasks(), 2, progress=True, chunksize=1
            )
            is_back = sys.stderr is self.terminal
            self.check(True, is_back, "standard error is as it was")
        finally:
            sys.stderr = self.usual
        return results

    def check_log(self) -> None:
        super().check_log()
        self.check([], list(bar.running), "bars that run")
        self.check(True, "6 tasks" in self.terminal.getvalue(), "the last one is drawn")

    def finish(self) -> None:
        from cotality.core.utils._process.progress import display_plain

        self.check(None, display_plain.standing, "a line that stands")
        super().finish()


class RichBar(Bar):
    """The bar of rich."""

    library = "rich"

    def finish(self) -> None:
        from cotality.core.utils._process.progress import display_rich

        self.check(None, display_rich.screen, "a display that stands")
        super().finish()


class TqdmBar(Bar):
    """The bar of tqdm."""

    library = "tqdm"

    def finish(self) -> None:
        from cotality.core.utils._process.progress.display_tqdm import QuietTqdm

        self.check(0, len(QuietTqdm._instances), "bars of tqdm that stand")
        super().finish()


class Told(WarmCall):
    """A function that is told how far the call is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.told: list[object] = []
        self.options = {"progress": self.told.append}


class Reported(Scenario):
    """A report, put into words and saved."""

    def act(self) -> None:
        self.again()

    def is_spared(self, file: str) -> bool:
        return "/causes/" in file or file.endswith("diary.py")

    def again(self) -> object:
        report = RunReport()
        results = execute_tasks_in_parallel(self.tasks(), 2, report=report)
        page, trace = self.folder / "page.html", self.folder / "trace.json"
        texts = report.summary(), report.explain()
        report.save_html(page)
        report.save_trace(trace)
        self.check(True, all(texts), "texts")
        self.check(COUNT, report.done, "done")
        self.check(True, "</html>" in page.read_text("utf-8"), "page")
        json.loads(trace.read_text("utf-8"))
        return results


class Printed(Scenario):
    """What tasks print, log and warn of."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.logged: list[str] = []
        handler = logging.Handler()
        handler.emit = self.note  # type: ignore[method-assign]
        logger.addHandler(handler)
        logger.propagate = False

    def note(self, record: logging.LogRecord) -> None:
        self.logged.append(record.getMessage())

    def act(self) -> None:
        self.again()

    def again(self) -> object:
        self.run += 1
        run = f"{self.run}"
        tasks = [Task.of(printed, self.log, run, i) for i in range(COUNT)]
        text = io.StringIO()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with contextlib.redirect_stdout(text):
                results = execute_tasks_in_parallel(tasks, 2, True)
        self.check_lines(text.getvalue().split(), "printed")
        self.check_lines([str(each.message) for each in warned], "warned of")
        self.check_lines(self.logged, "logged")
        return results

    def check_lines(self, lines: list[str], what: str) -> None:
        """Those of this call; some may be of one that was struck."""
        mine = sorted(line for line in lines if line.startswith(f"{self.run}-"))
        self.check([f"{self.run}-{i}" for i in range(COUNT)], mine, what)


# What travels in other ways.


class Marked(WarmCall):
    """Arguments that are shared, and such as each worker makes."""

    def tasks(self) -> list[Task[int]]:
        self.run += 1
        table = share([self.run * i for i in range(COUNT)])
        return [
            Task(
                marked_square,
                {"log": self.log, "run": self.run, "number": i, "table": table}
                | {"state": worker_state(opened, self.run)},
            )
            for i in range(COUNT)
        ]


class MarkedOnThreads(Marked):
    """The same on threads."""

    where = False


CELL = """
from tests.kit.struck_tasks import noted_square
run = {run}

class Work:
    def __init__(self, number): self.number = number
    def square(self, log): return noted_square(log, f"{{run}}", self.number)

def work(log, number):
    assert run == {run}, "an old cell"
    return Work(number).square(log)
"""


class Cells(WarmCall):
    """A notebook: each call is to a function that a cell has just defined anew."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.usual = sys.modules["__main__"]
        self.main = types.ModuleType("__main__")
        sys.modules["__main__"] = self.main

    def tasks(self) -> list[Task[int]]:
        self.run += 1
        cell = compile(CELL.format(run=self.run), f"<cell {self.run}>", "exec")
        exec(cell, vars(self.main))
        return [Task.of(self.main.work, self.log, i) for i in range(COUNT)]

    def leave(self) -> None:
        sys.modules["__main__"] = self.usual


class CellsAndExecutor(Cells):
    """A notebook whose calls are struck, and that goes on with an executor."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.executor = IsolatedProcessPoolExecutor(2)

    def again(self) -> object:
        tasks = self.tasks()
        calls = [partial(task.callback_function, *task.positional) for task in tasks]
        futures = [self.executor.submit(call) for call in calls]
        return [future.result() for future in futures]

    def finish(self) -> None:
        super().finish()
        self.executor.shutdown()
        self.executor = IsolatedProcessPoolExecutor(2)


class Options(WarmCall):
    """A call with limits, retries, an initializer and workers of its own."""

    options = {  # noqa: RUF012  # never changed
        "timeout": 30.0,
        "retries": 1,
        "initializer": str,
        "memory_limit_mb": 100_000,
    }


class Braked(WarmCall):
    """A rate and a circuit breaker, which go from call to call."""

    where = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.breaker = CircuitBreaker(2)
        rate = Rate(10_000)
        self.options = {"rate": rate, "circuit_breaker": self.breaker}

    def check_log(self) -> None:
        super().check_log()
        self.check("closed", self.breaker.state, "the circuit")


class Foreign(Scenario):
    """An executor of somebody else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.executor = ThreadPoolExecutor(2)

    def act(self) -> None:
        self.again()

    def again(self) -> object:
        return execute_tasks_in_parallel(self.tasks(), executor=self.executor)

    def finish(self) -> None:
        self.executor.shutdown()
        self.executor = ThreadPoolExecutor(2)


class Batches(Scenario):
    """Batches of results, closed early."""

    def act(self) -> None:
        batches = process_in_batches(self.tasks(), 2, True, batch_size=2, grace=1)
        next(batches)
        batches.close()

    def again(self) -> object:
        batches = process_in_batches(self.tasks(), 2, True, batch_size=4)
        return [value for batch in batches for value in batch]


class Replayed(Letters):
    """Dead letters are replayed: none is lost, and each task fails as before."""

    def prepare(self) -> None:
        self.letters.path.unlink(missing_ok=True)
        self.call()

    def act(self) -> None:
        self.outcomes()

    def outcomes(self) -> list[str]:
        return sorted(str(each.error).split()[0] for each in replay(self.letters))

    def again(self) -> object:
        self.check(["1", "3", "5"], self.outcomes(), "replayed")
        kept = sorted(each.message.split()[0] for each in self.letters.entries())
        self.check(["1", "3", "5"], kept, "letters")
        return SQUARES

    def check_log(self) -> None:
        os.unlink(self.log)  # they are to run again


# What decides by itself.


class Planned(Execute):
    """A plan is made, and followed."""

    def act(self) -> None:
        self.again()

    def again(self) -> object:
        self.run += 1
        work, data = Square(self.log, f"{self.run}"), list(range(COUNT))
        return list(execute(work, data, plan=optimize(work, data)))


class OptimizedStream(Execute):
    """Results one by one, from processes, left early."""

    def stream(self) -> Iterator[int]:
        self.run += 1
        work = Square(self.log, f"{self.run}")
        return optimize_streaming(
            work, range(COUNT), executor="processes", n_jobs=2, grace=1
        )

    def act(self) -> None:
        stream: Any = self.stream()
        next(stream)
        stream.close()

    def again(self) -> object:
        return list(self.stream())


class ManagersEnd(Scenario):
    """A pool manager from its beginning to its end."""

    further = 1  # each has its own workers

    def act(self) -> None:
        self.again()

    def again(self) -> object:
        self.run += 1
        with managed_pool(1) as manager:
            work = Square(self.log, f"{self.run}")
            return list(manager.execute(work, range(COUNT)))


class GlobalManager(Scenario):
    """The pool manager of the program, which others use as well."""

    def act(self) -> None:
        self.again()
        shutdown_global_pool_manager()

    def again(self) -> object:
        self.run += 1
        manager = get_global_pool_manager()
        return list(manager.execute(Square(self.log, f"{self.run}"), range(COUNT)))

    def finish(self) -> None:
        shutdown_global_pool_manager()
        super().finish()


# Those in front start no workers after a strike, which takes longest.
SCENARIOS: dict[str, type[Scenario]] = {
    "threads": Threads,
    "thread-stream": ThreadStream,
    "execute": Execute,
    "auto": Auto,
    "long-auto": LongAuto,
    "long-execute": LongExecute,
    "braked": Braked,
    "foreign": Foreign,
    "journal": Journalled,
    "letters": Letters,
    "replay": Replayed,
    "marked-threads": MarkedOnThreads,
    "async-input": AsyncInput,
    "async-execute": AsyncExecute,
    "bar": Bar,
    "rich-bar": RichBar,
    "tqdm-bar": TqdmBar,
    "told": Told,
    "report": Reported,
    "executor": Executor,
    "manager": Manager,
    "global-manager": GlobalManager,
    "planned": Planned,
    "async-manager": AsyncManager,
    "warm": WarmCall,
    "first": FirstCall,
    "own-workers": OwnWorkers,
    "stream": Stream,
    "executors-end": ExecutorsEnd,
    "worker-pool": WorkerPool,
    "journal-processes": JournalledOnProcesses,
    "async": AsyncCall,
    "async-stream": AsyncStream,
    "async-input-stream": AsyncInputStream,
    "printed": Printed,
    "marked": Marked,
    "cells": Cells,
    "cells-and-executor": CellsAndExecutor,
    "options": Options,
    "batches": Batches,
    "optimized-stream": OptimizedStream,
    "managers-end": ManagersEnd,
}
