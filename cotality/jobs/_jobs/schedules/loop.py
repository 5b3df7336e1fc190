"""The loop of a worker that enqueues what is due.

Every worker runs one. The store sees to it that a due time is enqueued once; the loop
decides which due time that is. If several have passed, it is the latest: a schedule
that fell behind does not try to catch up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.schedules.schedule import Schedule
from cotality.jobs._jobs.schedules.tick_store import TickStore

logger = logging.getLogger("cotality.jobs.schedules")

# Not missed, only late: a busy machine, or a worker that was started anew.
LATE = timedelta(seconds=30)
# By how much the clocks of workers may differ, and one may be set back, before what is
# stored in the future counts as stored by a clock that was wrong.
SKEW = timedelta(minutes=5)
LONGEST_WAIT = 1.0  # s; clocks are set, which no wait would notice


def utc_now() -> datetime:
    return datetime.now(UTC)


class ScheduleLoop:
    """Enqueues what is due, in a thread of its own.

    Args:
        schedules: What there is; each name once.
        store: What was handled.
        now: The time in UTC.
        wait: A function that waits for some seconds and returns whether the loop has to
            end; by default, that of the event behind `stop`.

    Raises:
        ValueError: Two schedules of the same name.
    """

    def __init__(
        self,
        schedules: Iterable[Schedule],
        store: TickStore,
        *,
        now: Callable[[], datetime] = utc_now,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.schedules = checked_names(schedules)
        self.store = store
        self.now = now
        self.ended = threading.Event()
        self.wait = wait or self.ended.wait
        # What each is waiting for; without one the store has to be asked.
        self.next_due: dict[str, datetime] = {}
        self.looked_at = now()
        self.failing = set[str]()  # what has been told of already
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; nothing if there is no schedule."""
        if self.schedules and self.thread is None:
            self.thread = threading.Thread(
                target=self.run, name="cotality-schedules", daemon=True
            )
            self.thread.start()

    def stop(self) -> None:
        """End the thread, and return when it has ended: at once unless it enqueues."""
        self.ended.set()
        if self.thread is not None:
            self.thread.join()
            self.thread = None

    def run(self) -> None:
        while not self.ended.is_set():
            if self.wait(self.turn()):
                return

    def turn(self) -> float:
        """Enqueue what is due now; for how many seconds nothing is to be done.

        A store that fails is tried again in the next turn.
        """
        now = self.now()
        if now < self.looked_at:
            self.next_due.clear()  # the clock was set back
        self.looked_at = now
        waits = [self.seconds_until_due(each, now) for each in self.schedules]
        return max(0.0, min([LONGEST_WAIT, *waits]))

    def seconds_until_due(self, schedule: Schedule, now: datetime) -> float:
        due = self.next_due.get(schedule.name)
        if due is None or due <= now:
            due = self.due_after_handling(schedule, now)
        return LONGEST_WAIT if due is None else (due - now).total_seconds()

    def due_after_handling(self, schedule: Schedule, now: datetime) -> datetime | None:
        self.next_due.pop(schedule.name, None)
        try:
            last = self.handle(schedule, now)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            self.tell(schedule, error)
            return None
        self.failing.discard(schedule.name)
        due = next(schedule.times.after(last), None)
        if due is not None:
            self.next_due[schedule.name] = due
        return due

    def tell(self, schedule: Schedule, error: Exception) -> None:
        """Log it, once and not each second, until it goes well again."""
        if schedule.name in self.failing:
            return
        self.failing.add(schedule.name)
        logger.error(
            "the schedule %r could not be looked at and is tried again: %s",
            schedule.name,
            class_and_text(error),
        )

    def handle(self, schedule: Schedule, now: datetime) -> datetime:
        """Enqueue *schedule* if it is due; until when it has been handled."""
        last = self.last_of(schedule, now)
        due = schedule.times.latest(last, now)
        if due is None:
            return last
        if now - due > LATE and schedule.missed == "skip":
            if self.store.set_last_tick(schedule.name, due, expected=last):
                logger.warning(
                    "the schedule %r was due at %s, when no worker ran; it is skipped",
                    schedule.name,
                    f"{due:%Y-%m-%d %H:%M:%S} UTC",
                )
        elif self.store.enqueue_tick(schedule.name, due, schedule.job_id(due)):
            logger.info("the schedule %r is enqueued", schedule.name)
        return max(due, last)

    def last_of(self, schedule: Schedule, now: datetime) -> datetime:
        """Until when *schedule* has been handled by all workers together.

        One that nobody has seen before counts from now on, which is stored: the worker
        may be gone when it is due for the first time.
        """
        stored = self.store.last_tick(schedule.name)
        if stored is not None and stored <= now + SKEW:
            return stored
        if stored is not None:
            logger.warning(
                "the schedule %r was handled until %s, which is in the future: some "
                "clock was wrong. It goes on from now",
                schedule.name,
                f"{stored:%Y-%m-%d %H:%M:%S} UTC",
            )
        if self.store.set_last_tick(schedule.name, now, expected=stored):
            return now
        return self.store.last_tick(schedule.name) or now


def checked_names(schedules: Iterable[Schedule]) -> list[Schedule]:
    found = dict[str, Schedule]()
    for each in schedules:
        if each.name in found:
            raise ValueError(f"there are two schedules of the name {each.name!r}")
        found[each.name] = each
    return list(found.values())
