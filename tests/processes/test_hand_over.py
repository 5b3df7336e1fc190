"""How items get to workers and answers come back: each to its own, and once."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator

import pytest

from cotality.core.utils._process.channel.messages import Kind
from cotality.core.utils._process.channel.worker_link import WorkerLink
from cotality.core.utils._process.pickling.encode import encode
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
)
from tests.kit.helpers import Gate, Marks
from tests.kit.limits import LONG_S


@pytest.fixture
def single() -> Iterator[IsolatedProcessPoolExecutor]:
    with IsolatedProcessPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def pair() -> Iterator[IsolatedProcessPoolExecutor]:
    with IsolatedProcessPoolExecutor(2) as executor:
        yield executor


def square(number: int) -> int:
    return number * number


def marked(marks: Marks, name: str) -> str:
    """Leaves a mark, or says that there was one."""
    if name in marks.names():
        return f"{name} ran twice"
    marks.leave(name)
    return name


def wait_for(marks: Marks, gate: Gate) -> str:
    marks.leave("begun")
    gate.wait()
    return "long"


def wait_and_die(marks: Marks, gate: Gate) -> None:
    wait_for(marks, gate)
    os._exit(7)


def make_quick(executor: IsolatedProcessPoolExecutor) -> None:
    """Let the workers of *executor* be known for short calls."""
    assert [*executor.map(square, range(50))] == [i * i for i in range(50)]


# Answers that nobody has asked for.


def forge(number: int) -> str:
    """Answers in the name of another item, as a worker would that lost count."""
    [link] = [each for each in gc.get_objects() if type(each) is WorkerLink]
    link.send(Kind.VALUE, encode("forged"), number=number)
    return "true"


@pytest.mark.parametrize("number", [0, 1, 3, 999])
def test_an_answer_out_of_turn_is_never_delivered(
    number: int, single: IsolatedProcessPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """Its worker is ended, the item fails, and later ones get their own answers."""
    assert single.submit(square, 2).result(LONG_S) == 4
    futures = [single.submit(forge, number)]
    futures += [single.submit(square, i) for i in range(5)]

    with pytest.raises(WorkerCrashedError, match="that it was not asked"):
        futures[0].result(LONG_S)
    assert [each.result(LONG_S) for each in futures[1:]] == [0, 1, 4, 9, 16]
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    assert f"gave answer {number}" in caplog.text


def test_a_second_answer_to_an_item_is_never_delivered(
    single: IsolatedProcessPoolExecutor,
) -> None:
    """The first one counts. The second ends the worker, and what it has begun since."""
    assert single.submit(square, 2).result(LONG_S) == 4
    first = single.submit(forge, 2)
    rest = [single.submit(square, i) for i in range(5)]

    assert first.result(LONG_S) == "forged"  # it named itself
    for number, each in enumerate(rest):
        error = each.exception(LONG_S)
        if error is None:
            assert each.result() == number**2
        else:
            assert isinstance(error, WorkerCrashedError)
            assert "that it was not asked" in str(error)
    assert single.submit(square, 9).result(LONG_S) == 81


def test_an_answer_out_of_turn_in_a_call_is_the_failure_of_its_task() -> None:
    """All other tasks have their own results."""
    tasks = [Task.of(forge, 999), *(Task.of(square, i) for i in range(20))]
    first, *rest = execute_tasks_in_parallel(
        tasks, 2, True, return_exceptions=True, chunksize=1
    )
    assert isinstance(first, WorkerCrashedError)
    assert rest == [i * i for i in range(20)]


# An item that waits in the link of a worker which has been quick so far.


def test_nothing_waits_behind_a_long_call(
    pair: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """What stood behind it is given to another worker, and runs once."""
    for turn in range(5):
        make_quick(pair)
        long = pair.submit(wait_for, marks, gate)
        names = [f"{turn}-{i}" for i in range(40)]
        quick = [pair.submit(marked, marks, name) for name in names]

        assert [each.result(LONG_S) for each in quick] == names
        assert not long.done()
        gate.open()
        assert long.result(LONG_S) == "long"
        gate.path.unlink()


def test_order_is_kept_when_a_call_comes_back_from_a_link(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """With one worker, calls start in the order in which they were submitted."""
    make_quick(single)
    long = single.submit(wait_for, marks, gate)
    log = marks.folder / "order"
    quick = [single.submit(append, str(log), f"{i} ") for i in range(30)]
    marks.wait_for(1)
    gate.open()
    for each in [long, *quick]:
        each.result(LONG_S)

    assert log.read_text("utf-8").split() == [f"{i}" for i in range(30)]


def append(path: str, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def test_a_call_that_waits_in_a_link_can_be_ended(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """The one before it, which runs, is left alone."""
    make_quick(single)
    long = single.submit(wait_for, marks, gate)
    waiting = single.submit(marked, marks, "waiting")
    after = single.submit(marked, marks, "after")
    marks.wait_for(1)

    assert single.kill(waiting)
    gate.open()
    assert long.result(LONG_S) == "long"
    assert after.result(LONG_S) == "after"
    if not waiting.cancelled():
        assert isinstance(waiting.exception(LONG_S), WorkerCrashedError)
    assert "waiting" not in marks.names()


def test_a_crash_spares_what_waits_in_the_link(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """It runs once, in the next worker."""
    for turn in range(5):
        make_quick(single)
        dying = single.submit(wait_and_die, marks, gate)
        names = [f"{turn}-{i}" for i in range(5)]
        waiting = [single.submit(marked, marks, name) for name in names]
        marks.wait_for(1)
        gate.open()

        with pytest.raises(WorkerCrashedError, match="code 7"):
            dying.result(LONG_S)
        assert [each.result(LONG_S) for each in waiting] == names
        gate.path.unlink()
