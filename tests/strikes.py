"""An exception strikes the calling thread at one instruction; then all has to be right.

A signal handler may raise between any two instructions of the thread that makes a call:
a Ctrl-C, a time limit, a service manager's SIGTERM. This program makes a call again and
again, and has a signal come at another instruction of ours each time, whose handler
raises: one of the three in turn. That exception has to go on to the caller. After each,
further calls have to give right results, no task may have run twice, and nothing may be
left behind. What it finds wrong it prints, a line each, with the place that was struck.

``python -m tests.strikes --help`` says how to run it; ``nox -s interrupts`` runs all.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import gc
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import psutil

import cotality
from cotality.core.utils.process import (
    DeadLetters,
    IsolatedProcessPoolExecutor,
    Journal,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    iter_outcomes,
    shutdown_workers,
    worker_pool,
)
from cotality.tuning import PoolManager, execute
from tests.helpers import failing, noted_square

OURS = str(Path(cotality.__file__).parent)
STUCK_S = 30  # that one round may take
GONE_S = 10.0  # that threads and processes get to end
ROUNDS_A_LOOK = 20  # between two looks whether anything is left over
COUNT = 6  # tasks of a call
LONG_S = 0.005  # of a task that a call does not wait for before it begins with others


class LateError(TimeoutError):
    """What a time limit raises; an `OSError`, as many people's is."""


def be_late(number: int, frame: FrameType | None) -> None:
    """The handler of a time limit."""
    raise LateError


def stop(number: int, frame: FrameType | None) -> None:
    """The handler of a service that is told to stop."""
    sys.exit("told to stop")


# What strikes, in turn, and by which signal.
KINDS: dict[type[BaseException], signal.Signals] = {
    KeyboardInterrupt: signal.SIGINT,
    LateError: signal.SIGALRM,
    SystemExit: signal.SIGTERM,
}


class Striker:
    """Counts instructions of ours in this thread; a signal comes at one of them.

    Args:
        only: A part of the names of the files to do it in.
    """

    def __init__(self, only: str = "") -> None:
        self.only = only
        self.count = 0
        self.strike_at = 0
        self.error: type[BaseException] = KeyboardInterrupt
        self.place = ""
        # Where each instruction was met for the first time, for a thinned set.
        self.first: dict[tuple[CodeType, int], int] = {}

    @contextlib.contextmanager
    def watching(self, strike_at: int, error: type[BaseException]) -> Iterator[None]:
        self.count, self.strike_at, self.error, self.place = 0, strike_at, error, ""
        sys.settrace(self.enter)
        try:
            yield
        finally:
            sys.settrace(None)

    def enter(self, frame: FrameType, event: str, _: object) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(OURS) or self.only not in file:
            return None
        if is_of_the_collector(frame):
            return None  # what is raised in there reaches nobody
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self.step

    def step(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode":
            self.count += 1
            if not self.strike_at:
                self.first.setdefault((frame.f_code, frame.f_lasti), self.count)
            elif self.count == self.strike_at:
                code = frame.f_code
                name = os.path.relpath(code.co_filename, OURS)
                self.place = f"{name}:{frame.f_lineno} {code.co_qualname}"
                sys.settrace(None)
                signal.raise_signal(KINDS[self.error])
        return self.step


def is_of_the_collector(frame: FrameType | None) -> bool:
    """Whether it is called when an object is dropped."""
    while frame is not None:
        if frame.f_code.co_name in ("__del__", "abandon"):
            return True
        frame = frame.f_back
    return False


class Scenario:
    """A kind of call, and what has to hold after it was struck.

    Args:
        folder: For its files.
    """

    error_is_urgent = True

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

    def act(self) -> None:
        """The call that is struck."""
        raise NotImplementedError

    def again(self) -> object:
        """A further call: the squares."""
        raise NotImplementedError

    def finish(self) -> None:
        """Leave nothing behind."""
        shutdown_workers()

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


def slow_square(log: str, run: str, number: int) -> int:
    time.sleep(LONG_S)
    return noted_square(log, run, number)


class OwnWorkers(WarmCall):
    """Workers for this call alone."""

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


class Square:
    """A function of one number that leaves a note."""

    def __init__(self, log: str, run: str) -> None:
        self.log, self.run = log, run

    def __call__(self, number: int) -> int:
        return noted_square(self.log, self.run, number)


class WorkerPool(Scenario):
    """A pool for the time of a ``with``."""

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


SCENARIOS: dict[str, type[Scenario]] = {
    "warm": WarmCall,
    "first": FirstCall,
    "threads": Threads,
    "auto": Auto,
    "long-auto": LongAuto,
    "own-workers": OwnWorkers,
    "stream": Stream,
    "thread-stream": ThreadStream,
    "executor": Executor,
    "executors-end": ExecutorsEnd,
    "manager": Manager,
    "worker-pool": WorkerPool,
    "execute": Execute,
    "long-execute": LongExecute,
    "journal": Journalled,
    "journal-processes": JournalledOnProcesses,
    "letters": Letters,
}


class Leftovers:
    """What may be there: what was there when all had been used once."""

    def __init__(self) -> None:
        self.files = files()

    def now(self) -> str:
        threads = [
            each.name for each in threading.enumerate() if each.name != "MainThread"
        ]
        children = [
            child
            for child in psutil.Process().children(recursive=True)
            if not is_of_the_house(child)
        ]
        more = len(files()) - len(self.files)
        left = [f"{threads}" if threads else "", f"{children}" if children else ""]
        left += [f"{more} files: {files()}, before {self.files}"] if more > 0 else []
        return " ".join(filter(None, left))

    def after_a_while(self) -> str:
        """What is still left when all had time to end."""
        end = time.monotonic() + GONE_S
        while (left := self.now()) and time.monotonic() < end:
            gc.collect()
            time.sleep(0.002)
        return left


def is_of_the_house(child: psutil.Process) -> bool:
    """Whether it is the fork server or the resource tracker, which stay."""
    try:
        command = " ".join(child.cmdline())
        parent = child.parent()
    except psutil.Error:
        return True  # it has just ended
    is_helper = "resource_tracker" in command or "forkserver" in command
    return is_helper and parent is not None and parent.pid == os.getpid()


def files() -> list[str]:
    found: list[str] = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sorted(found)


def strike(scenario: Scenario, striker: Striker, at: int, number: int) -> bool:
    """One round; whether anything was struck."""
    scenario.prepare()
    error = list(KINDS)[number % len(KINDS)]
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    try:
        with striker.watching(at, error):
            scenario.act()
        if striker.place:
            scenario.found.append(f"lost the {error.__name__}")
    except error:
        pass
    except BaseException as other:
        # It may have been made the cause of another one, but not be lost.
        if not is_behind(other, error):
            scenario.found.append(f"raised {other!r} instead of {error.__name__}")
        del other
    for turn in range(3):
        try:
            scenario.check(SQUARES, scenario.again(), f"call {turn + 1} after it")
        except BaseException as raised:
            scenario.found.append(f"call {turn + 1} after it raised {raised!r}")
    scenario.check_log()
    faulthandler.cancel_dump_traceback_later()
    return bool(striker.place)


def is_behind(error: BaseException, kind: type[BaseException]) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def chosen(
    striker: Striker, share: float, rng: random.Random, most: int
) -> Iterator[int]:
    """At which instruction to strike next: all, or a part of the different ones."""
    if share >= 1:
        yield from range(1, most)
        return
    places = sorted(striker.first.values())
    if not places:
        return  # nothing of such a file runs in the calling thread
    yield from rng.sample(places, max(1, min(len(places), int(share * len(places)))))


def run(name: str, arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Strike one scenario; what is wrong."""
    scenario, wrong = SCENARIOS[name](folder), list[str]()
    striker = Striker(arguments.file)
    for _ in range(2):  # the second time all is imported
        scenario.prepare()
        with striker.watching(0, KeyboardInterrupt):
            scenario.act()
        scenario.again()
        scenario.check_log()
        count = striker.count
    scenario.finish()
    time.sleep(0.05)
    leftovers = Leftovers()
    leftovers.after_a_while()
    leftovers = Leftovers()
    rng = random.Random(arguments.seed)
    struck = 0
    places: list[str] = []
    rounds = arguments.at or chosen(striker, arguments.share, rng, count + 50)
    for number, at in enumerate(rounds):
        is_struck = strike(scenario, striker, at, number + arguments.kind)
        struck += is_struck
        places.append(f"{at} {striker.place}")
        wrong += [f"{name} {at} {striker.place}: {each}" for each in scenario.found]
        scenario.found.clear()
        if arguments.verbose:
            print(name, at, striker.place, flush=True)
        if number % ROUNDS_A_LOOK == ROUNDS_A_LOOK - 1 or arguments.at:
            wrong += look(name, scenario, leftovers, places)
    wrong += look(name, scenario, leftovers, places)
    print(
        f"{name}: {count} instructions, {len(striker.first)} different, {struck} struck"
    )
    return wrong


def look(
    name: str, scenario: Scenario, leftovers: Leftovers, places: list[str]
) -> list[str]:
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    scenario.finish()
    left = leftovers.after_a_while()
    faulthandler.cancel_dump_traceback_later()
    found = [f"{name} {each}" for each in scenario.found]
    scenario.found.clear()
    if left:
        found.append(f"{name} leaves {left} after one of {places}")
        leftovers.files = files()
    places.clear()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="all, unless some are named")
    parser.add_argument("--share", type=float, default=1.0, help="of the instructions")
    parser.add_argument("--file", default="", help="in files of such a name only")
    parser.add_argument("--at", type=int, nargs="*", help="strike there only")
    parser.add_argument(
        "--kind", type=int, default=0, help="begin with LateError: 1, SystemExit: 2"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    logging.getLogger("cotality").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGALRM, be_late)
    signal.signal(signal.SIGTERM, stop)
    # Where a coroutine of the engine was made, and struck before it was awaited.
    warnings.filterwarnings("ignore", ".* was never awaited", RuntimeWarning)
    wrong: list[str] = []
    for name in arguments.scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            wrong += run(name, arguments, Path(folder))
    for each in wrong:
        print("WRONG", each)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
