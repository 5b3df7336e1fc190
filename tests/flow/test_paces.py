"""When a worker answers, and what it takes for the work of a call."""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest

from cotality.core.utils._process.channel.ledger import SLOT, Ledger
from cotality.core.utils._process.workers.host import Board
from cotality.flow import Flow, Step
from cotality.flow._flow.router.pace import Pace
from cotality.flow._flow.router.seat import records_in
from cotality.flow._flow.workers import stopwatch as stopwatches
from cotality.flow._flow.workers.answers import RESERVE, SEND_AFTER, Answers
from cotality.flow._flow.workers.stopwatch import LONG, Stopwatch, work_between
from tests.flow.handlers import double
from tests.kit.limits import LONG_S

pytestmark = pytest.mark.one_python


class Link:
    """Keeps what is sent: the numbers of the items in each message."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []

    def send(self, kind: int, body: bytes, fds: Any = ()) -> None:
        self.sent.append([record[3] for record in records_in(body)])


def sent_for(portion: int, each: float) -> list[list[int]]:
    """The messages for one portion of items that take so long."""
    link = Link()
    answers = Answers(link, Board(Ledger(bytearray(SLOT))))  # type: ignore[arg-type]
    for number in range(1, portion + 1):
        answers.put(0, number, b"x", batch=1, seconds=each, work=each)
        answers.send_if_due(each, portion - number, each)
    answers.send()  # there is nothing more to do
    return link.sent


def test_a_portion_is_answered_at_its_half_and_at_its_end() -> None:
    """So the next one comes before this one is done, and nothing is sent one by one."""
    assert sent_for(12, RESERVE / 2) == [[*range(1, 8)], [*range(8, 13)]]


def test_quick_items_are_answered_all_at_once() -> None:
    """Half of them are done sooner than the router could do anything about it."""
    assert sent_for(64, RESERVE / 1000) == [[*range(1, 65)]]


def test_what_is_done_does_not_lie_there_for_long() -> None:
    """It is sent after 10 ms of work, however much there is still to do."""
    each = SEND_AFTER / 4
    messages = sent_for(40, each)
    assert max(map(len, messages)) == 4
    assert [*chain.from_iterable(messages)] == [*range(1, 41)]


def usage(cpu: float, waited: int) -> SimpleNamespace:
    return SimpleNamespace(ru_utime=cpu, ru_stime=0.0, ru_nvcsw=waited)


@pytest.mark.parametrize(
    ("waited", "expected"), [(0, 0.002), (1, pytest.approx(1.0))], ids=["no", "yes"]
)
def test_a_call_that_never_waited_counts_by_its_cpu_time(
    monkeypatch: pytest.MonkeyPatch, waited: int, expected: Any
) -> None:
    """One that has waited counts by the clock: that may be what it does."""
    clock = [0.0]
    usages = [usage(0.0, 0), usage(0.002, waited)]
    monkeypatch.setattr(stopwatches, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(stopwatches, "usage", lambda: usages.pop(0))
    watch = Stopwatch()
    for _ in range(3):  # the first one says that the calls are long ones
        watch.start()
        clock[0] += 1.0
        watch.stop(1)
        if not usages:
            break
    assert watch.work == expected
    assert watch.seconds == pytest.approx(1.0)


def test_short_calls_are_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """That would take longer than they do."""
    clock = [0.0]
    monkeypatch.setattr(stopwatches, "perf_counter", lambda: clock[0])
    monkeypatch.delattr(stopwatches, "usage")
    watch = Stopwatch()
    for _ in range(10):
        watch.start()
        clock[0] += LONG / 2
        watch.stop(1)
    assert watch.each == pytest.approx(LONG / 2)


def test_portions_follow_the_work_and_not_the_clock() -> None:
    """Where other programs have the CPU mostly, 20 ms of work are still 20 ms."""
    pace = Pace()
    for _ in range(100):
        pace.note(0.001, 1, 0.010)
    assert pace.limit(1, 100, 2) == 20
    assert pace.is_quick
    assert pace.by_clock == pytest.approx(0.010, rel=0.01)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tells of a thread")
def test_this_system_tells_whether_a_thread_has_waited() -> None:
    """A sleep is seen."""
    before = stopwatches.usage()
    time.sleep(0.01)
    assert work_between(before, stopwatches.usage()) == float("inf")


@pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")
def test_every_item_is_answered_however_many_come_at_a_time() -> None:
    """One alone, fewer than a portion, and more than several of them."""
    with Flow(Step(double, workers=2)) as flow:
        assert flow.call(4, timeout=LONG_S) == 8

        async def run(count: int) -> list[int]:
            return await flow.map(range(count), timeout=LONG_S)

        for count in (1, 3, 64, 500):
            assert asyncio.run(run(count)) == [2 * each for each in range(count)]
