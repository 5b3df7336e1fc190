"""A worker of one step: from its start to its end, one batch after the other."""

from __future__ import annotations

import math
import os
import select
import time
from collections import deque
from time import perf_counter
from typing import Any

from cotality._kit.safe_text import class_and_text
from cotality.core.hosting import (
    Host,
    Inbox,
    WorkerLink,
    capture_output,
    decoded,
    encode_answer,
    end_fork,
    flush_output,
    is_forked,
    pack_exception,
)
from cotality.flow._flow.steps.work import Work
from cotality.flow._flow.wire.descriptors import Descriptors
from cotality.flow._flow.wire.frames import END
from cotality.flow._flow.wire.portions import (
    BEGUN,
    HALT,
    MARK_OF,
    STARTED,
    Message,
    Status,
    items_of,
    unfit,
)

from .answers import Answers
from .handling import Failure, Handling, failure_of, noted
from .stopwatch import Stopwatch

NO_FDS: list[int] = []
HALT_PAUSE = 0.001  # s between two looks whether the router still thinks of ending us


def main(host: Host, packed_work: bytes, rules: bytes) -> None:
    """The whole life of a worker."""
    link = WorkerLink(host.link)
    capture_output(link, rules)
    try:
        handling = started(link, packed_work)
        if handling is None:
            return
        worker = Worker(host, link, handling)
        worker.serve()
        handling.stop()
        flush_output()
    except OSError:
        # The link is gone: the router has ended, or a handler has closed our files.
        os._exit(1)


def started(link: WorkerLink, packed_work: bytes) -> Handling | None:
    """The handler, ready for items; None if it is not to be had."""
    try:
        work: Work = decoded(packed_work, [])
        handling = Handling(work)
        handling.start()
    except BaseException as error:
        if is_forked():
            end_fork()
        flush_output()
        failure = failure_of(error)
        text = class_and_text(failure).replace("\0", " ")
        link.send(Message.UNFIT, unfit(text, pack_exception(failure, encode_answer)))
        return None
    flush_output()
    link.send(Message.READY, b"")
    return handling


class Entry:
    """An item that waits here."""

    __slots__ = ("body", "fds", "number", "weight")

    def __init__(
        self, number: int, weight: int, body: memoryview, fds: Descriptors | None
    ) -> None:
        self.number = number
        self.weight = weight
        self.body = body
        self.fds = fds


class Worker:
    """Takes portions, calls the handler with batches of them, and answers."""

    def __init__(self, host: Host, link: WorkerLink, handling: Handling) -> None:
        self.handling = handling
        self.connection = host.link
        self.link = link
        self.words = host.board.words
        self.times = host.board.times
        self.marks = host.board.marks
        self.answers = Answers(link, host.board)
        self.inbox = Inbox()
        self.waiting: deque[Entry] = deque()
        self.batch_size = handling.batch_size
        self.poll = select.poll()
        self.poll.register(self.connection, select.POLLIN)
        self.is_told_to_end = False
        self.stopwatch = Stopwatch()
        # The items of the latest batch. To let go of large ones takes a while, and
        # should not hold up the answers. Any: of any type.
        self.handled: list[Any] = []

    def serve(self) -> None:
        """Answer until the router hangs up, and what it has sent before is done."""
        while True:
            if not self.waiting:
                self.answers.send()
                self.handled = []
                if self.is_told_to_end:
                    return
                # To wait in `recv` itself is to be woken once more each time, by the
                # router, as it reads what was just sent (Linux).
                self.poll.poll()
                self.receive()
            elif len(self.waiting) < self.batch_size and self.poll.poll(0):
                self.receive()  # to make the batch larger
            batch = self.next_batch()
            if batch:
                self.handle(batch)

    def receive(self) -> None:
        """Take what the router has sent; waits for it."""
        if self.is_told_to_end:
            return
        try:
            messages = self.inbox.read(self.connection)
        except EOFError:
            self.is_told_to_end = True
            self.poll.unregister(self.connection)
            return
        for message in messages:
            fds = message.fds
            for number, weight, body, count in items_of(message.body):
                own = Descriptors(fds[:count]) if count else None
                fds = fds[count:] if count else fds
                self.waiting.append(Entry(number, weight, body, own))

    def next_batch(self) -> list[Entry]:
        """The next items for the handler, which are begun from now on."""
        waiting, marks = self.waiting, self.marks
        batch: list[Entry] = []
        weight = 0
        while waiting:
            entry = waiting[0]
            if marks[entry.number & MARK_OF]:
                self.give_back(waiting.popleft())
                continue
            if batch and weight + entry.weight > self.batch_size:
                break
            batch.append(waiting.popleft())
            weight += entry.weight
            if weight >= self.batch_size:
                break
        if not batch:
            return batch
        # First said, then looked at: see `portions`.
        self.words[BEGUN] = batch[-1].number
        if any(marks[entry.number & MARK_OF] for entry in batch):
            for entry in batch:
                if marks[entry.number & MARK_OF]:
                    self.give_back(entry)
                    entry.weight = -1
            batch = [entry for entry in batch if entry.weight >= 0]
        while self.words[HALT]:
            time.sleep(HALT_PAUSE)
        return batch

    def give_back(self, entry: Entry) -> None:
        self.marks[entry.number & MARK_OF] = 0
        self.answers.put(Status.BACK, entry.number, b"")

    def handle(self, batch: list[Entry]) -> None:
        """Call the handler, and note what became of each item."""
        self.handled = []
        items: list[Any] = []  # Any: of any type
        watch = self.stopwatch
        self.times[STARTED] = began = watch.start()
        ready: list[Entry] = []
        for entry in batch:
            try:
                fds = NO_FDS if entry.fds is None else entry.fds.take()
                items.append(decoded(entry.body, fds))
                ready.append(entry)
            except BaseException as error:
                self.times[STARTED] = math.inf  # while something is put there
                self.put_failure(entry, error)
                self.times[STARTED] = perf_counter()
        if not items:
            self.times[STARTED] = math.inf
            return
        handling = self.handling
        results = handling.results(items)
        self.handled = items
        del items
        if is_forked():
            end_fork()
        watch.stop(len(ready))
        seconds, work = watch.seconds, watch.work
        put = self.answers.put
        count = len(ready)
        for position, entry in enumerate(ready):
            if position:
                self.times[STARTED] = perf_counter()
            # Packs the result and asks conditions: the user's code as well, and so it
            # has a time limit as well.
            status, step, weight, data, large = handling.settled(results[position])
            self.times[STARTED] = math.inf  # nothing is written to the room before
            put(
                status,
                entry.number,
                data,
                large=large,
                step=step,
                weight=weight,
                batch=count,
                seconds=seconds,
                work=work,
                began=began,
            )
            count, seconds, work, began = 0, 0.0, 0.0, 0.0
        del results
        flush_output()
        self.answers.send_if_due(watch.work, len(self.waiting), watch.each)

    def put_failure(self, entry: Entry, error: BaseException) -> None:
        note = (
            f"The item could not be unpickled in the worker of step "
            f"{self.handling.name!r}; no handler has seen it."
        )
        failure = Failure(failure_of(error), 1)
        with noted(failure.error, note):
            data = failure.packed()
        self.answers.put(Status.FAILURE, entry.number, data, step=END)
