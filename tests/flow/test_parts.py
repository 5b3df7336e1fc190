"""Parts of the router by themselves, with made-up times and made-up bytes."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import replace
from tempfile import TemporaryFile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotality.flow import FlowStatus, StepStatus
from cotality.flow._flow.figures.histogram import Histogram
from cotality.flow._flow.figures.prometheus import labels
from cotality.flow._flow.router.item import OVER, Item
from cotality.flow._flow.router.line import MOST_OVER, Line
from cotality.flow._flow.router.pace import MOST, Pace
from cotality.flow._flow.router.timers import FEW, Timers
from cotality.flow._flow.wire.descriptors import Descriptors
from cotality.flow._flow.wire.frames import (
    FROM_CLIENT,
    HEAD,
    LONGEST,
    VERSION,
    BadFrameError,
    Kind,
    frame,
)
from cotality.flow._flow.wire.pipe import Frame, Pipe
from cotality.flow._flow.wire.portions import items_of, portion

pytestmark = pytest.mark.one_python


class Nobody:
    waiting = 0

    def answer(self, *_: Any) -> None:
        raise AssertionError

    def forget(self, serial: int) -> None:
        raise AssertionError


def item(
    number: int, *, level: int = 0, arrived: float = 0.0, until: float = 0
) -> Item:
    return Item(Nobody(), number, level, 0, 1, b"", arrived, until)


# Lines.


def taken(line: Line, now: float) -> list[int]:
    order: list[int] = []
    while (first := line.first(now)) is not None:
        line.take(first)
        order.append(first.serial)
    return order


def test_larger_priorities_first_and_then_who_came_first() -> None:
    """As long as nobody has waited for long."""
    line = Line(3, age_after=1.0)
    for number, level in enumerate([0, 2, 1, 2, 0]):
        line.add(item(number, level=level, arrived=0.1 * number))
    assert taken(line, 0.5) == [1, 3, 2, 0, 4]


def test_who_has_waited_long_counts_as_more_urgent() -> None:
    """An item of the lowest priority is not passed for ever."""
    line = Line(3, age_after=1.0)
    line.add(item(0, level=0, arrived=0.0))
    for number in range(1, 6):
        line.add(item(number, level=2, arrived=5.0))
    assert taken(line, 5.0)[0] == 0


def test_items_that_are_over_are_passed_and_do_not_pile_up() -> None:
    """Also if nothing is ever taken out."""
    line = Line(1, age_after=1.0)
    for number in range(10 * MOST_OVER):
        one = item(number)
        line.add(one)
        if number % 100:
            one.state = OVER
            line.drop(one)
    assert line.waiting == line.weight == 10 * MOST_OVER // 100 + 1
    assert sum(map(len, line.levels)) <= 2 * MOST_OVER
    assert taken(line, 0.0) == list(range(0, 10 * MOST_OVER, 100))


# Time.


def test_each_item_expires_once_and_those_that_are_over_never() -> None:
    """In the order of their deadlines; the heap does not keep what is over."""
    timers = Timers()
    items = [item(number, until=float(number)) for number in range(1, 5 * FEW)]
    for one in items:
        timers.add(one)
    for one in items[::2]:
        one.state = OVER
        timers.is_over()
    assert len(timers.deadlines) < 4 * FEW
    expired = timers.expired(now=float(FEW))
    assert [one.serial for one in expired] == list(range(2, FEW + 1, 2))
    assert timers.next() > FEW


def test_alarms_ring_once_when_they_are_due() -> None:
    """The earliest first."""
    timers = Timers()
    rung: list[str] = []
    timers.at(2.0, lambda now: rung.append(f"b{now}"))
    timers.at(1.0, lambda now: rung.append(f"a{now}"))
    timers.ring(0.5)
    timers.ring(1.5)
    timers.ring(9.0)
    assert rung == ["a1.5", "b9.0"]


# How much is handed over.


def test_portions_hold_20_ms_and_no_more_than_an_equal_share() -> None:
    """One batch as long as nothing is known, and for whatever is slow."""
    pace = Pace()
    assert pace.limit(batch=1, waiting=1000, workers=1) == 1
    pace.note(0.001, 1)
    assert pace.limit(1, 1000, 2) == 20
    assert pace.limit(1, 10, 2) == 5
    assert pace.limit(8, 10, 2) == 8
    for _ in range(10):
        pace.note(0.5, 1)
    assert pace.limit(1, 1000, 2) == 1
    for _ in range(200):
        pace.note(1e-6, 1)
    assert pace.limit(1, 1000, 2) == MOST


# Frames.


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
def test_frames_arrive_however_they_are_cut(bodies: list[bytes], data: Any) -> None:
    """Whole, once, and in order."""
    ours, theirs = socket.socketpair()
    pipe = Pipe(ours, FROM_CLIENT)
    try:
        stream = b"".join(
            frame(Kind.CALL, body, serial=number, level=3, seconds=0.5, number=7)
            for number, body in enumerate(bodies)
        )
        got: list[Frame] = []
        while stream:
            cut = data.draw(st.integers(1, len(stream)))
            theirs.sendall(stream[:cut])
            stream = stream[cut:]
            got += pipe.read()
        assert [each.body for each in got] == bodies
        assert [each.serial for each in got] == list(range(len(bodies)))
        assert all(each[:2] == (Kind.CALL, 3) for each in got)
    finally:
        pipe.close()
        theirs.close()


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waits_and_takes_no_memory(data: bytes) -> None:
    """Nothing else comes of it, whatever it is."""
    ours, theirs = socket.socketpair()
    pipe = Pipe(ours, FROM_CLIENT)
    try:
        theirs.sendall(data)
        try:
            frames = pipe.read()
        except BadFrameError:
            frames = []
        assert all(each.kind in FROM_CLIENT for each in frames)
        assert len(pipe.body) <= LONGEST
    finally:
        pipe.close()
        theirs.close()


def test_a_length_beyond_all_bounds_takes_no_memory() -> None:
    """It is checked before."""
    ours, theirs = socket.socketpair()
    pipe = Pipe(ours, FROM_CLIENT)
    theirs.sendall(HEAD.pack(VERSION, Kind.CALL, 0, 0, LONGEST + 1, 1, 0.0, 0))
    with pytest.raises(BadFrameError, match="67,108,865 bytes"):
        pipe.read()
    assert len(pipe.body) == 0
    pipe.close()
    theirs.close()


def test_descriptors_know_what_their_files_have() -> None:
    """Also where there was no room for one of them."""
    with TemporaryFile() as file:
        file.truncate(1234)
        some = Descriptors([os.dup(file.fileno()), -1, os.dup(file.fileno())])
        assert some.size() == 2468
        some.close()
        assert some.size() == 2468  # what was counted is what is taken off again


def test_descriptors_come_with_their_frame_and_are_closed_with_it() -> None:
    """Between frames that have none."""
    ours, theirs = socket.socketpair()
    receives, sends = Pipe(ours, FROM_CLIENT), Pipe(theirs, FROM_CLIENT)
    reader, writer = os.pipe()
    sends.put(frame(Kind.CALL, b"a", serial=1))
    sends.put_with(
        [writer], Descriptors([writer]), frame(Kind.CALL, b"b", serial=2, fds=1)
    )
    sends.put(frame(Kind.CALL, b"c", serial=3))
    assert sends.flush()
    frames: list[Frame] = []
    while len(frames) < 3:
        frames += receives.read()
    assert [each.body for each in frames] == [b"a", b"b", b"c"]
    assert [each.fds is not None for each in frames] == [False, True, False]
    assert frames[1].fds is not None
    (copy,) = frames[1].fds.fds
    os.write(copy, b"x")
    assert os.read(reader, 1) == b"x"
    frames.clear()
    assert os.read(reader, 1) == b""  # both copies are closed
    os.close(reader)
    receives.close()
    sends.close()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 1000)), max_size=20))
def test_portions_come_apart_as_they_were_put_together(
    items: list[tuple[bytes, int]],
) -> None:
    """Numbers, weights and bytes; with descriptors and without."""
    bodies, weights = [body for body, _ in items], [weight for _, weight in items]
    for counts in (b"", bytes(number % 3 for number in range(len(items)))):
        found = items_of(portion(5_000_000_000, bodies, weights, counts))
        assert [bytes(body) for _, _, body, _ in found] == bodies
        assert [weight for _, weight, _, _ in found] == weights
        assert [number - 5_000_000_000 for number, *_ in found] == list(
            range(len(items))
        )
        if counts:
            assert bytes(count for *_, count in found) == counts


# Figures.


@settings(max_examples=50)
@given(st.lists(st.floats(1e-5, 50.0), min_size=1, max_size=200))
def test_quantiles_are_near_the_true_ones(times: list[float]) -> None:
    """By no more than one bucket, which is a factor of the square root of two."""
    histogram = Histogram()
    histogram.turn(1.0)
    for each in times:
        histogram.add(each)
    ordered = sorted(times)
    for part in (0.5, 0.99):
        true = ordered[max(0, -(-int(part * 1000) * len(times) // 1000) - 1)]
        assert true / 1.5 < histogram.quantile(part) < true * 1.5
    assert histogram.total == pytest.approx(sum(times))


def test_old_times_are_forgotten() -> None:
    """After twenty seconds at the latest; the total is not."""
    histogram = Histogram()
    histogram.turn(100.0)
    histogram.add(1.0)
    histogram.turn(111.0)
    assert histogram.quantile(0.5) > 0
    histogram.turn(122.0)
    assert histogram.quantile(0.5) == 0.0
    assert sum(histogram.counts) == 1


def test_names_of_steps_cannot_break_the_text_for_prometheus() -> None:
    """Whatever is in them."""
    assert labels(step='a"b\\c\nd') == '{step="a\\"b\\\\c\\nd"}'
    assert struct.calcsize(HEAD.format) == 24


# How it is shown.


def a_status(*names: str) -> FlowStatus:
    """Of a flow whose steps have large figures."""
    step = StepStatus(
        name="",
        depth=1024,
        busy=16,
        ready=16,
        workers=16,
        restarts=123,
        is_down=False,
        reason="",
        rate=123_456.0,
        batch_size=32.0,
        waited_p50=0.01,
        waited_p99=1.25,
        handled_p50=0.0002,
        handled_p99=0.3,
        items=1_234_567,
        failed=12_345,
        pids=(1, 2),
    )
    return FlowStatus(
        live=True,
        ready=True,
        pid=17,
        connections=2,
        outcomes={"value": 1_234_567, "failure": 12_345, "full": 0},
        uptime=75.0,
        steps=tuple(replace(step, name=name) for name in names),
    )


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_table_is_no_wider_than_its_terminal(width: int) -> None:
    """Two of them stand below each other then, and long names are cut."""
    status = a_status("short", "a step with quite a long name")

    lines = status.text(width).splitlines()

    assert max(map(len, lines)) <= width
    shown = " ".join(lines)
    for figure in ("1,234,567", "123,456", "16/16", "1.2 s", "123", "12,345"):
        assert figure in shown
    assert "ready, up for 75.0 s, router 17, 2 clients, 0 in flight" in lines[0]
    assert len(status.text().splitlines()) == 6


def test_a_page_needs_nothing_from_elsewhere_and_shows_names_as_they_are() -> None:
    """Neither a script nor another host, whatever a step is called."""
    status = a_status("<script>alert(1)</script>", "a\x1b[2J")
    down = replace(
        status,
        ready=False,
        steps=(*status.steps, replace(status.steps[0], is_down=True, reason="<b>")),
    )

    page = down.html(refresh=5)

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "\x1b" not in page
    assert "://" not in page
    assert '<meta http-equiv="refresh" content="5">' in page
    assert "refresh" not in status.html(refresh=None)
    assert '<span class="bad">not ready</span>' in page
    assert '<span class="bad">down</span>' in page
    assert "&lt;b&gt;" in page
    assert "<h1>Flow" in FlowStatus().html()
    assert FlowStatus().text() == "nobody answers"
