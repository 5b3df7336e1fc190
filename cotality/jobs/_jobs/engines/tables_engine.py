"""Tickets are rows beside the jobs, and a worker takes them in a transaction.

Nothing else is needed: no server but that of the database, and no other package.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store import tickets as rows
from cotality.jobs._jobs.store.database import Database, store_error
from cotality.jobs._jobs.store.moves import Placed, Ticket
from cotality.jobs._jobs.store.schema import make_tables
from cotality.jobs._jobs.store.tickets import Taken, Wish

from .protocol import KEEP_S, Free, Limits, Run

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger("cotality.jobs")

# Between two looks: whether a file has changed takes some microseconds; a server is
# asked for rows.
POLL_FILE_S, POLL_SERVER_S = 0.05, 0.1
AGAIN_S = 0.5  # until the store is asked again that has refused
IDLE_S = 10.0  # that a thread waits for another ticket
LONGEST_S = 5.0  # without a look at the rows, whatever has not changed


class TablesEngine:
    """An engine of our own, on SQLite or on Postgres."""

    lead_s = 0.0

    def __init__(self, database: Database) -> None:
        self.database = database
        self.poll_s = POLL_FILE_S if database.is_sqlite else POLL_SERVER_S
        self.limits: dict[str, Limits] = {}
        self.serving: Serving | None = None

    def prepare(self) -> None:
        make_tables(self.database, rows.tables(is_sqlite=self.database.is_sqlite))

    def know_queues(self, queues: Iterable[str], *, may_write: bool = True) -> None:
        pass  # a queue is there when somebody says its name

    def limit(self, queue: str, limits: Limits, slots: int, poll_s: float) -> None:
        self.limits[queue], self.poll_s = limits, poll_s

    def hand_over(self, connection: Connection, placed: Placed, delay_s: float) -> None:
        rows.add(connection, placed, self.database.now(connection) + delay_s)

    def withdraw(self, tickets: Sequence[Ticket]) -> None:
        if tickets:
            with self.database.writing() as connection:
                rows.withdraw(connection, tickets)

    def serve(
        self, worker: str, queues: Iterable[str] | None, run: Run, free: Free
    ) -> None:
        self.serving = Serving(self, worker, queues, run, free)
        self.serving.thread.start()

    def tend(self) -> None:
        pass

    def stop(self, grace_s: float) -> None:
        serving, self.serving = self.serving, None
        if serving is not None:
            serving.stop(grace_s)

    def held_by_others(self, alive: Iterable[str]) -> dict[str, list[Ticket]]:
        known = set(alive)
        with self.database.reading() as connection:
            found = rows.held(connection)
        return {worker: held for worker, held in found.items() if worker not in known}

    def drop(self, tickets: Sequence[Ticket]) -> None:
        if tickets:
            with self.database.writing() as connection:
                rows.drop(connection, tickets)

    def clean(self, older_than_s: float = KEEP_S) -> int:
        return 0  # a ticket that is over is gone

    def close(self) -> None:
        pass


class Serving:
    """What one worker does to get tickets: a thread that takes them, and one for each.

    Args:
        engine: Whose tickets.
        worker: Who takes them.
        queues: From which queues; None for all.
        run: What to do with each.
        free: For how many more of a queue there is a place.
    """

    def __init__(
        self,
        engine: TablesEngine,
        worker: str,
        queues: Iterable[str] | None,
        run: Run,
        free: Free,
    ) -> None:
        self.engine, self.worker, self.run, self.free = engine, worker, run, free
        self.queues = None if queues is None else set(queues)
        self.database = engine.database
        self.changes = Changes(engine.database)
        self.changed = threading.Condition()  # held while the following change
        self.held: dict[int, Taken] = {}  # by the number of its row
        self.served_last = ""  # the queue that has its turn last
        self.through: list[int] = []  # rows that are to go
        self.idle = 0  # threads that wait for a ticket, and that nobody counts on
        self.for_idle: SimpleQueue[Taken | None] = SimpleQueue()  # None: it may end
        self.is_stopping = False
        self.wake = threading.Event()  # a place is free, or it is the end
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
                if has_room or self.changes.have_come() or time.monotonic() >= look_at:
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
            self.wake.wait(min(pause, max(look_at - time.monotonic(), 0.0) or pause))
        self.changes.close()

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
            if not through:
                with self.database.reading() as connection:
                    now = self.database.now(connection)
                    due = self.due(connection)
                if not self.queues_with_room(due, now):
                    return self.next_look(due, now, [])
            with self.database.writing() as connection:
                rows.let_go(connection, through)
                now = self.database.now(connection)
                due = self.due(connection)
                queues = self.queues_with_room(due, now)
                taken, next_at = self.take_from(connection, queues, now)
        except BaseException:
            with self.changed:
                self.through += through
            raise
        for each in taken:
            self.begin(each)
        return self.next_look(due, now, next_at)

    def due(self, connection: Connection) -> dict[str, float]:
        """When the first ticket of each queue is due that is served here."""
        found = rows.next_due(connection)
        if self.queues is None:
            return found
        return {queue: at for queue, at in found.items() if queue in self.queues}

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
        with self.changed:
            return Counter(taken.queue for taken in self.held.values())

    def take_from(
        self, connection: Connection, queues: Sequence[str], now: float
    ) -> tuple[list[Taken], list[float]]:
        """What may be had, and when the rates of queues may allow more."""
        # By all workers in the same order, so that no two wait for each other.
        for queue in sorted(queues):
            rows.lock(connection, self.wish(queue, 0))
        held = self.count_held()
        taken: list[Taken] = []
        next_at: list[float] = []
        for queue in queues:
            # What the limits of a queue keep from it are places that others may have.
            wish = self.wish(queue, self.free(queue, held))
            found = rows.take(connection, wish, self.worker, now)
            taken += found
            held[queue] += len(found)
            if found:
                self.served_last = queue
            if len(found) < wish.most and wish.rate is not None:
                next_at += rows.next_start(connection, wish)
        return taken, next_at

    def wish(self, queue: str, most: int) -> Wish:
        limits = self.engine.limits.get(queue, Limits())
        return Wish(queue, most, limits.concurrency, limits.rate)

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
                    del self.held[taken.serial]
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


class Changes:
    """Whether somebody has changed the database since the last time one asked."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.link: Any = None  # Any: SQLAlchemy's, of SQLite
        self.version = -1
        self.inode: int | None = None

    def have_come(self) -> bool:
        """True where nobody can tell."""
        if not self.database.is_sqlite:
            return True
        self.see_to_file()
        before = self.version
        try:
            if self.link is None:
                self.link = self.database.engine.raw_connection()
            cursor = self.link.cursor()
            (self.version,) = cursor.execute("PRAGMA data_version").fetchone()
            cursor.close()
        except sqlite3.Error as error:
            self.close()
            raise store_error(self.database.url, error) from error
        return self.version != before

    def see_to_file(self) -> None:
        """Connect anew to a file that was removed, and is another one now.

        Raises:
            StoreError: There is none.
        """
        file = self.database.file
        assert file is not None
        try:
            found = file.stat().st_ino
        except OSError as error:
            self.close()
            self.database.close()
            raise StoreError(
                f"the file {file} is gone, and with it the jobs that were in it: "
                f"{error.strerror}"
            ) from error
        if self.inode not in (None, found):
            logger.error("the file %s is another one now: jobs go on in that", file)
            self.close()
            self.database.close()
        self.inode = found

    def close(self) -> None:
        link, self.link, self.version = self.link, None, -1
        if link is not None:
            link.close()
