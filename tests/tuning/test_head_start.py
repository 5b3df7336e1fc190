"""The first items of a list run before the engine is set up, if it ever is."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any

import pytest

from cotality.core.calls import prepare
from cotality.core.utils._process.call.loops.head_start import LITTLE, TINY, HeadStart
from cotality.core.utils._process.tasks.task import marks
from cotality.core.utils.process import TaskExitedError, share, worker_state
from cotality.tuning import execute
from tests.kit.given import given, settings, st
from tests.kit.helpers import Failure, Gate, Marks, wait_until
from tests.kit.programs import Program


@pytest.fixture(autouse=True)
def nothing_was_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has marked anything has no head start, and other tests do so."""
    for each in ("share_was_used", "state_was_used"):
        monkeypatch.setattr(marks, each, False)


def test_an_item_that_takes_long_holds_up_no_other(gate: Gate) -> None:
    """The first one waits here for what the second one does."""

    def work(number: int) -> int:
        if number:
            gate.open()
        else:
            gate.wait()
        return number

    assert execute(work, [0, 1]) == [0, 1]


@pytest.mark.parametrize("slow", [0, 1, 7, 99])
def test_every_item_is_run_once_wherever_the_loop_ends(slow: int) -> None:
    """Where one takes long the others go to the engine, with their results in order."""
    counts, lock = Counter[int](), threading.Lock()

    def work(number: int) -> int:
        with lock:
            counts[number] += 1
        if number == slow:
            time.sleep(0.02)  # long enough to be worth a look
        return -number

    assert execute(work, list(range(100))) == [-number for number in range(100)]
    assert set(counts.values()) == {1}


def test_the_failure_of_the_item_that_was_begun_is_raised(gate: Gate) -> None:
    """When the engine has the others already; with its own number."""

    def work(number: int) -> int:
        if number == 0:
            gate.wait()
            raise Failure("the first")
        if number == 19:
            gate.open()
        return number

    with pytest.raises(Failure, match="the first") as caught:
        execute(work, list(range(20)))

    assert caught.value.__notes__[0].startswith("Raised by task 0: ")
    frames = []
    frame = caught.value.__traceback__
    while frame is not None:
        frames.append(frame.tb_frame.f_code.co_name)
        frame = frame.tb_next
    assert frames[-1] == "work"
    assert "run_some" not in frames


def test_a_failure_behind_the_loop_has_its_own_number(gate: Gate) -> None:
    """What the engine runs is counted from the first item on."""

    def work(number: int) -> int:
        if number == 2:
            gate.wait()
        if number == 5:
            gate.open()
            raise Failure("the fifth")
        return number

    with pytest.raises(Failure) as caught:
        execute(work, list(range(8)))

    assert caught.value.__notes__[0].startswith("Raised by task 5: ")


def test_an_exit_within_the_loop_is_the_failure_of_its_item() -> None:
    """As everywhere."""
    with pytest.raises(TaskExitedError) as caught:
        execute(sys.exit, [3])

    assert isinstance(caught.value.__cause__, SystemExit)


def test_an_iterator_is_read_by_the_thread_that_calls() -> None:
    """It may be the cursor of a database, which wants no other."""
    here, read_by = threading.get_ident(), set[int]()

    def items() -> Iterator[int]:
        for number in range(50):
            read_by.add(threading.get_ident())
            yield number

    assert execute(abs, items()) == list(range(50))
    assert read_by == {here}


@pytest.mark.parametrize("slow", [0, 1, 7, 99])
def test_every_item_of_an_iterator_is_run_once(slow: int) -> None:
    """Wherever the loop ends; what it had read by then is not lost."""
    counts, lock = Counter[int](), threading.Lock()

    def work(number: int) -> int:
        with lock:
            counts[number] += 1
        if number == slow:
            time.sleep(0.02)
        return -number

    assert execute(work, iter(range(100))) == [-number for number in range(100)]
    assert counts == Counter(range(100))


def test_items_of_an_iterator_run_beside_one_another(gate: Gate) -> None:
    """Once one has shown that they take long: one waits for what the next one does."""

    def is_seen() -> bool:
        """Whether the thread that watches over the loop has stopped it, and ended."""
        return not any(each.name == "cotality deputy" for each in threading.enumerate())

    def work(number: int) -> int:
        if number == 0:
            wait_until(is_seen)
        elif number == 1:
            gate.wait()
        elif number == 2:
            gate.open()
        return number

    assert execute(work, iter(range(3))) == [0, 1, 2]


@pytest.mark.parametrize("place", [0, 3])
def test_a_failure_in_a_loop_over_an_iterator_has_its_number(place: int) -> None:
    """And a traceback that begins in the function."""

    def fail() -> None:
        raise Failure("in here")

    def work(number: int) -> None:
        if number == place:
            fail()

    with pytest.raises(Failure, match="in here") as caught:
        execute(work, iter(range(10)))

    assert caught.value.__notes__ == [
        f"Raised by task {place}: {name_of(work)}({place})"
    ]
    names = [entry.name for entry in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["work", "fail"]
    assert "loop" not in names


def name_of(function: Any) -> str:
    return str(function.__qualname__)[:80]


def test_what_an_iterator_raises_is_raised() -> None:
    """As it is: no item is to blame."""
    ran: list[int] = []

    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise Failure("no more")

    with pytest.raises(Failure, match="no more") as caught:
        execute(ran.append, items())

    assert ran == [1, 2]
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("pause", [0.0, 0.03])
def test_an_iterator_is_read_in_the_context_of_the_caller(pause: float) -> None:
    """What it sets there stays; items find the context that the call had.

    Also those that are run elsewhere, since the first ones take long.
    """

    def items() -> Iterator[str]:
        for word in "abcdef":
            variable.set(word)
            yield f"after {word}"

    def slow(text: str) -> str:
        time.sleep(pause)
        return read_and_set(text)

    def call() -> tuple[list[str], str]:
        return execute(slow, items()), variable.get()

    assert copy_context().run(call) == (["nothing"] * 6, "f")


variable: ContextVar[str] = ContextVar("variable", default="nothing")


def read_and_set(value: str) -> str:
    before = variable.get()
    variable.set(value)
    return before


def test_each_item_sees_the_context_of_the_caller() -> None:
    """And not what the one before it has left there."""

    def call() -> list[str]:
        variable.set("the caller's")
        return execute(read_and_set, ["a", "b", "c"])

    assert execute(read_and_set, ["a", "b", "c"]) == ["nothing"] * 3
    assert copy_context().run(call) == ["the caller's"] * 3
    assert variable.get() == "nothing"


@pytest.mark.parametrize("executor", [None, "sequential"])
def test_marks_are_read_by_the_core(executor: Any) -> None:
    """What is shared, or made once in each worker, is itself in the function."""
    items = [share([1, 2]), worker_state(dict, a=1)]

    assert execute(len, items, executor=executor) == [2, 1]


LEFT = st.integers(2, 10**6)


@settings(deadline=None)
@given(st.integers(1, 10**4), LEFT, st.floats(1e-7, 1.0))
def test_a_loop_goes_on_for_tiny_items_and_for_few(
    done: int, left: int, each: float
) -> None:
    """Whatever is expected to take longer than a few milliseconds is handed on."""
    head = HeadStart(abs, range(done + left), prepare)

    would_pay = head.would_pay(done, done, done * each)

    if each > 1.01 * TINY and (left - 1) * each > 1.01 * LITTLE:
        assert would_pay
    if each < 0.99 * TINY or (left - 1) * each < 0.99 * LITTLE:
        assert not would_pay


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
@pytest.mark.parametrize("items", [1, 20])
def test_ctrl_c_interrupts_the_item_of_the_caller(
    tmp_path: Path, gate: Gate, marks: Marks, items: int
) -> None:
    """As in a loop, also when another thread has begun with the others."""
    source = (
        "from cotality.tuning import execute\n"
        "def work(number):\n"
        "    if number == 0:\n"
        "        marks.leave('begun')\n"
        "        gate.wait()\n"
        "        marks.leave('ended')\n"
        "    else:\n"
        "        marks.leave(f'other {number}')\n"
        f"execute(work, list(range({items})))\n"
    )
    with Program(source, tmp_path) as program:
        marks.wait_for(2 if items > 1 else 1)
        program.send(signal.SIGINT)
        assert program.exit_code() != 0
        assert "KeyboardInterrupt" in program.printed()

    assert "begun" in marks.names()
    assert "ended" not in marks.names()
