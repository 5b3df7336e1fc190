"""The place where portions run that decides what it is."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import nullcontext
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING

from cotality._kit.imported import imported
from cotality._kit.records import NamedTuple
from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.backends.threads import ThreadBackend
from cotality.core.utils._process.machine.cpus import available_cpus
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.machine.run_queue import (
    Lateness,
    is_notable,
    seconds_in_queue,
)
from cotality.core.utils._process.machine.short_turns import short_turns
from cotality.core.utils._process.packing.worker_state import States
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.portions.local_chunk import LocalChunk
from cotality.core.utils._process.rules.decision import Decision
from cotality.core.utils._process.rules.seen import Seen
from cotality.core.utils._process.rules.where_to_run import Figures, Place, better_place
from cotality.core.utils._process.tasks.errors import WorkerStartError
from cotality.core.utils._process.tasks.outcome import Portion

from .disturbance import Disturbance
from .evidence import Evidence
from .lock_probe import cpu_seconds_of, is_lock_held

if TYPE_CHECKING:
    from cotality.core.utils._process.backends.processes import ProcessBackend
    from cotality.core.utils._process.engine.desk import Desk

logger = logging.getLogger(LOGGER)

FIRST_LOOK = 0.002  # s after the first task has begun
# How often to look at what runs: after this many seconds, or after this share of the
# time since the beginning if that is longer.
LOOK_INTERVAL = 0.005
LOOK_SHARE = 0.1
# Finding out whether tasks hold the lock costs up to 10 ms, so it is done only if at
# least this much work (s) is left.
WORTH_A_PROBE = 0.02
# If no task was seen running within this time (s), tasks are assumed to hold the lock,
# as most do.
MOST_DOUBT = 0.1
# How long worker processes take to answer, new ones and warm ones (measured).
COLD_START = 0.1  # s
WARM_START = 0.003  # s
# Tasks and results that take longer than this (s) to pack are packed less often, to see
# what that takes.
COSTLY_SAMPLE = 0.001
# Doubling the threads has to make them at least this many times as fast; otherwise
# their number stays.
GROWTH_PAYS = 1.2
# Watch a new number of threads for at least this long (s): their first portions are
# small, and mostly overhead. If their portions are still out, watch them for the longer
# time. After a change that did not pay, wait three times as long before the next.
LEAST_GENERATION = 0.01
LONG_GENERATION = 0.02
LONGER = 3
# How long (s) tasks must have computed, or waited for something outside, before that
# says anything: on a machine that is busy with other programs, less says nothing.
LEAST_SEEN = FIRST_LOOK / 2
# A task that was probed counts as computing if it used a CPU for at least this share of
# the probe.
ALL_THE_TIME = 0.5
# Threads seem to wait for one lock if they keep about one CPU busy: more than this.
BUSY = 0.8
# A task mostly waits if it computes for less than this share of its time alone.
MOSTLY_WAITS = 0.25
# Threads or processes are given up if they are not this many times as fast as a loop,
# but not before each of them has had this many portions.
PAYS = 1.05
ENOUGH_PORTIONS = 2
# They are tried again after this many times as long as that took.
TRIED_AGAIN = 10
# How many more threads than CPUs there are at first, for tasks that wait. There may be
# twice as many threads once it is known that tasks wait.
THREADS_BEYOND_CPUS = 4
# This many moves are made as soon as they seem to pay. Each further one waits until the
# call has taken twice as long as at the move before. Otherwise, tasks or a machine that
# change all the time would keep the call on the move.
FREE_MOVES = 3


class AutoBackend:
    """Begins with one thread, and goes where the rest is done soonest.

    What has begun somewhere ends there. A task that cannot travel is run on a thread.

    Args:
        threads: Where threads run; as many as there may be.
        open_processes: Makes the place where processes run, when it is first needed.
        processes: How many of them there may be; 0 if none.
        total: How many tasks there are; None if nobody knows.
        obstacle: Why nothing can go to a process; empty if nothing is known.
        decided: Is told of each decision.
        desk: Where the caller runs tasks; None if it cannot.
        begins_at_desk: Whether it shall, as long as there is one thread.
        way_out: What a caller says for nothing to go to a process.
    """

    kind = "auto"
    portion_cost: float | None = None
    largest_portion: int | None = None
    grace: float | None = None  # until there are processes

    def __init__(
        self,
        threads: ThreadBackend,
        open_processes: Callable[[], ProcessBackend],
        *,
        processes: int,
        total: int | None,
        obstacle: str,
        decided: Callable[[Decision], None],
        desk: Desk | None = None,
        begins_at_desk: bool = False,
        way_out: str = "use_processes=False",
    ) -> None:
        self.threads = threads
        self.most_threads = threads.workers
        self.open_processes = open_processes
        self.most_processes = processes
        self.most_workers = max(threads.workers, processes)
        self.processes: ProcessBackend | None = None
        self.processes_answer = False
        self.way_out = way_out
        self.one_has_arrived = False  # a result, from a process
        self.is_shut_out = False  # whether nothing is to go to processes any more
        self.total = total
        self.decided = decided
        self.desk = desk
        self.is_at_desk = desk is not None and begins_at_desk
        self.is_bound = ""  # why tasks cannot leave the thread of the caller
        self.states = States()  # of the caller, as a worker
        self.place: Place = "one thread"
        self.workers = 1
        self.evidence = Evidence()
        self.evidence.obstacle = obstacle
        self.out: dict[Future[ChunkReport], LocalChunk] = {}  # to threads
        # To processes, in this order, and how many tasks are in each.
        self.sent: dict[Future[ChunkReport], int] = {}
        self.has_run_here = False  # anything, since something was sent last
        self.count_out = 0  # tasks in both
        self.portions = 0  # handed out so far
        self.next_sample = 1  # the number of the portion to look at
        self.wants_sample = False
        self.began_at = monotonic()
        self.look_next = math.inf
        self.decisions = 0
        self.cpus = available_cpus()
        self.glance: Glance | None = None  # of what runs
        self.generation = Generation()
        self.disturbance = Disturbance()
        self.observe_next = self.reconsider_next = 0.0  # by the monotonic clock
        self.lateness = Lateness(None if desk is None else desk.lateness)
        self.crowd_until = 0.0  # by the monotonic clock: until then there were several
        self.given_up: dict[Place, float] = {}  # until when, by the monotonic clock
        self.moves = 0
        self.stays_until = 0.0  # by the monotonic clock

    # What the engine asks for.

    @property
    def look_at(self) -> float:
        return min(self.look_next, self.threads.look_at)

    def submit(
        self, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        self.portions += 1
        if self.look_next == math.inf:
            self.disturbance.sample()
            self.began_at = monotonic()
            self.look_next = self.began_at + FIRST_LOOK
        if self.place == "processes" and self.processes is not None:
            if self.has_room_there:
                found = self.send(self.processes, portion, time_box)
                if found is not None:
                    return found
        elif self.portions >= self.next_sample and self.may_travel:
            rarely = self.evidence.transport > COSTLY_SAMPLE
            self.next_sample *= 16 if rarely else 2
            self.wants_sample = True  # of the results as well
            self.evidence.saw_tasks(portion.tasks)
        chunk = self.threads.chunk_of(portion)
        chunk.is_observed = self.is_to_be_observed()
        chunk.late_began = self.lateness.total
        portion, future = self.run_here(chunk, portion, time_box)
        self.out[future] = chunk
        self.count_out += len(portion.tasks)
        return portion, future

    def is_to_be_observed(self) -> bool:
        """Whether to see what holds the next portion up.

        Not each one among threads. Whoever reads what the system knows of a thread lets
        go of the lock, and where CPUs are scarce gets it back after a millisecond.
        """
        now = monotonic()
        if self.place == "threads" and now < self.observe_next:
            return False
        self.observe_next = now + LOOK_INTERVAL
        return True

    def run_here(
        self, chunk: LocalChunk, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        """Have *chunk* run in a thread of this process: the caller's, or another."""
        desk = self.desk
        if desk is None or not self.is_for_desk(desk):
            chunk.can_stay = desk is not None and not self.is_bound
            self.limit_threads()
            return self.threads.send(chunk, portion, time_box)
        chunk.states = self.states
        self.threads.chunks.add(chunk, time_box)
        future = desk.put(chunk, time_box)
        return portion, future

    def limit_threads(self) -> None:
        """See to it that no more tasks run at a time than is said.

        A portion that stands ready for a thread would otherwise have one of its own.
        """
        # One alone runs until processes answer, and in a loop.
        threads = self.workers if self.place == "threads" else 1
        if self.desk is not None and self.desk.is_busy:
            threads -= 1  # the calling thread is one of them
        self.threads.resize(max(1, threads))

    def is_for_desk(self, desk: Desk) -> bool:
        if self.is_bound:
            return not desk.has_job
        is_free = not (desk.is_busy or desk.has_job)
        return self.is_at_desk and is_free and self.place == "one thread"

    @property
    def may_travel(self) -> bool:
        return self.most_processes > 0 and not self.evidence.obstacle

    @property
    def has_room_there(self) -> bool:
        """Whether another portion may go to a process now."""
        if self.is_shut_out:
            return False
        if not self.one_has_arrived:
            return len(self.sent) < self.most_processes
        # One thread goes on until processes answer, with one portion at a time.
        return bool(self.out) or len(self.sent) < 2 * self.most_processes

    @property
    def ready_per_worker(self) -> int | None:
        is_unseen = self.place == "processes" and not self.one_has_arrived
        return 0 if is_unseen else None

    def send(
        self, processes: ProcessBackend, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]] | None:
        """Send *portion* to a process; None if some of it cannot be sent."""
        # One that has to come back first may be lost, so no others go with it.
        most = processes.largest_portion if self.one_has_arrived else 1
        one = portion if most is None else portion.first(most)
        if self.out or self.has_run_here:
            one.turn = None  # tasks that run here may change what others hold
            self.has_run_here = False
        chunk, portion = processes.pack(one)
        if portion.failures:
            error = next(iter(portion.failures.values()))
            self.evidence.obstacle = class_and_text(error)
            self.reconsider(monotonic())
            return None
        try:
            with nullcontext() if self.processes_answer else short_turns():
                portion, future = processes.send(chunk, portion, time_box)
        except WorkerStartError as error:
            self.give_up_processes(class_and_text(error))
            return None
        self.sent[future] = len(portion.tasks)
        self.count_out += len(portion.tasks)
        return portion, future

    def give_up_processes(self, obstacle: str) -> None:
        """Nothing more goes to processes; what they have not begun comes back."""
        self.evidence.obstacle = obstacle
        self.is_shut_out = True
        for future in self.sent:
            future.cancel()
        self.reconsider(monotonic())

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        self.count_out -= len(portion.tasks)
        chunk = self.out.pop(future, None)
        if chunk is not None:
            self.has_run_here = True
            report = self.threads.collect(portion, future)
            if chunk.belongs is not None and not self.is_bound:
                self.stay(chunk.belongs)
        else:
            self.sent.pop(future, None)
            assert self.processes is not None
            try:
                report = self.processes.collect(portion, future)
            except WorkerStartError as error:  # nothing of it has begun
                self.give_up_processes(class_and_text(error))
                return ChunkReport([])
            if report.obstacle is not None:  # the rest of it has not begun
                self.give_up_processes(class_and_text(report.obstacle))
            self.see_what_arrived(report)
            if report.values and not self.processes_answer:
                self.processes_answer = True
                self.generation = Generation(self.done)
        self.learn(report, chunk)
        now = monotonic()
        # Among threads not with each: where CPUs are scarce, what is spent on that
        # holds up those that hand out.
        if self.is_time_to_reconsider(now):
            self.reconsider_next = now + LOOK_INTERVAL
            self.reconsider(now)
        self.limit_threads()
        return report

    def is_time_to_reconsider(self, now: float) -> bool:
        if self.place == "threads":
            return now >= self.reconsider_next
        # The first of many short tasks takes longer than the others. Of one that is
        # long nothing has come back.
        alone = self.evidence.alone
        is_little = alone.cpu + alone.wait < LEAST_SEEN
        return not (is_little and self.place == "one thread" and self.left)

    def see_what_arrived(self, report: ChunkReport) -> None:
        """See whether results came back from a process, or why one did not."""
        had_arrived = self.one_has_arrived
        if len(report.values) > len(report.errors):
            self.one_has_arrived = True
        if report.lost:
            from .lost_results import explain_lost

            obstacle = explain_lost(report, self.way_out, one_has_arrived=had_arrived)
            self.give_up_processes(obstacle)

    def stay(self, error: BaseException) -> None:
        """What runs in this process runs in the thread of the caller from now on."""
        said = class_and_text(error)[:200]
        self.is_bound = f"the tasks belong to the thread that called ({said})"
        if self.place == "threads":
            now = monotonic()
            self.go("one thread", self.figures(), now)

    def learn(self, report: ChunkReport, chunk: LocalChunk | None) -> None:
        evidence = self.evidence
        seen = Seen(len(report.values), report.seconds, report.cpu_seconds)
        if chunk is not None and not chunk.is_observed:
            seen = self.disturbance.as_before(seen)
        elif chunk is not None:
            if not chunk.is_in_caller:
                self.lateness.of_this_wake()
            elif is_notable(seen.seconds - seen.cpu, seen.seconds):
                self.lateness.of_others()
            seen = self.disturbance.told_apart(
                seen,
                chunk.native_id,
                chunk.queue_began,
                report.others_cpu_seconds + self.lateness.total - chunk.late_began,
                chunk.queue_ended,
            )
        self.generation.saw(seen)
        # What ran in a process may have waited for a CPU; nobody says.
        alone = chunk is not None and self.is_alone and self.was_alone(chunk)
        # What is not clear does not outweigh what was.
        is_news = self.is_clear(seen, chunk) or not evidence.wall
        evidence.saw(seen, alone=alone and is_news)
        if alone and self.place == "one thread":
            evidence.alone.saw(seen)
            self.disturbance.sample()
        elif self.is_first_of_all(chunk, seen):
            # It began alone, and took so long that others did not wait for it.
            evidence.alone.saw(seen)
            if is_news:
                evidence.cpu = seen.cpu / seen.tasks
                evidence.wait = seen.wait / seen.tasks
        if self.wants_sample:
            self.sample_results(report, have_travelled=chunk is None)

    def is_clear(self, seen: Seen, chunk: LocalChunk | None) -> bool:
        """Whether what *chunk* waited for was something outside.

        In a crowd only if somebody looked. To stand in line for the lock, again and
        again and each time for little, looks like waiting for the most part; and more
        threads, as are good for that, would make the line longer.
        """
        if self.place != "threads" or self.disturbance.is_unsure:
            return seen.is_clear
        return chunk is not None and chunk.is_observed and seen.is_by_itself

    def sample_results(self, report: ChunkReport, *, have_travelled: bool) -> None:
        """See what it takes to send the results of *report* back, if there are any."""
        values, errors = report.values, report.errors
        if errors:
            values = [each for n, each in enumerate(values) if n not in errors]
        if not values:
            return
        self.wants_sample = False
        obstacle = self.evidence.obstacle
        self.evidence.saw_results(values)
        if have_travelled:
            self.evidence.obstacle = obstacle
        elif self.evidence.obstacle != obstacle:
            self.give_up_processes(self.evidence.obstacle)

    def look(self) -> None:
        self.threads.look()
        if monotonic() < self.look_next:
            return
        # This wake as well: a task may have waited all the while for the lock. First,
        # since others run meanwhile.
        self.lateness.of_this_wake()
        now = monotonic()
        chunk = self.longest_running()
        if chunk is not None:
            self.examine(chunk, now)
            if self.place == "one thread" and not self.sent:
                # The task may be the first and run for long: then what was seen when
                # it began is all that is known of other programs.
                self.disturbance.sample(beside=chunk.native_id)
        self.reconsider(monotonic())
        self.limit_threads()  # the calling thread may be back, with nothing to collect
        now = monotonic()
        usual = max(LOOK_INTERVAL, LOOK_SHARE * (now - self.began_at))
        pause = self.lateness.pause(usual)
        self.look_next = now + pause

    def longest_running(self) -> LocalChunk | None:
        running = [chunk for chunk in self.out.values() if chunk.is_running]
        return min(running, key=lambda each: each.began_at or math.inf, default=None)

    def examine(self, chunk: LocalChunk, now: float) -> None:
        """See what the task does that *chunk* runs."""
        computes = self.evidence.computes
        cpu = cpu_seconds_of(chunk.thread)
        if cpu is not None:
            glance = self.first_glance(chunk, now, cpu)
            seen = Seen(1, now - glance.at, cpu - glance.cpu)
            others = self.disturbance.others_now() - glance.others - seen.cpu
            late = self.lateness.total - glance.late
            seen = self.disturbance.told_apart(
                seen, chunk.native_id, glance.queued, max(0.0, others) + late
            )
            seen = self.disturbance.seen_on_the_way(seen, chunk.native_id)
            if seen.cpu + seen.wait > LEAST_SEEN:
                computes = seen.cpu > seen.wait
                is_clear = self.place != "threads" or self.is_clear(seen, chunk)
                self.evidence.saw_running(seen, alone=self.is_alone and is_clear)
        is_unknown = self.evidence.lock is None and self.place != "threads"
        if computes and is_unknown and self.is_worth_a_probe():
            self.probe(chunk)

    def first_glance(self, chunk: LocalChunk, now: float, cpu: float) -> Glance:
        """When the task was first seen that *chunk* runs now, as far as that is known.

        The first one of a portion began with it. Of another one it is only known that
        it ran already at the last look, if no other one has ended since.
        """
        done = len(chunk.values)
        if self.glance is None or self.glance[:2] != (chunk, done):
            if done == 0 and chunk.is_observed:
                self.glance = Glance(
                    chunk,
                    0,
                    chunk.began_at or now,
                    chunk.cpu_began,
                    chunk.queue_began,
                    chunk.all_began,
                    chunk.late_began,
                )
            else:
                others = self.disturbance.others_now()
                queued = self.disturbance.queued_of(chunk.native_id)
                late = self.lateness.total
                self.glance = Glance(chunk, done, now, cpu, queued, others, late)
        return self.glance

    def probe(self, chunk: LocalChunk) -> None:
        """See whether what *chunk* runs keeps the interpreter's lock."""
        began = monotonic()
        cpu_began = cpu_seconds_of(chunk.thread) or 0.0
        is_held = is_lock_held(seconds_in_queue)
        seconds = monotonic() - began
        computed = (cpu_seconds_of(chunk.thread) or 0.0) - cpu_began
        # A portion that ended meanwhile, or a task that has begun to wait, has let go
        # of it, and says nothing of what it does while it computes. Between two tasks
        # of a portion nobody does.
        was_busy = not chunk.is_over and computed > ALL_THE_TIME * seconds
        if is_held or was_busy:
            self.evidence.lock = float(is_held)

    def is_first_of_all(self, chunk: LocalChunk | None, seen: Seen) -> bool:
        if chunk is None or not chunk.is_in_caller or not seen.tasks:
            return False
        return not self.evidence.alone.tasks

    def was_alone(self, chunk: LocalChunk) -> bool:
        """Whether *chunk*, which is back, had no others of a crowd beside it."""
        if self.place == "threads":
            return True
        return not self.out and (chunk.began_at or 0.0) >= self.crowd_until

    @property
    def is_alone(self) -> bool:
        """Whether tasks on threads do not have to wait for the lock, or for a CPU."""
        if self.place == "threads":
            generation = self.generation
            # All of them have to have come back: what one has computed that still runs
            # nobody has counted, and a thread without a CPU computes little.
            is_known = generation.portions >= self.workers
            return is_known and self.wanting < BUSY / 2
        return self.place == "one thread" and not self.sent

    def is_worth_a_probe(self) -> bool:
        if not self.may_travel or self.cpus < 2:
            return False
        return (self.left + 1) * self.evidence.wall > WORTH_A_PROBE

    # What is decided.

    @property
    def left(self) -> int:
        """How many tasks have not been handed out; a guess if nobody knows."""
        settled = self.evidence.settled
        if self.total is None:
            return max(1, settled)  # as many as there have been
        return max(0, self.total - settled - self.count_out)

    def figures(self) -> Figures:
        evidence = self.evidence
        return Figures(
            left=self.left,
            wall=evidence.wall,
            cpu=min(evidence.cpu, evidence.wall) or 1e-9,
            lock=1.0 if evidence.lock is None else evidence.lock,
            transport=evidence.transport,
            start=self.start_seconds,
            cpus=self.cpus,
            threads=1 if self.is_without_threads else self.most_threads,
            processes=self.figure_of_processes(),
            running=self.seconds_of_running(),
            others=self.disturbance.programs,
            machine=self.disturbance.machine,
            # Many threads in turn may look like one that keeps it.
            is_lock_seen=evidence.lock is not None and self.place != "threads",
        )

    def figure_of_processes(self) -> int:
        if self.is_given_up("processes") or not self.may_travel:
            return 0
        return self.most_processes

    @property
    def is_without_threads(self) -> bool:
        return bool(self.is_bound) or self.is_given_up("threads")

    def is_given_up(self, place: Place) -> bool:
        """Whether it was tried a while ago, and did not do more than a loop."""
        return monotonic() < self.given_up.get(place, 0.0)

    @property
    def start_seconds(self) -> float:
        if self.processes is not None:
            return 0.0 if self.processes_answer else WARM_START
        return start_of_processes()

    def seconds_of_running(self) -> float:
        """For how long what runs on a thread will go on, as far as can be guessed."""
        chunk = self.longest_running()
        if chunk is None or chunk.began_at is None:
            return 0.0
        if not chunk.values:
            return max(0.0, monotonic() - chunk.began_at)
        if self.glance is not None and self.glance[:2] == (chunk, len(chunk.values)):
            return max(self.evidence.wall, monotonic() - self.glance.at)
        return self.evidence.wall

    def reconsider(self, now: float) -> None:
        self.generation.count(self.done + self.done_unseen)
        self.learn_of_lock()
        has_to_leave = self.is_shut_out and self.place == "processes"
        if self.does_not_pay() and not has_to_leave:
            self.take_back(now)
            return
        figures = self.figures()
        if not figures.wall or (not figures.left and not self.decisions):
            return
        needs_probe = self.evidence.lock is None and self.evidence.computes
        if needs_probe and self.place == "one thread" and self.is_worth_a_probe():
            self.look_next = min(self.look_next, now + FIRST_LOOK / 4)
            if now < self.began_at + MOST_DOUBT:
                return
        # What was done there counts for nothing where nothing can be any more.
        rate = 0.0 if has_to_leave else self.rate_here
        place = better_place(figures, self.place, rate)
        may_move = now >= self.stays_until or math.isinf(figures.seconds(self.place))
        if place is not None and figures.left and may_move:
            self.go(place, figures, now)
        elif self.place == "threads":
            self.grow(figures, now)
        if self.place == "processes":
            # A thread goes on until the processes do; or all that had begun.
            here = 0 if self.processes_answer else max(1, len(self.out))
            self.workers = self.most_processes + here

    def does_not_pay(self) -> bool:
        """Whether no more tasks a second are done here than in a loop.

        Unless they have changed: threads that mostly wait for something outside, or
        processes that keep more than one CPU busy, do what a loop could not.
        """
        generation, alone = self.generation, self.evidence.alone
        if not alone.tasks or not self.left:
            return False
        if not self.rate_here or self.rate_here * alone.each >= PAYS:
            return False
        if self.place == "processes":
            # Where others want the CPUs too, to have few says nothing.
            return generation.busy < PAYS and not self.disturbance.is_busy
        return not self.mostly_waits

    @property
    def mostly_waits(self) -> bool:
        """Whether what has come back computed for a small part of what it takes alone.

        If such tasks stand in a queue for a CPU it is other programs that keep them
        there, and those would keep a loop waiting as well.
        """
        if self.disturbance.is_unsure:
            return False
        alone, generation = self.evidence.alone, self.generation
        if generation.tasks < self.workers:  # then like those before
            return alone.cpu < MOSTLY_WAITS * alone.undisturbed * alone.tasks
        return generation.cpu < MOSTLY_WAITS * alone.undisturbed * generation.tasks

    @property
    def rate_here(self) -> float:
        """How many tasks a second are done on several workers; 0 if too few to tell."""
        generation = self.generation
        if self.place == "one thread":
            return 0.0
        if self.place == "processes" and not self.processes_answer:
            return 0.0
        enough = ENOUGH_PORTIONS * max(2, self.workers)
        if generation.portions >= enough and generation.seconds >= LEAST_GENERATION:
            return generation.rate_now
        # Or as many tasks of portions that are still out, within a longer time.
        least = LONG_GENERATION * (1 + self.disturbance.programs / self.cpus)
        if generation.done >= enough and generation.seconds >= least:
            return generation.rate_now
        return 0.0

    @property
    def wanting(self) -> float:
        """How many threads compute, or would if they had a CPU, on average.

        Where nobody can tell those from threads that wait it may be any number.
        """
        return math.inf if self.disturbance.is_unsure else self.generation.wanting

    def take_back(self, now: float) -> None:
        """Run the rest as a loop does, or where else it is done soonest."""
        place = self.place
        self.given_up[place] = now + TRIED_AGAIN * self.generation.seconds
        self.evidence.cpu = self.evidence.alone.cpu / self.evidence.alone.tasks
        if place == "threads":
            # Whatever they wait for together, it is as if it were the lock.
            self.evidence.lock = 1.0
        self.go("one thread", self.figures(), now, self.no_gain(place))

    def no_gain(self, place: Place) -> str:
        rate = self.generation.rate_now * self.evidence.alone.each
        return (
            f"on {self.workers} {place} no more was done than in a loop "
            f"({rate:.2g} times as much)"
        )

    def learn_of_lock(self) -> None:
        """See how far threads that compute get into each other's way."""
        generation = self.generation
        if self.place != "threads" or self.cpus < 2 or self.workers < 2:
            return
        if generation.portions >= 2 * self.workers and generation.busy > BUSY:
            # All of it locked keeps one CPU busy, none of it all of them.
            most = min(self.cpus, self.workers)
            lock = (most / generation.busy - 1) / (most - 1)
            self.evidence.lock = min(1.0, max(0.0, lock))

    def go(self, place: Place, figures: Figures, now: float, reason: str = "") -> None:
        """Have what is handed out from now on run in *place*."""
        if self.place == "threads":
            for future in self.out:
                future.cancel()  # those that no thread has taken come back
        self.place = place
        self.moves += 1
        if self.moves >= FREE_MOVES:
            self.stays_until = now + (now - self.began_at)
        if place == "processes":
            if self.processes is None:
                with short_turns():
                    self.processes = self.open_processes()
                self.grace = self.processes.grace
                self.most_processes = min(self.most_processes, self.processes.workers)
        elif place == "threads":
            self.workers = figures.useful_threads
            if not self.evidence.computes:
                self.workers = min(self.workers, self.first_threads)
            self.workers = max(2, min(self.workers, self.most_threads))
        else:
            self.workers = 1
            self.crowd_until = now
        rate = max(self.generation.rate_now, self.loop_rate)
        self.generation = Generation(self.done, rate)
        self.tell(figures, now, reason)

    @property
    def done(self) -> int:
        """How many tasks have ended, in portions that are back, or out to threads."""
        out = sum(len(chunk.values) for chunk in list(self.out.values()))
        return self.evidence.settled + out

    @property
    def done_unseen(self) -> int:
        """How many more may have ended, in the portions that processes run now.

        While portions grow, these are most of what there is, and processes would seem
        to do less than a loop. All of them are counted: the longer it takes, the less
        that matters.
        """
        return sum(islice(self.sent.values(), self.most_processes))

    @property
    def loop_rate(self) -> float:
        """How many tasks a second were done in the loop, the first; 0 if none were."""
        each = self.evidence.alone.each
        return 1 / each if each else 0.0

    @property
    def first_threads(self) -> int:
        careful = self.cpus + THREADS_BEYOND_CPUS
        return careful if self.disturbance.is_unsure else 2 * careful

    def grow(self, figures: Figures, now: float) -> None:
        """Have more threads for tasks that wait, as long as more are done for it."""
        generation = self.generation
        if generation.portions < self.workers or generation.seconds < generation.least:
            return
        rate = generation.rate_now
        if rate < GROWTH_PAYS * generation.rate:
            # It does not pay, or it was not seen to: the next look is a longer one.
            least = LONGER * generation.seconds
            self.generation = Generation(self.done, generation.rate, least)
            if rate < generation.rate and generation.workers_before > 1:
                self.workers = generation.workers_before
                self.tell(figures, now)
            return
        wanted = min(2 * self.workers, figures.useful_threads, self.most_threads)
        if wanted > self.workers:
            self.generation = Generation(self.done, rate, workers_before=self.workers)
            self.workers = wanted
            self.tell(figures, now)

    def tell(self, figures: Figures, now: float, reason: str = "") -> None:
        workers = self.workers
        if self.place == "processes":
            workers = self.most_processes
        at = now - self.began_at
        decision = Decision.of(
            self.place,
            workers,
            at,
            reason or self.reason(),
            figures,
            self.evidence.obstacle,
            self.evidence.alone,
        )
        self.decisions += 1
        if logger.isEnabledFor(logging.DEBUG):
            # With its figures, for handlers that write more than text.
            from dataclasses import asdict

            logger.debug("auto: %s", decision, extra={"decision": asdict(decision)})
        self.decided(decision)

    def reason(self) -> str:
        evidence = self.evidence
        if self.place == "one thread":
            return (
                self.is_bound
                or evidence.obstacle
                or "anything else would take longer to start"
            )
        if self.place == "processes":
            return "the tasks compute and hold the interpreter's lock"
        if not evidence.computes:
            return "the tasks wait more than they compute"
        if evidence.obstacle:
            return f"the tasks cannot go to processes: {evidence.obstacle}"
        return "the tasks leave the interpreter's lock to others while they compute"

    # The end.

    def halt(self, futures: Collection[Future[ChunkReport]]) -> None:
        self.threads.halt([])
        if self.processes is not None:
            self.processes.halt([each for each in futures if each in self.sent])

    def kill(self, futures: Collection[Future[ChunkReport]]) -> None:
        if self.processes is not None:
            self.processes.kill([each for each in futures if each in self.sent])

    def close(self, all_ended: bool, *, struck: bool = False) -> None:
        if not self.decisions:
            self.tell(self.figures(), monotonic())
        # Those first that can be ended: another exception may strike while this waits.
        if self.processes is not None:
            self.processes.close(all_ended, struck=struck)
        self.threads.close(all_ended, struck=struck)
        if self.desk is not None:
            self.desk.close()
        self.states.close()


class Glance(NamedTuple):
    """A look at the task that a portion runs.

    Attributes:
        done: How many tasks of the portion had ended.
        at: When that was, by the monotonic clock.
        cpu: The CPU time that the thread had had then, in seconds.
        queued: How long it had wanted a CPU by then.
        others: The CPU time of the whole process by then.
        late: How late those were who looked, until then.
    """

    chunk: LocalChunk
    done: int
    at: float
    cpu: float
    queued: float | None
    others: float
    late: float


def start_of_processes() -> float:
    """How long it takes until worker processes answer that are wanted now, in s."""
    warm = imported("cotality.core.utils._process.workers.lending.warm_pools")
    return WARM_START if warm is not None and warm.waiting else COLD_START


class Generation:
    """What has come back since the number of workers was last changed.

    Attributes:
        done_before: How many tasks were done then, in portions that are back or out.
        done: How many have been done since, see :meth:`count`.
        rate_now: How many of them a second.
        rate: The tasks a second that were done with the number before.
        least: For how many seconds to watch before the number is changed again.
        workers_before: That number; 0 if there is nothing to go back to.
    """

    def __init__(
        self,
        done: int = 0,
        rate: float = 0.0,
        least: float = LEAST_GENERATION,
        workers_before: int = 0,
    ) -> None:
        self.done_before = done
        self.done = 0
        self.rate_now = 0.0
        self.rate = rate
        self.least = least
        self.workers_before = workers_before
        self.began_at = monotonic()
        self.portions = 0
        self.tasks = 0
        self.cpu = 0.0  # s
        self.queued = 0.0  # s

    @property
    def seconds(self) -> float:
        return max(1e-9, monotonic() - self.began_at)

    def count(self, done: int) -> None:
        """Note how many tasks are done by now.

        In portions that are back or out: while these grow, most of what is done is in
        those that are out.
        """
        self.done = done - self.done_before
        self.rate_now = self.done / self.seconds

    @property
    def busy(self) -> float:
        """How many CPUs were busy, if all computed as much as what has come back."""
        return self.rate_now * self.cpu / max(1, self.tasks)

    @property
    def wanting(self) -> float:
        """How many threads had a CPU, or wanted one, on average."""
        return self.rate_now * (self.cpu + self.queued) / max(1, self.tasks)

    def saw(self, seen: Seen) -> None:
        self.portions += 1
        self.tasks += seen.tasks
        self.cpu += seen.cpu
        self.queued += seen.queued
