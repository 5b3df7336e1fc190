"""How a worker takes tickets by turns.

The broker says which worker may take a ticket, and when: a worker that has a turn of a
queue, and a free place, takes the ticket that is next in the table. So the order is
that of the table, with all its priorities. A turn that comes twice, or late, or for a
ticket that was withdrawn, is used for the next ticket, or not at all.

A turn may be lost; then there are fewer turns than tickets. So each ticket has a time
from which on it may be taken without one. A worker with free places that hears of no
turn takes it then; as long as turns come, no worker does.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.engines.protocol import Free, Limits, Run
from cotality.jobs._jobs.engines.serving import Haul, Serving, Source

from . import rows
from .bell import Bell
from .broker import Broker
from .giving import text_of
from .link import wait_for
from .rows import Times
from .turns import HEARTBEAT_S, Listener, Turn, Turns

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger("cotality.jobs")

# A worker that has had free places for this long, and no turn, takes the tickets that
# need none.
QUIET_S = 0.05
# A turn for which the worker has no place goes back after this time, for another one.
HOLD_S = 0.3
AWAY_S = (0.5, 1.0, 2.0, 5.0)  # until a broker is asked again that is away
# Unless it is set otherwise, a broker ends the connection of a worker that has kept a
# turn for half an hour. So a job that runs for longer than this gives its turn up.
LONG_S = 600.0
LONG_LOOK_S = 30.0
# A worker whose jobs are this short (s) has as many turns in hand again as it has
# places: the next one would come a moment after a place is free.
SHORT_S = 0.2


class Used(NamedTuple):
    """A turn that a job has."""

    turn: Turn
    at: float  # since when, by `monotonic`


class RabbitSource(Source, Protocol):
    """Whose tickets they are."""

    broker: Broker
    known_prefix: str | None

    def prefix(self) -> str:
        """With which the queues of this store begin."""
        ...


class TurnServing(Serving):
    """What one worker does, see `Serving`.

    Args:
        engine: Whose tickets.
        worker: Who takes them.
        queues: From which queues; None for all.
        run: What to do with each.
        free: For how many more of a queue there is a place.
    """

    engine: RabbitSource

    def __init__(
        self,
        engine: RabbitSource,
        worker: str,
        queues: Iterable[str] | None,
        run: Run,
        free: Free,
    ) -> None:
        super().__init__(engine, worker, queues, run, free)
        self.wake = self.bell = Bell()
        self.prefix = ""  # with which the queues of this store begin
        self.turns: Turns | None = None  # None while the broker is away
        self.connections = self.failures = 0
        self.connect_at = self.long_look_at = 0.0  # by `monotonic`
        self.used: dict[int, Used] = {}  # by the number of the row
        self.short: Counter[str] = Counter()  # jobs of a queue, since a long one
        self.seen: set[str] = set()  # queues in which something waited
        self.times: dict[str, Times] = {}

    def begin_anew(self) -> None:
        # Turns of the other file are for nothing here, and its rows had these numbers.
        self.engine.known_prefix = None
        self.used.clear()
        turns, self.turns = self.turns, None
        if turns is not None:
            turns.cut()

    def has_news(self) -> bool:
        self.prefix = self.engine.prefix()
        self.guarded(self.see_to_turns)
        return self.knows_of_some() or self.changes.have_come()

    def knows_of_some(self) -> bool:
        turns = self.turns
        if turns is None:
            return False
        held = self.count_held()
        in_hand = turns.queues_in_hand()
        return bool(turns.rung) or any(self.free(each, held) > 0 for each in in_hand)

    def due(self, connection: Connection, now: float) -> dict[str, float]:
        if self.turns is not None:
            self.turns.rung.clear()
        found = rows.times(connection)
        self.times = {queue: each for queue, each in found.items() if self.has(queue)}
        self.seen.update(self.times)
        return {
            queue: self.time_of(queue, each, now) for queue, each in self.times.items()
        }

    def has(self, queue: str) -> bool:
        return self.queues is None or queue in self.queues

    def time_of(self, queue: str, times: Times, now: float) -> float:
        """From when on something may be taken here."""
        turns = self.turns
        if self.is_limited(queue) or (turns is not None and turns.in_hand(queue)):
            return times.due
        if turns is None:
            return times.open
        quiet_in = turns.quiet_since(queue) + QUIET_S - time.monotonic()
        return max(times.open, now + max(0.0, quiet_in))

    def is_limited(self, queue: str) -> bool:
        """Whether all workers count its jobs, in the table: turns are but a bell."""
        return self.limits_of(queue) != Limits()

    def allowed(self, queue: str, most: int) -> int:
        turns = self.turns
        if turns is None or self.is_limited(queue):
            return most
        return min(most, turns.in_hand(queue) or most)

    def is_taken(self, through: Sequence[int], haul: Haul, now: float) -> None:
        over = [*self.over(through)]
        turns = self.turns
        if turns is None:
            return
        for each in haul.taken:
            turn = turns.use(each.queue)
            if turn is not None:
                self.used[each.serial] = Used(turn, time.monotonic())
        over += self.for_nothing(turns, haul, now)
        self.guarded(lambda: turns.are_done(over))

    def over(self, through: Sequence[int]) -> Iterator[Turn]:
        """The turns of jobs that have ended."""
        now = time.monotonic()
        for serial in through:
            used = self.used.pop(serial, None)
            if used is not None:
                queue = used.turn.queue
                self.short[queue] = (self.short[queue] + 1) * (now - used.at < SHORT_S)
                yield used.turn

    def for_nothing(self, turns: Turns, haul: Haul, now: float) -> list[Turn]:
        """Turns in hand for which there is no ticket; whoever had them was quicker."""
        empty = set(haul.fell_short)
        for queue in turns.queues_in_hand():
            times = self.times.get(queue)
            if times is None or times.due > now:
                empty.add(queue)
        return [turn for queue in empty for turn in turns.all_of(queue)]

    def wait(self, seconds: float) -> None:
        turns = self.turns
        if turns is None:
            wait_for(None, [self.bell.reader], seconds)
        else:
            # The broker wants a sign of life every few seconds, whatever `poll` is.
            most = min(seconds, HEARTBEAT_S / 4)
            self.guarded(lambda: turns.wait([self.bell.reader], most))

    def end(self) -> None:
        super().end()
        turns, self.turns = self.turns, None
        if turns is not None:
            turns.close()

    def stop(self, grace_s: float) -> None:
        super().stop(grace_s)
        self.bell.close()

    # The broker, as far as it is there.

    def guarded(self, do: Callable[[], object]) -> None:
        """Do it; if that fails the broker is away for a while."""
        try:
            do()
        except Exception as error:
            if is_of_a_signal(error):
                raise
            self.lose(error)

    def lose(self, error: Exception) -> None:
        turns, self.turns = self.turns, None
        if turns is not None:
            turns.cut()
        pause = AWAY_S[min(self.failures, len(AWAY_S) - 1)]
        self.connect_at = time.monotonic() + pause
        if not self.failures:
            logger.error(
                "the broker %s is away: %s. This worker takes jobs from the store",
                *(self.engine.broker, text_of(error)),
            )
        self.failures += 1

    def see_to_turns(self) -> None:
        """Be connected, and listen where there is a place."""
        if self.turns is None:
            if time.monotonic() < self.connect_at:
                return
            self.connections += 1
            self.turns = Turns(self.engine.broker, self.prefix, self.connections)
        turns, held = self.turns, self.count_held()
        for queue in self.wanted():
            self.see_to(turns, queue, held)
        self.give_long_ones_up(turns)
        if self.failures:
            logger.info("the broker %s is there again", self.engine.broker)
            self.failures = 0

    def wanted(self) -> set[str]:
        if self.queues is not None:
            return self.queues
        return self.seen | self.engine.limits.keys()

    def see_to(self, turns: Turns, queue: str, held: Counter[str]) -> None:
        """Listen to it while there is a place; give back what waits here for one."""
        is_bell = self.is_limited(queue)
        listener = turns.listeners.get(queue)
        if listener is None:
            if is_bell or self.free(queue, held) > 0:
                turns.listen(queue, None if is_bell else self.most(queue))
        elif listener.has_waited(HOLD_S) and self.free(queue, held) <= 0:
            self.short[queue] = 0
            turns.leave(queue)
        elif is_bell != (listener.places is None) or self.needs_more(queue, listener):
            turns.leave(queue)  # and listens anew

    def needs_more(self, queue: str, listener: Listener) -> bool:
        """Whether turns are used up so quickly that there should be more in hand."""
        places = listener.places
        if places is None or self.short[queue] <= 2 * places:
            return False
        return self.most(queue) > places

    def most(self, queue: str) -> int:
        """How many turns it should have at once."""
        places = self.free(queue, Counter())
        return 2 * places if self.short[queue] > 2 * places else places

    def give_long_ones_up(self, turns: Turns) -> None:
        now = time.monotonic()
        if now < self.long_look_at:
            return
        self.long_look_at = now + LONG_LOOK_S
        for serial, used in [*self.used.items()]:
            if used.turn.at < now - LONG_S:
                del self.used[serial]
                turns.done(used.turn)
