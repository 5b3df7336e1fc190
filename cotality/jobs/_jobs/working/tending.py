"""What a worker does beside its jobs, in one thread.

It gives signs of life, ends what was cancelled, takes over from the dead, and sweeps.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.api.base import Base
from cotality.jobs._jobs.api.jobs import Jobs
from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.running.runner import Runner
from cotality.jobs._jobs.store import times, workers
from cotality.jobs._jobs.store.moves import Ticket
from cotality.jobs._jobs.store.workers import BEAT_S, WorkerRow

from .taking_over import bury_the_dead, take_one

logger = logging.getLogger("cotality.jobs")

TellLimits: TypeAlias = Callable[[], None]

WATCH_S = 0.25  # between two looks whether what runs was cancelled
ENGINE_S = 0.5
DEAD_S = 1.0  # between two looks for dead workers
THOROUGH_S = 30.0  # for tickets that nobody has
SWEEP_S = 60.0
TIMES_S = 2.0  # between two times at which it writes down how long jobs took


class Tending:
    """The thread, from `start` to `stop`."""

    def __init__(
        self, jobs: Jobs, runner: Runner, row: WorkerRow, tell_limits: TellLimits
    ) -> None:
        self.jobs, self.runner, self.row = jobs, runner, row
        self.tell_limits = tell_limits
        self.ending = threading.Event()
        self.lost: set[Ticket] = set()  # tickets of jobs that nobody seems to run
        self.due: dict[Callable[[], None], float] = {}
        self.thread = threading.Thread(
            target=self.tend, name="jobs-tending", daemon=True
        )

    @property
    def base(self) -> Base:
        return self.jobs.base

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.ending.set()
        self.runner.has_begun.set()
        self.thread.join()
        self.due.clear()
        self.every(TIMES_S, self.tell_times)

    def tend(self) -> None:
        start = time.monotonic()
        self.due = {
            # Not all workers at once, and not before a new one has looked around.
            self.sweep: start + SWEEP_S * random.random(),
            self.look_thoroughly: start + THOROUGH_S * random.random(),
        }
        while not self.ending.is_set():
            self.every(WATCH_S, self.end_cancelled)
            self.every(ENGINE_S, self.base.engine.tend)
            self.every(ENGINE_S, self.tell_limits)
            self.every(BEAT_S, self.beat)
            self.every(TIMES_S, self.tell_times)
            self.every(DEAD_S, self.look_for_dead)
            self.every(THOROUGH_S, self.look_thoroughly)
            self.every(SWEEP_S, self.sweep)
            # With nothing to watch over, it wakes up once a second.
            pause = WATCH_S if self.runner.running else DEAD_S
            if self.runner.has_begun.wait(pause):
                self.runner.has_begun.clear()
                self.ending.wait(WATCH_S)

    def every(self, seconds: float, do: Callable[[], None]) -> None:
        now = time.monotonic()
        if now < self.due.get(do, now):
            return
        self.due[do] = now + seconds * 0.95
        try:
            do()
        except Exception as error:
            if is_of_a_signal(error):
                raise
            logger.error("%s: %s", type(error).__name__, error)  # and once more, soon

    def end_cancelled(self) -> None:
        if not self.runner.running:
            return
        # What begins after this look is not ended because it is missing from it.
        before = [*self.runner.running]
        with self.base.database.reading() as connection:
            rows = workers.running_of(connection, self.row.id)
        self.runner.end_cancelled(before, rows)

    def beat(self) -> None:
        with self.base.database.writing() as connection:
            now = self.base.database.now(connection)
            if not workers.beat(connection, self.row.id, self.row.queues, now):
                # Somebody took it for dead. What it had is with others, and what it
                # does for that counts no more; from here on it works as before.
                logger.warning("worker %s was taken for dead, and goes on", self.row.id)
                workers.join(connection, self.row)

    def tell_times(self) -> None:
        sums = self.runner.timing.taken()
        if not sums:
            return
        try:
            with self.base.database.writing() as connection:
                times.add(connection, sums, self.base.database.now(connection))
        except StoreError:
            self.runner.timing.put_back(sums)
            raise

    def look_for_dead(self) -> None:
        bury_the_dead(self.base, self.row.id, thorough=False)

    def look_thoroughly(self) -> None:
        bury_the_dead(self.base, self.row.id, thorough=True)
        self.give_back_orphans()

    def give_back_orphans(self) -> None:
        """Let others have jobs that count as run by this worker, and are not.

        There should be none. One that there was between two looks has nobody.
        """
        with self.base.database.reading() as connection:
            tickets = workers.tickets_of(connection, self.row.id)
        lost = {ticket for ticket in tickets if not self.runner.has(ticket)}
        for ticket in lost & self.lost:
            logger.error("job %s was begun here and nobody runs it", ticket.job)
            take_one(self.base, self.row.id, ticket)
        self.lost = lost

    def sweep(self) -> None:
        self.jobs.sweep()
