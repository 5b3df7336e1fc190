"""A worker: one process that takes jobs, from its start to its end."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping

from cotality.core.machine import available_cpus
from cotality.jobs._jobs.api.jobs import Jobs
from cotality.jobs._jobs.api.scheduled import Ticks
from cotality.jobs._jobs.engines.protocol import Limits
from cotality.jobs._jobs.running.gates import Gates
from cotality.jobs._jobs.running.places import Places
from cotality.jobs._jobs.running.runner import Runner
from cotality.jobs._jobs.schedules.loop import ScheduleLoop
from cotality.jobs._jobs.store import workers
from cotality.jobs._jobs.store.slots import (
    Slot,
    checked_slot,
    folder_of,
    free_slot,
    this_machine,
)
from cotality.jobs._jobs.store.workers import ALL, WorkerRow

from .taking_over import bury_the_dead, take_over
from .tending import Tending
from .watching import Watching

logger = logging.getLogger("cotality.jobs")

LEAST_SLOTS = 4
GRACE_S = 10.0
LONGEST_POLL_S = 60.0
TO_DROP_S = 2.0  # for bodies that were ended to be gone


class Worker:
    """Takes jobs from queues and runs them, between `start` and `stop`.

    Args:
        jobs: Whose.
        target: ``module:name`` of it, by which worker processes find it.
        queues: How many jobs of each queue at once, None for *slots*; None serves all
            queues there are.
        slots: How many of each queue, where nothing else is said.
        processes: In how many worker processes at most.
        slot: Its place among the workers of this machine; by default the first free.
        poll: Seconds between two looks for jobs; None leaves it to the engine.
    """

    def __init__(
        self,
        jobs: Jobs,
        target: str,
        *,
        queues: Mapping[str, int | None] | None = None,
        slots: int | None = None,
        processes: int | None = None,
        slot: str | None = None,
        poll: float | None = None,
    ) -> None:
        self.jobs = jobs
        self.poll = checked_poll(jobs.base.engine.poll_s if poll is None else poll)
        self.each = slots or max(LEAST_SLOTS, available_cpus())
        self.queues = {
            name: self.each if many is None else many
            for name, many in (queues or {}).items()
        } or None
        self.limits: dict[str, Limits] = {}  # that the engine was told
        self.id = uuid.uuid4().hex[:12]
        self.wanted = None if slot is None else checked_slot(slot)
        most = processes or (sum(self.queues.values()) if self.queues else self.each)
        self.places = Places(jobs, target, most)
        gates = Gates(self.queues, self.each)
        self.runner = Runner(jobs, self.id, self.places, gates)
        self.slot: Slot | None = None

    def start(self) -> None:
        """Take the slot, and begin to take jobs.

        Raises:
            SlotInUseError: Another worker has the slot.
            StoreError: The store cannot be used.
        """
        base = self.jobs.base
        for module, error in self.jobs.registry.import_modules().items():
            logger.error("%s could not be imported: %r", module, error)
        served = self.queues or {}
        base.ready({*self.jobs.registry.queues(), *served})
        base.engine.prepare()
        self.slot = self.taken_slot()
        row = self.row()
        with base.database.writing() as connection:
            workers.join(connection, row)
        self.tell_limits()
        # What the last holder of the slot had is waited for: it goes first.
        bury_the_dead(base, self.id, thorough=True)
        self.tending = Tending(self.jobs, self.runner, row, self.tell_limits)
        self.tending.start()
        base.engine.serve(self.id, self.queues, self.runner.run, self.runner.free)
        self.clockwork = self.made_clockwork()
        self.clockwork.start()
        self.watching = Watching(self.jobs, self.id)
        self.watching.start()

    def tell_limits(self) -> None:
        """Tell the engine what is new: a module may be imported later than at first."""
        registry, served = self.jobs.registry, self.queues or {}
        for queue in {*registry.queues(), *served}:
            limits = registry.limits.get(queue, Limits())
            if self.limits.get(queue) != limits:
                slots = served.get(queue, self.each)
                self.jobs.base.engine.limit(queue, limits, slots, self.poll)
                self.limits[queue] = limits

    def made_clockwork(self) -> ScheduleLoop:
        scheduled = self.jobs.scheduled
        return ScheduleLoop(
            [each.schedule for each in scheduled.values()],
            Ticks(self.jobs.base, scheduled),
        )

    def taken_slot(self) -> Slot:
        folder = folder_of(self.jobs.base.database)
        about = {"worker": self.id, "pid": os.getpid(), "host": socket.gethostname()}
        if self.wanted is None:
            return free_slot(folder, about)
        return Slot(self.wanted, folder, about)

    def row(self) -> WorkerRow:
        assert self.slot is not None
        now = time.time()
        return WorkerRow(
            self.id,
            self.slot.name,
            this_machine(),
            os.getpid(),
            self.queues or {ALL: self.each},
            f"{self.slot.file}",
            now,
            now,
        )

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Take nothing more, let what runs finish, and give back what does not.

        Args:
            grace_s: For how many seconds it may go on.
        """
        if self.slot is None:
            return
        self.runner.stopping.set()
        self.clockwork.stop()
        self.watching.stop()
        timer = threading.Timer(grace_s, self.runner.stop_all)
        timer.start()
        try:
            self.jobs.base.engine.stop(grace_s + TO_DROP_S)
        finally:
            timer.cancel()
            self.runner.give_back()
            self.tending.stop()
            self.places.close()
            with self.jobs.base.database.writing() as connection:
                workers.leave(connection, self.id)
            # The engine may have handed it something while it was stopped.
            take_over(self.jobs.base, [])
            self.slot.close()
            self.slot = None


def checked_poll(seconds: float) -> float:
    if not 0.001 <= seconds <= LONGEST_POLL_S:
        raise ValueError(
            f"poll must be from 0.001 to {LONGEST_POLL_S:g} seconds, got {seconds!r}"
        )
    return seconds
