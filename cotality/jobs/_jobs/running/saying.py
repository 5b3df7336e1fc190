"""Progress goes into the store a few times a second, and the last word always."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Protocol

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.api.base import Base
from cotality.jobs._jobs.store import progress, reading
from cotality.jobs._jobs.store.moves import Begun
from cotality.jobs._jobs.store.texts import storable

logger = logging.getLogger("cotality.jobs")

EVERY_S = 0.2  # between two writes, and between two looks whether it is cancelled
Words = tuple[float, "float | None", str]


class Says(Protocol):
    """Writes progress down."""

    def __call__(self, done: float, total: float | None, message: str) -> None: ...


class Saying:
    """The progress of one run of a job."""

    def __init__(self, base: Base, begun: Begun) -> None:
        self.base, self.begun = base, begun
        self.writing = threading.Lock()  # held by who writes: the last word comes last
        self.lock = threading.Lock()  # held while what follows changes
        self.written = -EVERY_S
        self.waits: Words | None = None
        self.timer: threading.Timer | None = None
        self.looked, self.is_to_end = -EVERY_S, False

    def say(self, done: float, total: float | None, message: str) -> None:
        with self.lock:
            self.waits = (done, total, message)
            left = self.written + EVERY_S - time.monotonic()
            if left > 0 or self.must_not_wait():
                self.later(max(left, 0.0))
                return
        self.flush()

    def must_not_wait(self) -> bool:
        """Whether this thread should leave it to another one to wait for the store.

        It has a transaction open itself, or has an event loop to run.
        """
        if self.base.is_held():
            return True
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    def later(self, seconds: float) -> None:
        if self.timer is None:
            self.timer = threading.Timer(seconds, self.flush)
            self.timer.daemon = True
            self.timer.start()

    def flush(self) -> None:
        """Write down what was said last."""
        with self.writing:
            with self.lock:
                self.timer = None
                words, self.waits = self.waits, None
                self.written = time.monotonic()
            if words is not None:
                self.write(*words)

    def write(self, done: float, total: float | None, message: str) -> None:
        ticket, run = self.begun.ticket, self.begun.run
        database = self.base.database
        try:
            with database.writing() as connection:
                now = database.now(connection)
                progress.say(
                    *(connection, ticket.job, ticket.number, run),
                    *(done, total, storable(message), now),
                )
        except Exception as error:
            if is_of_a_signal(error):
                raise
            # Progress is for people who watch: it does not end a job.
            logger.warning("progress of job %s is not kept: %s", ticket.job, error)

    def end(self) -> None:
        with self.lock:
            timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()
        self.flush()

    def is_asked_to_end(self) -> bool:
        if not self.is_to_end and time.monotonic() - self.looked > EVERY_S:
            self.looked = time.monotonic()
            with self.base.database.reading() as connection:
                row = reading.row_of(connection, self.begun.ticket.job)
            self.is_to_end = (
                row is None
                or bool(row["cancel_asked"])
                # Another one has it by now, or it is a new job of the same id.
                or (row["ticket"], row["run"])
                != (self.begun.ticket.number, self.begun.run)
            )
        return self.is_to_end
