"""What one worker does to get tickets, and what it does with each."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store import tickets as rows
from cotality.jobs._jobs.store.database import Database
from cotality.jobs._jobs.store.tickets import Taken, Wish

from .changes import Changes
from .protocol import Free, Limits, Run

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger("cotality.jobs")

AGAIN_S = 0.5  # until the store is asked again that has refused
IDLE_S = 10.0  # that a thread waits for another ticket
LONGEST_S = 5.0  # without a look at the rows, whatever has not changed


class Source(Protocol):
    """Whose tickets they are."""

    database: Database
    poll_s: float
    limits: dict[str, Limits]


class Wake(Protocol):
    """What a thread waits for, as a `threading.Event` is."""

    def set(self) -> None: ...
    def clear(self) -> None: ...


class Haul(NamedTuple):
    """What was had in one go.

    Attributes:
        taken: The tickets.
        fell_short: Queues of which fewer came than there was room for.
        next_at: When the rates of queues may allow more.
    """

    taken: list[Taken]
    fell_short: list[str]
    next_at: list[float]


class Serving:
    """A thread that takes tickets from the table, and a thread for each that it has.

    Args:
        engine: Whose tickets.
        worker: Who takes them.
        queues: From which queues; None for all.
        run: What to do with each.
        free: For how many more of a queue there is a place.
    """

    def __init__(
        self,
        engine: Source,
        worker: str,
        queues: Iterable[str] | None,
        run: Run,
        free: Free,
    ) -> None:
        self.engine, self.worker, self.run, self.free = engine, worker, run, free
        self.queues = None if queues is None else set(queues)
        self.database = engine.database
        self.changes = Changes(engine.database, self.begin_anew)
        self.changed = threading.Condition()  # held while the following change
        self.held: dict[int, Taken] = {}  # by the number of its row
        self.served_last = ""  # the queue that has its turn last
        self.through: list[int] = []  # rows that are to go
        self.idle = 0  # threads that wait for a ticket, and that nobody counts on
        self.for_idle: SimpleQueue[Taken | None] = SimpleQueue()  # None: it may end
        self.is_stopping = False
        self.event = threading.Event()
        self.wake: Wake = self.event  # a place is free, or it is the end
        self.thread = threading.Thread(
            target=self.serve, name="jobs-serving", daemon=True
        )

    def serve(self) -> None:
        look_at = 0.0  # by `monotonic`, unless something changes before
        is_certain = False  # whether the rows and this process say alike what it has
        while not self.is_stopping:
            self.wake.clear()
            pause = self.engine.poll_s
            try:
                has_room = bool(self.through)
                if has_room or self.has_news() or time.monotonic() >= look_at:
                    if not is_certain:
                        self.begin_what_is_held()
                        is_certain = True
                    look_at = self.take()
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                # Perhaps it was done, and only the answer was lost.
                is_certain, look_at, pause = False, 0.0, AGAIN_S
                logger.error("%s; once more in %g s", error, AGAIN_S)
            self.wait(min(pause, max(look_at - time.monotonic(), 0.0) or pause))
        self.end()

    def begin_anew(self) -> None:
        """The file of the store was removed, and is another one now."""

    # What an engine does otherwise that hears of tickets from elsewhere.

    def has_news(self) -> bool:
        """Whether to look at the rows, because of what has come."""
        return self.changes.have_come()

    def knows_of_some(self) -> bool:
        """Whether there are tickets to take, without a look."""
        return False

    def due(self, connection: Connection, now: float) -> dict[str, float]:
        """When the first ticket of each queue is due that is served here."""
        found = rows.next_due(connection)
        if self.queues is None:
            return found
        return {queue: at for queue, at in found.items() if queue in self.queues}

    def allowed(self, queue: str, most: int) -> int:
        """How many of *most* tickets of *queue* may be taken that have a place here."""
        return most

    def is_taken(self, through: Sequence[int], haul: Haul, now: float) -> None:
        """Told what was just taken, and which rows are gone."""

    def wait(self, seconds: float) -> None:
        """Wait until somebody wakes it, at most *seconds*."""
        self.event.wait(seconds)

    def end(self) -> None:
        """The thread ends."""
        self.changes.close()

    # The rest is the same for all.

    def begin_what_is_held(self) -> None:
        with self.database.reading() as connection:
            found = rows.held_by(connection, self.worker)
        with self.changed:
            known = {*self.held, *self.through}
        for taken in found:
            if taken.serial not in known:
                self.begin(taken)

    def take(self) -> float:
        """Take what may be taken; when to look again if nothing changes before."""
        with self.changed:
            through, self.through = self.through, []
        try:
            if not through and not self.knows_of_some():
                with self.database.reading() as connection:
                    now = self.database.now(connection)
                    due = self.due(connection, now)
                if not self.queues_with_room(due, now):
                    return self.next_look(due, now, [])
            with self.database.writing() as connection:
                rows.let_go(connection, through)
                now = self.database.now(connection)
                due = self.due(connection, now)
                queues = self.queues_with_room(due, now)
                haul = self.take_from(connection, queues, now)
        except BaseException:
            with self.changed:
                self.through += through
            raise
        self.is_taken(through, haul, now)
        for each in haul.taken:
            self.begin(each)
        return self.next_look(due, now, haul.next_at)

    def queues_with_room(self, due: Mapping[str, float], now: float) -> list[str]:
        """Queues of which something is due, and may begin here; in their turn.

        After the one that had something last comes the next by name, so that no queue
        waits until those before it are empty.
        """
        held = self.count_held()
        found = [queue for queue, at in due.items() if at <= now]
        found.sort(key=lambda queue: (queue <= self.served_last, queue))
        return [queue for queue in found if self.free(queue, held) > 0]

    def count_held(self) -> Counter[str]:
        """How many of each queue it has."""
        with self.changed:
            return Counter(taken.queue for taken in self.held.values())

    def take_from(
        self, connection: Connection, queues: Sequence[str], now: float
    ) -> Haul:
        """What may be had."""
        # By all workers in the same order, so that no two wait for each other.
        for queue in sorted(queues):
            rows.lock(connection, self.wish(queue, 0))
        held = self.count_held()
        haul = Haul([], [], [])
        for queue in queues:
            # What the limits of a queue keep from it are places that others may have.
            most = self.free(queue, held)
            wish = self.wish(queue, self.allowed(queue, most) if most > 0 else 0)
            found = rows.take(connection, wish, self.worker, now)
            haul.taken.extend(found)
            held[queue] += len(found)
            if found:
                self.served_last = queue
            if len(found) < wish.most:
                haul.fell_short.append(queue)
                haul.next_at.extend(rows.next_start(connection, wish))
        return haul

    def wish(self, queue: str, most: int) -> Wish:
        limits = self.limits_of(queue)
        return Wish(queue, most, limits.concurrency, limits.rate)

    def limits_of(self, queue: str) -> Limits:
        return self.engine.limits.get(queue, Limits())

    def next_look(
        self, due: Mapping[str, float], now: float, next_at: Sequence[float]
    ) -> float:
        """By `monotonic`; what is due and was not taken waits for a place."""
        times = [at for at in (*due.values(), *next_at) if at > now]
        return time.monotonic() + min([LONGEST_S, *(at - now for at in times)])

    def begin(self, taken: Taken) -> None:
        """Let a thread have it: one that waits, or a new one."""
        with self.changed:
            self.held[taken.serial] = taken
            has_idle = self.idle > 0
            self.idle -= int(has_idle)
        if has_idle:
            self.for_idle.put(taken)
            return
        thread = threading.Thread(target=self.work, args=[taken], daemon=True)
        try:
            thread.start()
        except BaseException:
            with self.changed:
                del self.held[taken.serial]
            raise

    def work(self, taken: Taken | None) -> None:
        """What a thread does: one ticket, and more as long as there are some."""
        while taken is not None:
            threading.current_thread().name = f"job-{taken.ticket.job}"
            goes_on = False
            try:
                self.run(taken.ticket)
                goes_on = True
            finally:
                with self.changed:
                    self.through.append(taken.serial)
                    # In a file that is another one now, one more may have this number.
                    self.held.pop(taken.serial, None)
                    goes_on = goes_on and not self.is_stopping
                    self.idle += int(goes_on)
                    self.changed.notify_all()
                self.wake.set()
            taken = self.next_of_idle() if goes_on else None

    def next_of_idle(self) -> Taken | None:
        try:
            return self.for_idle.get(timeout=IDLE_S)
        except Empty:
            with self.changed:
                if self.idle > 0:
                    self.idle -= 1
                    return None
        return self.for_idle.get()  # it was counted on just now

    def stop(self, grace_s: float) -> None:
        with self.changed:
            self.is_stopping = True
        self.wake.set()
        self.thread.join()
        with self.changed:
            for _ in range(self.idle):
                self.for_idle.put(None)
            self.idle = 0
            self.changed.wait_for(lambda: not self.held, grace_s)
            through, self.through = self.through, []
        try:
            with self.database.writing() as connection:
                rows.let_go(connection, through)
        except StoreError as error:
            logger.error("%s", error)  # whoever takes over finds that they are done
