"""An exception strikes the caller while it starts a thread, or looks at the logs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cotality.core.utils._process.call.loops.head_start import HeadStart
from cotality.core.utils._process.machine.environment import LOGGER, log_is_wanted
from cotality.core.utils._process.tasks.task import marks
from cotality.core.utils.process import Task, execute_tasks_in_parallel
from cotality.tuning import execute
from tests.kit.helpers import Failure, Gate, run_script
from tests.kit.limits import LONG_S

ITEMS = range(100)
Run = Callable[[Callable[[int], object]], object]


def by_execute(work: Callable[[int], object]) -> object:
    return execute(work, ITEMS)


def by_auto(work: Callable[[int], object]) -> object:
    tasks = [Task(work, positional=(item,)) for item in ITEMS]
    return execute_tasks_in_parallel(tasks, use_processes="auto")


def by_threads(work: Callable[[int], object]) -> object:
    tasks = [Task(work, positional=(item,)) for item in ITEMS]
    return execute_tasks_in_parallel(tasks)


RUNS = pytest.mark.parametrize("run", [by_execute, by_auto, by_threads])


@RUNS
@pytest.mark.parametrize("error", [KeyboardInterrupt, Failure, RuntimeError])
def test_nothing_goes_on_after_the_start_of_a_thread_was_struck(
    monkeypatch: pytest.MonkeyPatch, run: Run, error: type[BaseException]
) -> None:
    """Neither is another item begun, nor does the thread outlive it."""
    start, lock = threading.Thread.start, threading.Lock()
    started: list[threading.Thread] = []
    begun: list[int] = []
    is_over = False
    late: list[int] = []

    def struck(thread: threading.Thread) -> None:
        start(thread)
        if not started:
            started.append(thread)
            raise error("struck")

    def work(item: int) -> None:
        with lock:
            begun.append(item)
            if is_over:
                late.append(item)
        time.sleep(0.002)  # each worth a look

    monkeypatch.setattr(threading.Thread, "start", struck)
    with pytest.raises(error, match="struck"):
        run(work)
    is_over = True
    started[0].join(LONG_S)

    assert not started[0].is_alive()
    assert late == []
    assert len(set(begun)) == len(begun)


@RUNS
def test_what_struck_is_raised_and_not_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """`threading` takes an exception that strikes there for one of the system."""
    # Since Python 3.13 by another name.
    names = ("_start_joinable_thread", "_start_new_thread")
    name = next(each for each in names if hasattr(threading, each))
    begin, count = getattr(threading, name), list[int]()

    def struck(*arguments: object, **named: object) -> None:
        begin(*arguments, **named)
        if not count:
            count.append(1)
            while len(threading._limbo):  # type: ignore[attr-defined]
                time.sleep(0)  # until the thread has undone what the caller undoes
            raise Failure("struck")

    monkeypatch.setattr(threading, name, struck)
    with pytest.raises(Failure, match="struck"):
        run(lambda item: item)


@RUNS
def test_a_thread_that_was_not_seen_to_begin_is_no_other_error(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """What has struck its start is raised, though nobody can wait for its end."""

    def struck(thread: threading.Thread) -> None:
        raise Failure("struck")

    monkeypatch.setattr(threading.Thread, "start", struck)
    with pytest.raises(Failure, match="struck"):
        run(lambda item: item)


def test_a_deputy_that_is_stuck_holds_up_no_exception(
    monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    """An exception may leave a lock held, of imports say, that the deputy wants."""
    stuck = threading.Event()

    def is_held_up(head: HeadStart, seconds: float) -> bool:
        stuck.set()
        gate.wait()
        return True

    def work(item: int) -> None:
        stuck.wait(LONG_S)
        raise KeyboardInterrupt

    # Or an item might be a mark, and then there is no head start.
    monkeypatch.setattr(marks, "share_was_used", False)
    monkeypatch.setattr(marks, "state_was_used", False)
    monkeypatch.setattr(HeadStart, "is_held_up", is_held_up)
    with pytest.raises(KeyboardInterrupt):
        execute(work, ITEMS)
    assert stuck.is_set()
    gate.open()


@pytest.mark.parametrize("level", [0, logging.DEBUG, logging.INFO, logging.WARNING])
@pytest.mark.parametrize("name", [LOGGER, "cotality.core", "cotality", ""])
@pytest.mark.parametrize("disable", [0, logging.INFO])
def test_who_looks_at_the_logs_takes_none_of_their_locks(
    monkeypatch: pytest.MonkeyPatch, name: str, level: int, disable: int
) -> None:
    """An exception that strikes there would leave it held, and another thread waits."""
    logger = logging.getLogger(name)
    monkeypatch.setattr(logger, "level", level)
    monkeypatch.setattr(logger.manager, "disable", disable)
    ours = logging.getLogger(LOGGER)
    wanted = bool(name and level) and ours.getEffectiveLevel() <= logging.INFO
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(log_is_wanted()))

    with logging._lock:  # type: ignore[attr-defined]
        asking.start()
        asking.join(LONG_S)

    assert answers == [wanted and not disable]
    monkeypatch.setattr(ours, "disabled", True)
    assert not log_is_wanted()


@pytest.mark.parametrize("when", ["before", "between"])
def test_an_import_that_was_struck_stops_no_other_thread(
    tmp_path: Path, when: str
) -> None:
    """It may have left the lock of all imports with the thread that goes on to call."""
    # As an import does that is struck between its first two instructions.
    leave = "import _imp; _imp.acquire_lock()\n"
    source = (
        "import faulthandler\n"
        f"faulthandler.dump_traceback_later({LONG_S}, exit=True)\n"
        "from cotality.core.utils.process import *\n"
        f"{leave}"
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "print(executor.submit(abs, -1).result())\n"
        f"{leave if when == 'between' else ''}"
        "print(executor.submit(abs, -2).result())\n"
        "executor.shutdown()\n"
        "print(execute_tasks_in_parallel([Task.of(abs, -3)], 1, True))\n"
    )

    assert run_script(source, tmp_path) == "1\n2\n[3]\n"
