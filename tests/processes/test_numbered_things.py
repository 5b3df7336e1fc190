"""Nothing travels as a number that means something else in another process."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing import heap
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Journal,
    RemoteTaskError,
    Skipped,
    Task,
    TaskNotPicklableError,
    WorkerStartError,
    execute_tasks_in_parallel,
    is_picklable,
)
from tests.kit.helpers import echo
from tests.kit.limits import LONG_S
from tests.kit.numbered_things import (
    NAMED,
    OTHERS,
    PIPES,
    kept,
    log_pipe_end,
    make_pipe_end,
    name_of_kind,
    raise_pipe_end,
    return_parent,
    return_pipe_end,
    take,
    use_what_was_given,
)

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="made of what other systems have"
)

FILLING = list(range(20_000))  # beside it, an argument is large


@pytest.fixture(scope="module", autouse=True)
def memory_that_stays() -> object:
    """`multiprocessing` keeps its first piece of memory for good."""
    return heap.BufferWrapper(10)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def outcomes(*tasks: Task[Any]) -> list[Any]:  # Any: tasks of every result type
    return execute_tasks_in_parallel(tasks, 1, True, True)


@pytest.mark.parametrize("name", [*PIPES, *OTHERS])
def test_what_is_of_one_process_is_refused_as_an_argument(
    name: str, stack: ExitStack
) -> None:
    """Alone, in containers, in large ones and closed over; the task alone fails."""
    thing = (PIPES | OTHERS)[name](stack)
    tasks: list[Task[Any]] = [
        Task.of(name_of_kind, thing),
        Task.of(name_of_kind, {"a": [thing]}),
        Task.of(name_of_kind, [thing, FILLING]),
        Task(lambda: name_of_kind(thing)),
    ]

    *refused, fine = outcomes(*tasks, Task.of(pow, 2, 5))

    assert fine == 32
    assert not is_picklable(thing)
    for error in refused:
        assert isinstance(error, TaskNotPicklableError)


@pytest.mark.parametrize("name", PIPES)
def test_ends_of_pipes_are_refused_by_executors(name: str, stack: ExitStack) -> None:
    """Before they are sent; and an initializer's arguments may hold them."""
    thing = PIPES[name](stack)
    with IsolatedProcessPoolExecutor(1) as executor:
        for arguments in [(thing,), ([thing, FILLING],)]:
            error = executor.submit(name_of_kind, *arguments).exception(LONG_S)
            assert isinstance(error, TaskNotPicklableError)
            assert "initargs" in str(error)


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside"])
@pytest.mark.parametrize("make", [return_pipe_end, return_parent])
def test_results_that_are_of_the_worker_are_refused(make: Any, inside: bool) -> None:
    """By calls and by executors, so that nothing here is closed with them."""
    refused, fine = outcomes(Task.of(make, inside), Task.of(pow, 2, 5))
    with IsolatedProcessPoolExecutor(1) as executor:
        error = executor.submit(make, inside).exception(LONG_S)

    assert fine == 32
    assert isinstance(refused, TaskNotPicklableError)
    assert isinstance(error, TaskNotPicklableError)


def test_an_exception_that_holds_the_end_of_a_pipe() -> None:
    """It arrives as its text."""
    (error,) = outcomes(Task.of(raise_pipe_end))
    assert isinstance(error, RemoteTaskError)
    assert error.type_name.endswith("HoldingError")


def test_a_log_record_that_holds_the_end_of_a_pipe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What it is called arrives."""
    with caplog.at_level(logging.WARNING):
        assert outcomes(Task.of(log_pipe_end)) == [None]

    (record,) = [each for each in caplog.records if each.name == "tests"]
    assert isinstance(vars(record)["end"], str)


def test_a_journal_takes_no_end_of_a_pipe(tmp_path: Path) -> None:
    """A later run would take it for whatever has its number then."""

    def run(resume: bool) -> object:
        journal = Journal(tmp_path / "journal")
        tasks = [Task.of(make_pipe_end)]
        return execute_tasks_in_parallel(tasks, journal=journal, resume=resume)[0]

    with contextlib.ExitStack() as stack:
        end = run(resume=False)
        assert isinstance(end, Connection)
        for each in (end, kept.pop()):
            stack.enter_context(each)

    again = run(resume=True)

    assert isinstance(again, Skipped)
    assert "Connection cannot be pickled" in again.reason


def test_text_that_reads_like_a_pipe_is_text() -> None:
    """What only looks suspicious arrives as it is."""
    texts = ["_readable", "_ParentProcess", "__main__"]
    assert outcomes(Task.of(echo, texts)) == [texts]


@pytest.mark.parametrize("name", NAMED)
def test_what_has_a_name_everywhere_is_the_same_there(
    name: str, stack: ExitStack
) -> None:
    """A task changes it, and the program sees that."""
    make, change, look = NAMED[name]
    thing = make(stack)

    assert outcomes(Task.of(change, thing)) == [None]

    assert look(thing) == 7


@pytest.mark.one_python
@pytest.mark.parametrize("method", ["ours", "spawn"])
def test_initargs_may_hold_pipes_sockets_and_queues(
    method: str, stack: ExitStack
) -> None:
    """They are sent to each worker while it starts, and work there."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    near, far = socket.socketpair()
    for each in (ours, theirs, near, far):
        stack.enter_context(each)
    results = context.SimpleQueue()
    stack.callback(results.close)
    with IsolatedProcessPoolExecutor(
        1, None if method == "ours" else context, take, (theirs, far, results)
    ) as executor:
        assert executor.submit(use_what_was_given).result(LONG_S) is None

    assert ours.recv() == "through a pipe"
    assert near.recv(100) == b"through a socket"
    assert results.get() == "through a queue"


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is that of Linux")
def test_more_sockets_than_a_message_takes(stack: ExitStack) -> None:
    """The error says how many there may be, and what takes more does."""
    ends = [end for _ in range(130) for end in socket.socketpair()]
    for end in ends:
        stack.enter_context(end)

    def number_of(few: int, context: BaseContext | None = None) -> int:
        with IsolatedProcessPoolExecutor(1, context, len, (ends[:few],)) as executor:
            return executor.submit(abs, -1).result(LONG_S)

    with pytest.raises(WorkerStartError) as caught:
        number_of(260)
    said = re.search(r"given (\d+) open files.* gives (\d+)", f"{caught.value}")
    assert said is not None
    most = int(said[2]) - (int(said[1]) - 260)  # the others are the worker's own

    assert number_of(most) == 1
    with pytest.raises(WorkerStartError):
        number_of(most + 1)
    assert number_of(260, multiprocessing.get_context("spawn")) == 1


def test_no_descriptor_is_closed_by_what_was_refused(stack: ExitStack) -> None:
    """The program's own end goes on to work."""
    one, other = multiprocessing.Pipe()
    with one, other:
        (error,) = outcomes(Task.of(name_of_kind, other))
        assert isinstance(error, TaskNotPicklableError)
        del error
        other.send(os.getpid())
        assert one.recv() == os.getpid()
