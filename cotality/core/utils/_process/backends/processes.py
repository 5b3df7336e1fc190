"""Runs portions on worker processes: warm ones, those of a pool, or its own ones."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from time import monotonic, perf_counter
from typing import Any, Protocol

from cotality.core.utils._process.channel.ledger import Entry
from cotality.core.utils._process.channel.segments import Segment, sent_along
from cotality.core.utils._process.engine.ticket import Ticket
from cotality.core.utils._process.pickling.encode import encode_own
from cotality.core.utils._process.portions.chunk import Chunk, ChunkReport, run_chunk
from cotality.core.utils._process.portions.packed_chunk import PackedChunk
from cotality.core.utils._process.portions.packer import (
    MOST_PACKED,
    PortionPacker,
    unpacked,
)
from cotality.core.utils._process.tasks.errors import (
    TaskTimeoutError,
    WorkerCrashedError,
    WorkerStartError,
)
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.task import Task, marks
from cotality.core.utils._process.workers.death_report import entry_of, is_of_server
from cotality.core.utils._process.workers.lending.leases import Staff
from cotality.core.utils._process.workers.pool import Pool
from cotality.core.utils._process.workers.requests import (
    SERVERS_LOST,
    START_ATTEMPTS,
    Item,
)

NOTABLE = 0.001  # s


class Runs(Protocol):
    """What is called in a worker to have a portion run; it travels with each."""

    def __call__(self, chunk: Chunk, time_box: float, /) -> ChunkReport:
        """Run what there is time for, by `run_chunk`."""
        ...


class ProcessBackend:
    """Worker processes, whoever's they are."""

    workers: int
    most_workers: int
    owner: object
    newest_sent: int
    servers_lost: int
    fruitless: int

    kind = "processes"
    look_at: float = math.inf
    portion_cost: float | None = None
    ready_per_worker: int | None
    runs: Runs = staticmethod(run_chunk)

    def __init__(
        self,
        staff: Staff,
        packer: PortionPacker,
        *,
        timeout: float | None,
        grace: float | None,
        max_tasks: int | None,
    ) -> None:
        self.staff = staff
        self.workers = self.most_workers = staff.workers
        self.ready_per_worker = 0 if staff.is_part_of_more else None
        self.pools: list[Pool] = []  # that something was sent to
        self.packer = packer
        self.timeout = timeout
        self.grace = grace
        self.largest_portion: int | None = min(max_tasks or MOST_PACKED, MOST_PACKED)
        self.newest_sent = 0  # the number of the latest segment that was sent
        self.owner = object()  # names this call to a pool that serves others too
        self.fruitless = 0  # portions in a row that came back with nothing done
        self.servers_lost = 0  # likewise, because the fork server was killed

    def submit(
        self, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        chunk, portion = self.pack(portion)
        # Tasks that hold much and may have been changed travel together the longer.
        cost = self.packer.looking_cost
        self.portion_cost = cost if cost > NOTABLE else None
        return self.send(chunk, portion, time_box)

    def pack(self, portion: Portion) -> tuple[PackedChunk, Portion]:
        """Pack *portion*, or only its first tasks, all of which have one time limit."""
        if marks.timeout_was_used:
            portion = portion.first(count_alike(portion.tasks))
            self.packer.check_orders = self.limit_of(portion) is not None
        return self.packer.pack(portion)

    def limit_of(self, portion: Portion) -> float | None:
        """Seconds that each task of *portion* may run; None for no limit."""
        limit = portion.tasks[0].timeout
        return self.timeout if limit is None else limit

    def send(
        self, chunk: PackedChunk, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        """Have *portion* run, which is packed as *chunk*."""
        has_states = bool(self.packer.packer.states)
        pool = self.staff.pool(has_states=has_states)
        if pool not in self.pools:
            self.pools.append(pool)
        chunk.beside = pool.users.beside(self.packer.call, self)
        future: Ticket[ChunkReport] = Ticket()
        with sent_along() as segments:
            # All that is not ours is bytes in there, and may name what it likes.
            body = encode_own((self.runs, (chunk, time_box), {}))
        portion.sent_bytes = len(body) + self.size_of_new(segments)
        item = Item(future, body, segments, self.limit_of(portion))
        item.first_task = portion.start
        item.owner = self.owner
        item.leaves_state = has_states
        if self.packer.measure:
            portion.began = partial(when_began, pool, item)
        pool.put(item)
        return portion, future

    def size_of_new(self, segments: list[Segment]) -> int:
        """The bytes of those that were not sent before; numbers only grow."""
        if not segments:
            return 0
        newest = self.newest_sent
        new = {each.number: each.size for each in segments if each.number > newest}
        self.newest_sent = max(newest, *new, newest)
        return sum(new.values())

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        try:
            death = future.exception()  # not raised: its frames are those of the task
        except CancelledError:
            return ChunkReport([])
        if isinstance(death, WorkerCrashedError | TaskTimeoutError):
            return self.after_death(portion, death)
        packed = future.result()
        self.fruitless = self.servers_lost = 0
        report = unpacked(packed, portion.failures)
        if report.obstacle is not None and not self.packer.gives_back:
            raise report.obstacle
        return report

    def after_death(
        self, portion: Portion, death: WorkerCrashedError | TaskTimeoutError
    ) -> ChunkReport:
        """What the ledger of a dead worker says: one task lost, at most."""
        entry: Entry = entry_of(death)
        packed: dict[int, bytes | Segment] = {**entry.packed}
        report = ChunkReport(entry.values, entry.errors, packed=packed)
        report = unpacked(report, portion.failures)
        report.times = entry.times
        report.worker = f"process {death.pid}"
        report.peak_memory = getattr(death, "peak_memory", 0)
        for position in entry.elsewhere:  # its outcome was on the way
            report.errors[position] = death
        # After its last task a worker is said to run one more for a moment.
        if entry.running is not None and entry.running < len(portion.tasks):
            report.errors[len(report.values)] = death
            report.values.append(None)
        if report.values:
            self.fruitless = self.servers_lost = 0
        else:
            self.count_fruitless(death)
        return report

    def count_fruitless(self, death: Exception) -> None:
        """A worker died with a portion before it started a task: once is bad luck."""
        if is_of_server(death):
            self.servers_lost += 1
        else:
            self.fruitless += 1
        if self.fruitless >= START_ATTEMPTS or self.servers_lost >= SERVERS_LOST:
            count = self.fruitless + self.servers_lost
            raise WorkerStartError(
                f"{count} worker processes in a row came to an end before they "
                f"started a task. The last: {death}"
            ) from death

    def look(self) -> None:
        """The workers keep their time boxes themselves."""

    def halt(self, futures: Collection[Future[ChunkReport]]) -> None:
        if futures:
            for pool in self.pools:
                pool.halt(futures)

    def kill(self, futures: Collection[Future[ChunkReport]]) -> None:
        if futures:
            for pool in self.pools:
                pool.kill(futures)

    def close(self, all_ended: bool, *, struck: bool = False) -> None:
        # A failure that is kept may refer to frames that refer to this (3.12, 3.13).
        has_states = bool(self.packer.packer.states)
        self.packer.forget()
        for pool in self.pools:
            pool.users.leave(self.packer.call)
        all_ended = all_ended and not struck
        self.staff.dismiss(self.owner, all_ended=all_ended, for_good=has_states)


def count_alike(tasks: Sequence[Task[Any]]) -> int:  # Any: of every result type
    """How many of *tasks*, from the first on, have the same time limit."""
    limit = tasks[0].timeout
    for place, task in enumerate(tasks):
        if task.timeout != limit:
            return place
    return len(tasks)


def when_began(pool: Pool, item: Item) -> float | None:
    """When the first task of *item* began, by the monotonic clock; None if not yet."""
    if item.future.done():
        return monotonic()  # at the latest; whoever takes it back knows better
    began = pool.when_began(item)
    return None if began is None else monotonic() - (perf_counter() - began)
