"""What is due is enqueued once, whoever looks, and whatever the clocks do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotality.jobs._jobs.schedules.loop import LATE, SKEW, ScheduleLoop
from cotality.jobs._jobs.schedules.schedule import Missed, Schedule, checked_schedule
from tests.jobs.tick_file import TickFile
from tests.kit.limits import LONG_S

pytest.importorskip("cronsim", reason="the extra of jobs is not installed")

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Clock:
    """A time that passes when a test says so."""

    def __init__(self, now: datetime = MONDAY) -> None:
        self.time = now

    def __call__(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def never(seconds: float) -> bool:
    raise AssertionError("nobody runs this loop but the test")


@pytest.fixture
def store(tmp_path: Path) -> TickFile:
    return TickFile(tmp_path / "ticks.db")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker(store: TickFile, clock: Clock) -> Callable[..., ScheduleLoop]:
    """Makes another worker with the same store and the same clock."""
    return lambda *schedules: ScheduleLoop(schedules, store, now=clock, wait=never)


def hourly(missed: Missed = "skip") -> Schedule:
    return checked_schedule("a", "30 * * * *", missed=missed)


def turn_until(loop: ScheduleLoop, clock: Clock, end: datetime) -> None:
    while clock() <= end:
        clock.sleep(loop.turn() or 0.001)


def test_each_due_time_is_enqueued_once(
    store: TickFile, clock: Clock, worker: Callable[..., ScheduleLoop]
) -> None:
    """With its name and its time as the id of the job, and no earlier than that."""
    loop = worker(hourly(), checked_schedule("b", every=7200))

    turn_until(loop, clock, MONDAY + 3 * HOUR)

    assert store.jobs == [
        "a@2026-11-30T00:30:00Z",
        "a@2026-11-30T01:30:00Z",
        "b@2026-11-30T02:00:00Z",
        "a@2026-11-30T02:30:00Z",
    ]


@pytest.mark.parametrize(
    ("begin", "wanted"),
    [
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "a@2026-10-25T00:30:00Z"),
        (datetime(2027, 3, 27, 23, tzinfo=UTC), "a@2027-03-28T01:00:00Z"),
    ],
    ids=["autumn", "spring"],
)
def test_on_a_day_that_changes_the_clock_it_is_enqueued_once(
    store: TickFile, begin: datetime, wanted: str
) -> None:
    """Whoever is asked at half past two, which comes twice or not at all."""
    clock = Clock(begin)
    schedule = checked_schedule("a", "30 2 * * *", timezone="Europe/Berlin")
    loops = [ScheduleLoop([schedule], store, now=clock, wait=never) for _ in range(3)]
    for _ in range(25 * 12):
        for loop in loops:
            loop.turn()
        clock.time += 5 * MINUTE

    assert store.jobs == [wanted]


def test_three_workers_make_one_job_of_a_tick(store: TickFile) -> None:
    """They look at the same moment, each in a thread of its own."""
    clock = Clock()
    schedules = [checked_schedule("a", every=3), checked_schedule("b", "* * * * *")]
    turns = threading.Barrier(3, lambda: clock.sleep(1))
    failures = []

    def work() -> None:
        loop = ScheduleLoop(schedules, store, now=clock, wait=never)
        try:
            for _ in range(61):
                loop.turn()
                turns.wait(LONG_S)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(store.jobs) == 21
    assert len(set(store.jobs)) == 21


def test_nothing_is_due_before_a_schedule_was_known(
    store: TickFile, clock: Clock, worker: Callable[..., ScheduleLoop]
) -> None:
    """A new one does not make up for the past."""
    loop = worker(hourly("once"))

    assert 0 < loop.turn() <= 1
    assert store.jobs == []


@pytest.mark.parametrize("is_seen_before", [True, False])
def test_one_run_for_what_was_missed(
    store: TickFile,
    clock: Clock,
    worker: Callable[..., ScheduleLoop],
    is_seen_before: bool,
) -> None:
    """No worker ran when it was due, also not when it was due for the first time."""
    first = worker(hourly("once"))
    first.turn()
    if is_seen_before:
        turn_until(first, clock, MONDAY + HOUR)
    ran = store.jobs
    clock.time = MONDAY + 5 * HOUR

    turn_until(worker(hourly("once")), clock, clock() + MINUTE)
    turn_until(worker(hourly("once")), clock, clock() + MINUTE)

    assert store.jobs == [*ran, "a@2026-11-30T04:30:00Z"]


def test_no_run_for_what_was_missed(
    store: TickFile,
    clock: Clock,
    worker: Callable[..., ScheduleLoop],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor later on, if the schedule says so then; and it is told."""
    worker(hourly()).turn()
    clock.time = MONDAY + 5 * HOUR

    turn_until(worker(hourly()), clock, clock() + MINUTE)
    turn_until(worker(hourly("once")), clock, clock() + MINUTE)

    assert store.jobs == []
    [record] = caplog.records
    assert record.getMessage() == (
        "the schedule 'a' was due at 2026-11-30 04:30:00 UTC, when no worker ran; it "
        "is skipped"
    )
    turn_until(worker(hourly()), clock, MONDAY + 6 * HOUR)
    assert store.jobs == ["a@2026-11-30T05:30:00Z"]


def test_late_is_not_missed(
    store: TickFile, clock: Clock, worker: Callable[..., ScheduleLoop]
) -> None:
    """A machine is busy, or a worker is started anew."""
    worker(hourly()).turn()
    clock.time = MONDAY + 30 * MINUTE + LATE

    worker(hourly()).turn()

    assert store.jobs == ["a@2026-11-30T00:30:00Z"]


def test_a_clock_that_jumps_forward(
    store: TickFile, clock: Clock, worker: Callable[..., ScheduleLoop]
) -> None:
    """Jumps over due times, which are missed."""
    loops = [worker(hourly("once")), worker(hourly("once"))]
    for loop in loops:
        loop.turn()
    clock.time = MONDAY + 10 * HOUR

    for loop in loops:
        turn_until(loop, clock, clock() + MINUTE)

    assert store.jobs == ["a@2026-11-30T09:30:00Z"]


def test_a_clock_that_jumps_back(
    store: TickFile, clock: Clock, worker: Callable[..., ScheduleLoop]
) -> None:
    """Repeats times that were handled, and nothing is enqueued for them again."""
    loop = worker(checked_schedule("a", every=60))
    turn_until(loop, clock, MONDAY + 10 * MINUTE)
    ran = store.jobs
    clock.time -= SKEW

    turn_until(loop, clock, MONDAY + 10 * MINUTE)

    assert store.jobs == ran
    turn_until(loop, clock, MONDAY + 11 * MINUTE)
    assert store.jobs == [*ran, "a@2026-11-30T00:11:00Z"]


@pytest.mark.parametrize("is_new", [True, False], ids=["new worker", "same worker"])
def test_a_clock_that_was_wrong_for_a_moment(
    store: TickFile,
    clock: Clock,
    worker: Callable[..., ScheduleLoop],
    caplog: pytest.LogCaptureFixture,
    is_new: bool,
) -> None:
    """Does not keep a schedule silent until that time comes."""
    loop = worker(hourly("once"))
    loop.turn()
    clock.time = MONDAY + timedelta(days=4000)
    loop.turn()
    clock.time = MONDAY + HOUR
    [wrong] = store.jobs

    loop = worker(hourly("once")) if is_new else loop
    turn_until(loop, clock, MONDAY + 2 * HOUR)

    assert store.jobs == [wrong, "a@2026-11-30T01:30:00Z"]
    assert "some clock was wrong" in caplog.text


def test_a_store_that_fails_is_asked_again(
    store: TickFile,
    clock: Clock,
    worker: Callable[..., ScheduleLoop],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And other schedules are not kept waiting by it."""

    class Down(TickFile):
        def enqueue_tick(self, name: str, due: datetime, job_id: str) -> bool:
            if name == "a":
                raise ConnectionError("no database")
            return super().enqueue_tick(name, due, job_id)

    down = Down(store.path)
    loop = ScheduleLoop(
        [hourly(), checked_schedule("b", every=1800)], down, now=clock, wait=never
    )
    loop.turn()
    clock.time = MONDAY + 30 * MINUTE

    assert loop.turn() > 0
    assert loop.turn() > 0
    assert store.jobs == ["b@2026-11-30T00:30:00Z"]
    [record] = caplog.records
    assert record.getMessage() == (
        "the schedule 'a' could not be looked at and is tried again: ConnectionError: "
        "no database"
    )

    monkeypatch.setattr(loop, "store", store)
    loop.turn()
    assert store.jobs[1:] == ["a@2026-11-30T00:30:00Z"]


@given(
    moves=st.lists(
        st.tuples(
            st.integers(0, 2),  # which worker looks
            st.one_of(
                st.integers(0, 5),
                st.sampled_from([29, 30, 31, 299, 301, -1, -20, -299, -301, -4000]),
                st.integers(0, 5000),
            ),
            st.booleans(),  # whether the worker is started anew
        ),
        max_size=25,
    ),
    missed=st.sampled_from(["skip", "once"]),
    period=st.sampled_from([1, 7, 60, 3600]),
)
@settings(max_examples=50)
def test_whatever_clocks_and_workers_do(
    moves: list[tuple[int, int, bool]], missed: Missed, period: int
) -> None:
    """No job comes twice, none too early; none too late if that is to be skipped."""
    clock = Clock()
    schedule = checked_schedule("a", every=period, missed=missed)
    with TemporaryDirectory() as folder:
        store = TickFile(Path(folder) / "ticks.db")

        def worker() -> ScheduleLoop:
            return ScheduleLoop([schedule], store, now=clock, wait=never)

        workers = [worker() for _ in range(3)]
        furthest = MONDAY
        for number, seconds, is_new in moves:
            clock.sleep(seconds)
            before = store.dues
            if is_new:
                workers[number] = worker()
            assert 0 <= workers[number].turn() <= 1
            new = store.dues[len(before) :]
            assert len(new) <= 1
            for due in new:
                assert due <= clock()
                assert missed == "once" or clock() - due <= LATE
                # Its id keeps it from running again, if a clock was really wrong.
                assert due not in before or furthest > clock() + SKEW
            furthest = max(furthest, clock())

        # And then all goes on as ever.
        clock.time = furthest = max(furthest, clock()) + timedelta(days=1)
        workers[0].turn()
        clock.time += timedelta(seconds=period - clock().timestamp() % period)
        workers[0].turn()
        assert store.dues[-1] == clock()


def test_the_thread_ends_when_it_is_told(store: TickFile) -> None:
    """At once, and there may be no thread at all."""
    loop = ScheduleLoop([checked_schedule("a", "0 0 1 1 *")], store)
    loop.start()
    loop.start()
    [thread] = [t for t in threading.enumerate() if t.name == "cotality-schedules"]
    loop.stop()
    loop.stop()
    assert not thread.is_alive()

    idle = ScheduleLoop([], store)
    idle.start()
    assert idle.thread is None
    idle.stop()


def test_the_thread_enqueues(store: TickFile) -> None:
    """It waits as long as nothing is due and no longer."""
    clock, waits = Clock(), list[float]()
    has_waited = threading.Event()

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        clock.sleep(seconds)
        if len(store.jobs) == 2:
            has_waited.set()
        return has_waited.is_set()

    loop = ScheduleLoop([checked_schedule("a", every=10)], store, now=clock, wait=wait)
    loop.start()
    assert has_waited.wait(LONG_S)
    loop.stop()

    assert store.jobs == ["a@2026-11-30T00:00:10Z", "a@2026-11-30T00:00:20Z"]
    assert max(waits) <= 1


def test_two_of_one_name_are_refused(store: TickFile) -> None:
    """Of the second nothing would ever be due."""
    with pytest.raises(ValueError, match="two schedules of the name 'a'"):
        ScheduleLoop([hourly(), hourly()], store)
