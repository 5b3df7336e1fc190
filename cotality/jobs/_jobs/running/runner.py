"""All that happens with a ticket, in a thread of the engine."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.api.base import Base
from cotality.jobs._jobs.api.definition import Definition
from cotality.jobs._jobs.api.jobs import Jobs
from cotality.jobs._jobs.engines.protocol import Limits
from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store import moves
from cotality.jobs._jobs.store.moves import Begun, Placed, Raised, Ticket, Waiting

from .body import Answer, raised_of
from .gates import Gates
from .places import Places
from .timing import Timing

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
logger = logging.getLogger("cotality.jobs")

# A pause (s) that is shorter the worker waits for itself, and keeps the job's place.
SHORT_S = 2.0
AGAIN_S = 0.5  # until the store is asked again that has refused
LATER_S = 8.0  # until it is asked again at most


Key: TypeAlias = tuple[str, int, int]  # a run: its job, ticket and number


@dataclass
class Running:
    """A job that is in the worker's hands."""

    begun: Begun
    end: Callable[[], None] = field(default=lambda: None)
    was_stopped: bool = False


class Runner:
    """Runs jobs of one worker, each ticket in a thread of the engine."""

    def __init__(self, jobs: Jobs, worker: str, places: Places, gates: Gates) -> None:
        self.jobs, self.worker = jobs, worker
        self.places, self.gates = places, gates
        self.lock = threading.Lock()  # held while `running` changes
        self.running: dict[Key, Running] = {}
        self.in_hand: set[Ticket] = set()  # which somebody here is at
        self.timing = Timing()
        self.stopping = threading.Event()  # nothing more begins
        self.has_given_up = threading.Event()  # nor is anything waited for
        self.has_begun = threading.Event()  # somebody should look after what runs

    @property
    def base(self) -> Base:
        return self.jobs.base

    def run(self, ticket: Ticket) -> None:
        """Do all that is to be done for *ticket* now.

        To return is to tell the engine that this ticket is done with. What goes wrong
        in here is no failure of the job, and the job has no other ticket: so it is done
        once more, until it is right or the worker gives up.
        """
        with self.lock:
            self.in_hand.add(ticket)
        try:
            self.until_through(ticket)
        finally:
            with self.lock:
                self.in_hand.discard(ticket)

    def until_through(self, ticket: Ticket) -> None:
        pause = AGAIN_S
        while not self.is_through(ticket):
            if self.has_given_up.wait(pause):
                return
            pause = min(2 * pause, LATER_S)

    def is_through(self, ticket: Ticket) -> bool:
        try:
            self.through_gate(ticket)
        except StoreError as error:
            logger.error("job %s is not lost, and waits: %s", ticket.job, error)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            logger.exception("job %s could not be run, and waits", ticket.job)
        else:
            return True
        return False

    def through_gate(self, ticket: Ticket) -> None:
        waits = self.look(ticket)
        if waits is None:
            return
        gates = [self.gates.of(waits.queue)]
        if self.needs_process(waits.name):
            gates.append(self.places.room)
        taken: list[threading.Semaphore] = []
        try:
            if all(self.pass_through(gate, taken) for gate in gates):
                self.until_done(ticket, waits.due_at)
            else:
                self.let_go(ticket)
        finally:
            for gate in taken:
                gate.release()

    def pass_through(
        self, gate: threading.Semaphore, taken: list[threading.Semaphore]
    ) -> bool:
        """Wait for *gate*; False if the worker ends meanwhile."""
        while not gate.acquire(timeout=0.1):
            if self.stopping.is_set():
                return False
        taken.append(gate)
        return True

    def needs_process(self, name: str) -> bool:
        job = self.jobs.registry.jobs.get(name)
        return job is not None and self.places.choice.place_of(job) == "processes"

    def until_done(self, ticket: Ticket, due_at: float) -> None:
        """Run it now, and again after each short pause."""
        due: float | None = due_at
        while due is not None:
            if self.stopping.wait(max(0.0, due - self.now())):
                return self.let_go(ticket)
            begun = self.begin(ticket)
            if begun is None:
                return None
            due = self.settled(begun, *self.attempt(begun))
        return None

    def settled(self, begun: Begun, answer: Answer, was_stopped: bool) -> float | None:
        """The same as `settle`; a job whose end cannot be written is a dead letter."""
        try:
            return self.settle(begun, answer, was_stopped)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            logger.exception("what became of job %s is not stored", begun.ticket.job)
            raised = raised_of(error)
            self.write(lambda to, now: moves.bury(to, begun, raised, now))
            return None

    def attempt(self, begun: Begun) -> tuple[Answer, bool]:
        """What its body came to, and whether it was stopped because its worker ends."""
        entry, key = Running(begun), key_of(begun)
        with self.lock:
            self.running[key] = entry
        self.has_begun.set()

        def tell(end: Callable[[], None]) -> None:
            with self.lock:
                entry.end = end
                is_late = entry.was_stopped
            if is_late:
                end()

        start = time.monotonic()
        try:
            answer = self.places.run(self.found(begun.name), begun, tell)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            answer = Answer("hopeless", raised=raised_of(error))
        self.timing.note(begun.name, "run", time.monotonic() - start)
        with self.lock:
            self.running.pop(key, None)
        return answer, entry.was_stopped

    def end_cancelled(self, seen: Iterable[Key], rows: Container[Key]) -> None:
        """End each body whose run does not count any more.

        Args:
            seen: Runs that were here.
            rows: Those that the store knew of later.
        """
        for key in seen:
            entry = self.running.get(key)
            if entry is not None and key not in rows:
                entry.end()

    def stop_all(self) -> None:
        """End all bodies; their jobs go back."""
        with self.lock:
            entries = list(self.running.values())
            for entry in entries:
                entry.was_stopped = True
        for entry in entries:
            entry.end()

    def give_back(self) -> None:
        """Let jobs go whose bodies nobody can end: those on threads."""
        self.has_given_up.set()
        with self.lock:
            left = [entry.begun for entry in self.running.values()]
        for begun in left:
            self.back(begun)

    def back(self, begun: Begun) -> None:
        self.write(lambda to, now: self.placed(to, moves.go_back(to, begun, now)))

    def found(self, name: str) -> Definition:
        return self.jobs.registry.found(name)

    def settle(self, begun: Begun, answer: Answer, was_stopped: bool) -> float | None:
        """Write down what became of a run; when to run it here again, if so."""
        raised = answer.raised or Raised("Exception", "")
        if answer.kind == "value":
            self.write(lambda to, now: moves.succeed(to, begun, answer.text, now))
        elif was_stopped or answer.kind == "returned":
            self.back(begun)
        elif answer.kind == "cancelled":
            self.write(lambda to, now: moves.end_cancelled(to, begun, now))
        elif (pause := self.pause_after(begun, answer)) is not None:
            return self.again_after(begun, raised, pause, answer.is_attempt)
        else:
            self.write(lambda to, now: moves.bury(to, begun, raised, now))
        return None

    def pause_after(self, begun: Begun, answer: Answer) -> float | None:
        """Seconds until the next attempt; None if there is none."""
        if answer.retry_in is not None:
            return answer.retry_in
        if answer.kind != "raised" or not answer.is_retryable:
            return None
        retry = self.found(begun.name).options.retry
        if begun.attempt >= retry.attempts:
            return None
        return retry.delay_before(begun.attempt + 1)

    def again_after(
        self, begun: Begun, raised: Raised, pause: float, is_attempt: bool
    ) -> float | None:
        # What is tried again here is no new start, which a rate would count.
        has_rate = self.limits_of(begun.queue).rate is not None
        is_short = pause <= SHORT_S and not has_rate

        def write(to: Connection, now: float) -> tuple[Placed | None, float]:
            due = now + pause
            placed = moves.retry(
                to,
                begun,
                raised,
                due,
                now,
                new_ticket=not is_short,
                is_attempt=is_attempt,
            )
            if not is_short:
                self.placed(to, placed, pause)
            return placed, due

        done = self.write(write)
        if done is None or done[0] is None:
            return None
        return done[1] if is_short else None

    def limits_of(self, queue: str) -> Limits:
        return self.jobs.registry.limits.get(queue, Limits())

    def free(self, queue: str, held: Mapping[str, int]) -> int:
        """How many more jobs of *queue* could begin at once.

        Args:
            queue: Where they wait.
            held: How many jobs of each queue the worker has by now.
        """
        slots = self.gates.slots_of(queue) - held.get(queue, 0)
        if not self.is_for_processes(queue):
            return slots
        busy = sum(many for name, many in held.items() if self.is_for_processes(name))
        return min(slots, self.places.processes - busy)

    def is_for_processes(self, queue: str) -> bool:
        """Whether jobs of *queue* may need a process, as far as that is known."""
        jobs = list(self.jobs.registry.jobs.values())
        known = [job for job in jobs if job.options.queue == queue] or jobs
        return any(self.places.choice.place_of(job) == "processes" for job in known)

    def placed(
        self, connection: Connection, placed: Placed | None, delay: float = 0.0
    ) -> None:
        """Hand the ticket that a move has made to the engine, in its transaction."""
        if placed is not None:
            delay = max(0.0, delay - self.base.engine.lead_s)
            self.base.engine.hand_over(connection, placed, delay)

    def let_go(self, ticket: Ticket) -> None:
        """Give back a job that has not begun here."""

        def write(to: Connection, now: float) -> None:
            found = moves.let_go(to, ticket)
            if found is not None:
                placed, due = found
                self.placed(to, placed, due - now)

        self.write(write)

    def write(self, move: Callable[[Connection, float], T]) -> T | None:
        """Do *move* in a transaction, as often as it takes.

        A store that is full for a minute does not make a job run twice.
        """
        while True:
            try:
                with self.base.database.writing() as connection:
                    return move(connection, self.base.database.now(connection))
            except StoreError as error:
                logger.error("%s; once more in %g s", error, AGAIN_S)
                if self.has_given_up.wait(AGAIN_S):
                    return None

    def look(self, ticket: Ticket) -> Waiting | None:
        with self.base.database.reading() as connection:
            return moves.look(connection, ticket)

    def begin(self, ticket: Ticket) -> Begun | None:
        def write(to: Connection, now: float) -> tuple[Begun | None, float]:
            return moves.begin(to, ticket, self.worker, now), now

        begun, now = self.write(write) or (None, 0.0)
        if begun is not None:
            self.timing.note(begun.name, "wait", max(0.0, now - begun.due_at))
        return begun

    def has(self, ticket: Ticket) -> bool:
        """Whether somebody here is at it, and be it to store what became of it."""
        with self.lock:
            return ticket in self.in_hand

    def now(self) -> float:
        if self.base.database.is_sqlite:
            return time.time()
        with self.base.database.reading() as connection:
            return self.base.database.now(connection)


def key_of(begun: Begun) -> Key:
    return begun.ticket.job, begun.ticket.number, begun.run
