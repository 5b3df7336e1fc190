"""Who waits where, and what becomes of an item. Everything that an item meets is here.

Each item is in exactly one state: it waits in the line of a step, a worker holds it, or
it is over. Its asker hears of it once, when it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from cotality.flow._flow.figures.counts import FlowCounts
from cotality.flow._flow.steps.plan import FlowPlan
from cotality.flow._flow.wire.descriptors import Descriptors
from cotality.flow._flow.wire.frames import Kind, Why

from .item import HELD, OVER, WAITING, Holder, Item
from .line import Line
from .timers import Timers

MOST_LARGE = 256  # items with descriptors, of which a process may have 1,024


class Desk:
    """The items of a flow.

    Attributes:
        waiting: How many wait, in all lines.
        alive: How many are not over.
        large: How many of these have descriptors.
        bytes: What the others have while they wait.
        memory: What these have, until they are over.
        is_closed: Why nothing is taken any more; empty while it is.
        down: Why the workers of a step cannot live, by its number.
    """

    def __init__(self, plan: FlowPlan, timers: Timers) -> None:
        self.lines = [Line(plan.levels, plan.age_after) for _ in plan.steps]
        self.names = [step.name for step in plan.steps]
        self.levels = plan.levels
        self.queue_size = plan.queue_size
        self.queue_bytes = plan.queue_bytes
        self.timers = timers
        self.counts = FlowCounts()
        self.waiting = 0
        self.bytes = 0
        self.memory = 0
        self.alive = 0
        self.large = 0
        self.is_closed = ""
        self.down: dict[int, str] = {}

    def refusal(self, waiting_of_asker: int, share: int, step: int) -> int:
        """Why nothing more is taken from an asker now; 0 if it is."""
        if self.is_closed:
            return Why.STOPPED
        if self.down and step in self.down:
            return Why.DOWN
        if (
            self.waiting >= self.queue_size
            or waiting_of_asker >= share
            or self.is_crammed
        ):
            return Why.FULL
        return 0

    @property
    def is_crammed(self) -> bool:
        """Whether there is no room for another item, however few of them wait."""
        return self.bytes + self.memory >= self.queue_bytes or self.large >= MOST_LARGE

    def words(self, why: int, step: int, of_asker: int = 0, share: int = 0) -> str:
        """*why* something is refused, for a person."""
        if why == Why.FULL:
            return self.words_for_full(of_asker, share)
        if why == Why.DOWN:
            return f"step {self.names[step]!r} is down: {self.down.get(step, '')}"
        return self.is_closed

    def words_for_full(self, of_asker: int, share: int) -> str:
        if self.waiting >= self.queue_size:
            return (
                f"{self.waiting:,} items wait, and no more than {self.queue_size:,} may"
            )
        if self.bytes + self.memory >= self.queue_bytes:
            return (
                f"items on their way have {self.bytes + self.memory:,} bytes, and no "
                f"more than {self.queue_bytes:,} may be (queue_bytes)"
            )
        if self.large >= MOST_LARGE:
            return f"{self.large} large items are on their way, and no more may be"
        return (
            f"{of_asker:,} items of this connection wait, and no more than {share:,} "
            f"of one may"
        )

    def take_in(self, item: Item) -> None:
        """A new item comes to its step."""
        self.counts.taken += 1
        self.alive += 1
        self.lines[item.step].add(item)
        self.waiting += 1
        item.asker.waiting += 1
        self.bytes += len(item.body)
        if item.fds is not None:
            self.large += 1
            self.memory += item.fds.size()
        if item.deadline:
            self.timers.add(item)

    def hand(self, item: Item, holder: Holder, number: int) -> None:
        """A worker gets *item*, which is the first one of its line."""
        self.lines[item.step].take(item)
        self.waiting -= 1
        item.asker.waiting -= 1
        self.bytes -= len(item.body)
        item.state, item.holder, item.number = HELD, holder, number

    def put_back(self, items: Sequence[Item]) -> None:
        """Items that a worker had, and has not begun with, are the next ones again."""
        for item in reversed(items):
            if item.state == HELD:
                item.state, item.holder = WAITING, None
                self.lines[item.step].add_first(item)
                self.count_in(item)

    def move_on(
        self,
        item: Item,
        step: int,
        weight: int,
        body: bytes | bytearray,
        fds: Descriptors | None = None,
    ) -> None:
        """What a worker made of *item* comes to a later step."""
        if self.down and step in self.down:
            self.refuse(item, Why.DOWN, self.words(Why.DOWN, step))
            return
        item.step, item.weight, item.body = step, weight, body
        if item.fds is not None:
            self.let_go_of(item.fds)
        if fds is not None:
            self.large += 1
            self.memory += fds.size()
        item.fds = fds
        item.arrived = perf_counter()
        item.state, item.holder = WAITING, None
        self.lines[step].add(item)
        self.count_in(item)

    def count_in(self, item: Item) -> None:
        self.waiting += 1
        item.asker.waiting += 1
        self.bytes += len(item.body)

    def settle(
        self,
        item: Item,
        kind: int,
        body: bytes | bytearray,
        fds: Descriptors | None = None,
    ) -> None:
        """*item* is over, and this is what its asker hears."""
        self.end(item)
        self.counts.kinds["value" if kind == Kind.VALUE else "failure"] += 1
        item.asker.answer(kind, item.serial, body, fds)

    def refuse(self, item: Item, why: int, text: str) -> None:
        """*item* is over without having been handled to its end."""
        self.end(item)
        self.counts.kinds[NAMES[why]] += 1
        item.asker.answer(Kind.REFUSED, item.serial, bytes([why]) + text.encode())

    def cancel(self, item: Item) -> None:
        """Nobody waits for *item* any more."""
        if item.state != OVER:
            self.end(item)
            self.counts.kinds["cancelled"] += 1

    def expire(self, now: float) -> None:
        """End the items whose time is up."""
        for item in self.timers.expired(now):
            name = self.names[item.step]
            text = (
                f"its time was up while it waited for step {name!r}, which has not "
                f"seen it"
                if item.state == WAITING
                else f"its time was up while it was at step {name!r}"
            )
            item.deadline = 0.0  # it is in the heap no more
            self.refuse(item, Why.DEADLINE, text)

    def end(self, item: Item) -> None:
        was = item.state
        item.state = OVER
        self.alive -= 1
        if was == WAITING:
            self.lines[item.step].drop(item)
            self.waiting -= 1
            item.asker.waiting -= 1
            self.bytes -= len(item.body)
        elif item.holder is not None:
            item.holder.mark(item.number)
            item.holder = None
        item.body = b""
        if item.fds is not None:
            self.let_go_of(item.fds)
            item.fds = None
        if item.deadline:
            self.timers.is_over()
        item.asker.forget(item.serial)

    def let_go_of(self, fds: Descriptors) -> None:
        """What is large in an item is no longer kept for it."""
        self.large -= 1
        self.memory -= fds.size()

    def close(self, why: str) -> None:
        """From now on nothing is taken."""
        self.is_closed = self.is_closed or why

    def refuse_waiting(self, step: int | None, why: int, text: str) -> None:
        """End all that waits, for one step or for all of them."""
        for number, line in enumerate(self.lines):
            if step is None or number == step:
                for item in line.all_waiting():
                    self.refuse(item, why, text)


NAMES = {
    Why.FULL: "full",
    Why.DEADLINE: "deadline",
    Why.DOWN: "down",
    Why.STOPPED: "stopped",
}
