"""A worker checks whether the queues are healthy, if no other one does.

One of the workers has a lease in the store, and with it the note of the last one: the
alerts that were told and the figures that were seen. It checks, tells, and leaves a
note of its own. If an alert is not noted as told, the next worker tells it: twice at
worst, but never not at all.
"""

from __future__ import annotations

import logging
import threading

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.api.jobs import Jobs
from cotality.jobs._jobs.api.watched import Watched
from cotality.jobs._jobs.health.alert_file import OwnMemory
from cotality.jobs._jobs.health.note import go_on_from, note_of
from cotality.jobs._jobs.health.watch import HealthWatch
from cotality.jobs._jobs.store import counting, leases

logger = logging.getLogger("cotality.jobs")

LEASE = "watch"
SPARE_S = 30.0  # that it may be late without another one taking over
TO_END_S = 1.0  # for somebody who is just told something


class Watching:
    """A thread that looks, from `start` to `stop`; none if nothing is watched."""

    def __init__(self, jobs: Jobs, worker: str) -> None:
        self.jobs, self.worker = jobs, worker
        self.ending = threading.Event()
        self.time = 0.0  # by the store, of this look
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        watched = self.jobs.watched
        if watched is None:
            return
        self.memory = OwnMemory()
        self.watch = HealthWatch(
            watched.rules,
            queues=watched.queues,
            tell=watched.tell,
            memory=self.memory,
            now=lambda: self.time,
        )
        self.thread = threading.Thread(
            target=self.go_on, args=[watched], name="jobs-watching", daemon=True
        )
        self.thread.start()

    def go_on(self, watched: Watched) -> None:
        while not self.ending.is_set():
            try:
                self.look(watched)
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                logger.error("the queues could not be looked at: %s", error)
            self.ending.wait(watched.every)

    def look(self, watched: Watched) -> None:
        """Look and tell, if it is for this worker to do."""
        database = self.jobs.base.database
        with database.writing() as connection:
            self.time = database.now(connection)
            seconds = 2 * watched.every + SPARE_S
            note = leases.take(connection, LEASE, self.worker, self.time, seconds)
            if note is None:
                return
        with database.reading() as connection:
            stats = counting.counted(connection, self.time)
        go_on_from(note, self.watch, self.memory)
        self.watch.look(stats)
        with database.writing() as connection:
            note = note_of(self.watch, self.memory)
            leases.leave_note(connection, LEASE, self.worker, note)

    def stop(self) -> None:
        self.ending.set()
        if self.thread is not None:
            self.thread.join(TO_END_S)
