"""A step at work: its workers, what they are given, and what becomes of one that dies.

A free worker gets the items that wait. A busy worker gets its next portion early only
if its handler is quick, and never while another worker is free. If it is slow after
all, the items that it has not begun are taken back for others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Protocol

from cotality.core.hosting import Hosted, pack_exception
from cotality.flow._flow.figures.counts import StepCounts
from cotality.flow._flow.steps.plan import StepPlan
from cotality.flow._flow.wire.descriptors import Descriptors
from cotality.flow._flow.wire.frames import END, Kind, Why
from cotality.flow._flow.wire.portions import (
    BEGUN,
    MARK_OF,
    PAUSE,
    STARTED,
    Status,
    read_unfit,
)

from .desk import Desk
from .item import HELD, OVER, Item
from .pace import Pace
from .seat import Seat, records_in

MOST_LARGE = 16  # items with descriptors in one portion; a message takes 200 of these
MOST_AT_ONCE = 1024  # items in one portion
MOST_DEATHS = 3  # of workers in a row, without an answer
RETRY_AFTER = 2.0  # s that a step is down before another worker is tried
RETRY_LATEST = 10.0  # s
LEAVE_LIMIT = 5.0  # s that a worker in whose place is another one gets for its `stop`
# After a worker has spent this long (s) in one call, the router looks at it: earlier
# results may wait in its memory, and later items could go to a free worker.
LOOK_AFTER = 0.010
LOOK_AGAIN_AFTER = 0.020  # s, if it was found to go on
# How many times as long as others a call has to take for a worker to be stuck in it. On
# a busy machine all of them take long, and to move items about would make it worse.
STUCK = 3.0


class Environment(Protocol):
    """What a station has of the router."""

    def start_worker(self, step: int, generation: int) -> None:
        """Have a worker started; `Station.came` or `Station.not_started` follows."""

    def has_rest(self, seat: Seat) -> None:
        """The link of *seat* has not taken all at once."""

    def leave(self, seat: Seat) -> None:
        """Look no more at *seat*, which has ended."""

    def says(self, text: str) -> None:
        """Log it where the flow was started."""


class Station:
    """One step.

    Attributes:
        is_down: Whether its workers cannot live.
        start_failure: Why its first worker could not start; packed.
    """

    def __init__(
        self, number: int, plan: StepPlan, desk: Desk, environment: Environment
    ) -> None:
        self.number = number
        self.plan = plan
        self.desk = desk
        self.line = desk.lines[number]
        self.environment = environment
        self.pace = Pace()
        self.counts = StepCounts()
        self.seats: list[Seat] = []
        self.starting = 0
        self.generation = 0
        self.deaths = 0  # in a row, without an answer
        self.is_down = False
        self.reason = ""
        self.retry_after = RETRY_AFTER
        self.was_ready = False
        self.start_failure: bytes | None = None
        self.is_ending = False
        self.due_at = 0.0  # an alarm is set for then
        self.on_reload: list[Callable[[str], None]] = []
        self.next_reload: list[Callable[[str], None]] = []  # who came during that

    # Its workers.

    def open(self) -> None:
        for _ in range(self.plan.workers):
            self.start_one()

    def start_one(self) -> None:
        self.starting += 1
        self.environment.start_worker(self.number, self.generation)

    def came(self, seat: Seat) -> None:
        """The process of a worker has started; it will say that it is ready."""
        self.starting -= 1
        self.seats.append(seat)
        if self.is_ending:
            seat.hang_up()

    def not_started(self, reason: str, generation: int) -> None:
        """There was no room for a process."""
        self.starting -= 1
        if self.is_ready() and not self.is_of_reload(generation):
            # Those that are there go on; another one is tried when there may be room.
            self.says_ended(reason)
            later = perf_counter() + RETRY_AFTER
            self.desk.timers.at(later, lambda _: self.fill_up())
            return
        self.died(reason, generation)

    def is_ready(self) -> bool:
        return any(seat.is_ready and not seat.is_leaving for seat in self.seats)

    def ready_seats(self) -> list[Seat]:
        return [seat for seat in self.seats if seat.is_ready and not seat.is_leaving]

    def said_ready(self, seat: Seat) -> None:
        seat.is_ready = True
        self.was_ready = True
        if self.is_down:
            self.deaths = MOST_DEATHS - 1  # one more of them, and it is down again
            self.come_up()
        self.relieve_older()

    def said_unfit(self, seat: Seat, body: bytes | bytearray) -> None:
        """Its handler could not be made, or could not start."""
        text, packed = read_unfit(body)
        if not self.was_ready and self.start_failure is None:
            self.start_failure = packed
        seat.unfit = f"its handler could not start: {text}"
        seat.is_leaving = True

    # What they get.

    def hand_out(self, now: float) -> None:
        """Give what waits to whoever can have it."""
        line = self.line
        while line.waiting:
            if self.plan.batch_wait and not self.is_due(now):
                return
            seat = self.free_seat()
            if seat is None:
                return
            had_some = bool(seat.held)
            items = self.next_items(seat, now)
            if not items:
                return
            seat.give(items)
            if seat.outbox is not None:
                self.environment.has_rest(seat)
            if had_some or len(items) > self.plan.batch_size:
                self.look_later(seat)
            if self.plan.timeout is not None and not seat.is_watched:
                self.watch(seat, now + self.plan.timeout)
        if len(self.seats) > 1:
            self.look_for_free()

    def free_seat(self) -> Seat | None:
        """The worker that gets something next."""
        best: Seat | None = None
        for seat in self.seats:
            if not seat.can_take or seat.is_stuck:
                continue
            if not seat.held:
                return seat
            if best is None or len(seat.held) < len(best.held):
                best = seat
        if best is None or not self.pace.is_quick:
            return None
        return best

    def next_items(self, seat: Seat, now: float) -> list[Item]:
        """Take what *seat* may have now out of the line."""
        line, batch = self.line, self.plan.batch_size
        limit = self.pace.limit(batch, line.weight, len(self.ready_seats()))
        if seat.held:
            held = len(seat.held)
            if held > max(limit // 2, 1):
                return []
        items: list[Item] = []
        weight = large = 0
        number = seat.given
        while len(items) < MOST_AT_ONCE:
            item = line.first(now)
            if item is None or (items and weight + item.weight > limit):
                break
            large += item.fds is not None
            if large > MOST_LARGE and items:
                break
            number += 1
            self.desk.hand(item, seat, number)
            items.append(item)
            weight += item.weight
        return items

    def is_due(self, now: float) -> bool:
        """Whether a batch goes out though it is not full; or see that it will."""
        if self.line.weight >= self.plan.batch_size or self.desk.is_closed:
            return True
        due = min(self.due_of(item) for item in self.line.all_waiting())
        if due <= now:
            return True
        if not now < self.due_at <= due:
            self.due_at = due
            self.desk.timers.at(due, lambda _: None)  # the turn of the loop is enough
        return False

    def due_of(self, item: Item) -> float:
        """When *item* no longer waits for others."""
        due = item.arrived + self.plan.batch_wait
        if item.deadline:
            left = item.deadline - item.arrived
            needed = max(2 * self.pace.call, left / 4)
            due = min(due, max(item.deadline - needed, item.arrived))
        return due

    # A worker that has been at one call for a while.

    def look_later(self, seat: Seat, after: float = LOOK_AFTER) -> None:
        if not seat.will_be_looked_at:
            seat.will_be_looked_at = True
            # As long as a call takes there is nothing to see.
            due = perf_counter() + max(after, self.pace.by_clock)
            self.desk.timers.at(due, partial(self.look, seat))

    def look(self, seat: Seat, now: float) -> None:
        """Take what *seat* has done and not sent, and what it keeps from others."""
        seat.will_be_looked_at = False
        if not seat.held or seat not in self.seats:
            return
        began = seat.times[STARTED]
        if now < max(began, seat.moved_at) + LOOK_AFTER / 2:
            # It moves; or it is between two calls.
            self.look_later(seat, LOOK_AGAIN_AFTER)
            return
        done = seat.done_meanwhile()
        if done:
            self.settle(seat, done)
        if seat.is_leaving or not seat.behind():
            return
        if now < began + STUCK * self.pace.by_clock:
            self.look_later(seat, LOOK_AGAIN_AFTER)  # not for longer than all others
            return
        # Others may be busy all the time, with what has come later.
        seat.is_stuck = True
        if any(other.can_take and not other.is_stuck for other in self.seats):
            self.take_back(seat, now)
        else:
            self.look_later(seat)

    def look_for_free(self) -> None:
        """If a worker is free, see to what others keep from it."""
        if any(seat.is_idle for seat in self.seats):
            for seat in self.seats:
                if len(seat.held) > 1 and seat.behind():
                    self.look_later(seat)

    def take_back(self, seat: Seat, now: float) -> None:
        numbers = seat.recall()
        if numbers:
            self.desk.timers.at(
                now + PAUSE, lambda _: self.desk.put_back(seat.taken_back(numbers))
            )

    # What they answer.

    def settle(
        self, seat: Seat, body: bytes | bytearray, fds: Descriptors | None = None
    ) -> None:
        """Do what the records in *body* say.

        Args:
            fds: Of the one record that has some, which comes alone.
        """
        desk, counts, held = self.desk, self.counts, seat.held
        seat.moved_at = perf_counter()
        seat.is_stuck = False
        has_answered = False
        for (
            status,
            step,
            batch,
            number,
            weight,
            seconds,
            work,
            began,
            data,
        ) in records_in(body):
            if number not in held:
                continue  # of a worker that died before it knew that this was sent
            seat.marks[number & MARK_OF] = 0
            item = held.pop(number)
            if status == Status.BACK:
                if item is not None and item.state == HELD:
                    desk.put_back([item])
                continue
            has_answered = True
            if batch:
                seat.batch_began = began
                self.pace.note(work, batch, seconds)
                counts.handled.add(seconds)
                counts.calls += 1
                counts.rate.now += batch
                counts.items += batch
            if item is None:
                continue
            counts.waited.add(max(seat.batch_began - item.arrived, 0.0))
            if status == Status.FAILURE:
                counts.failed += 1
            if item.state == OVER:
                continue
            item.holder = None
            if status == Status.VALUE and step != END:
                desk.move_on(item, step, weight, data, fds)
            else:
                kind = Kind.VALUE if status == Status.VALUE else Kind.FAILURE
                desk.settle(item, kind, data, fds)
        if has_answered:
            self.deaths, self.retry_after = 0, RETRY_AFTER
            if self.is_down:
                self.come_up()

    def come_up(self) -> None:
        self.is_down = False
        self.desk.down.pop(self.number, None)
        self.environment.says(f"step {self.plan.name!r} is up again")
        self.fill_up()

    def fill_up(self) -> None:
        """Start what is missing of the workers there are to be."""
        while self.is_missing() and not (self.is_down or self.is_ending):
            self.counts.restarts += 1
            self.start_one()

    def current_seats(self) -> list[Seat]:
        return [
            seat
            for seat in self.seats
            if seat.generation == self.generation and not seat.is_leaving
        ]

    # A handler that takes too long.

    def watch(self, seat: Seat, when: float) -> None:
        seat.is_watched = True
        self.desk.timers.at(when, lambda now: self.look_at(seat, now))

    def look_at(self, seat: Seat, now: float) -> None:
        """Whether what *seat* is at takes too long."""
        limit = self.plan.timeout
        seat.is_watched = False
        if limit is None or not seat.held or seat not in self.seats:
            return
        started, begun = seat.times[STARTED], seat.words[BEGUN]
        if started == float("inf"):
            self.watch(seat, now + limit)
        elif now < started + limit:
            self.watch(seat, started + limit)
        else:
            seat.halt(now=True)
            self.desk.timers.at(
                now + PAUSE, lambda now: self.end_late(seat, started, begun, now)
            )

    def end_late(self, seat: Seat, started: float, begun: int, now: float) -> None:
        """End *seat*, if the late call is still the one it is at."""
        if (seat.times[STARTED], seat.words[BEGUN]) == (started, begun):
            seat.hosted.kill("timeout")
        else:
            seat.halt(now=False)
            self.look_at(seat, now)

    # Their end.

    def ended(self, seat: Seat) -> None:
        """The process of *seat* has ended, and all that it has sent was read."""
        self.settle_rest(seat)
        self.seats.remove(seat)
        hosted = seat.hosted
        lost = [item for item in seat.begun_items() if item.state == HELD]
        untouched = seat.untouched_items()
        is_crash = not seat.is_leaving or bool(lost)
        why = "" if lost else seat.unfit or hosted.ending()
        if lost:
            error = hosted.failure(time_limit=self.plan.timeout)
            why = str(error)
            error.add_note(f"In step {self.plan.name!r} of the flow.")
            packed = pack_exception(error)
            for item in lost:
                item.holder = None
                self.counts.failed += 1
                self.counts.items += 1
                self.desk.settle(item, Kind.FAILURE, packed)
        seat.held.clear()
        self.desk.put_back(untouched)
        self.environment.leave(seat)
        hosted.close()
        if self.is_ending:
            return
        if is_crash or seat.unfit:
            is_of_items = hosted.reason == "timeout"
            generation = -1 if seat.is_ready else seat.generation
            self.died(why, generation, is_of_items=is_of_items)
        self.relieve_older()

    def settle_rest(self, seat: Seat) -> None:
        rest = seat.left_in_room()
        if rest:
            self.settle(seat, rest)

    def says_ended(self, why: str) -> None:
        self.environment.says(f"a worker of step {self.plan.name!r} has ended: {why}")

    def is_of_reload(self, generation: int) -> bool:
        """Whether a worker of *generation* is a new one of the reload under way."""
        return bool(self.on_reload) and generation == self.generation

    def died(self, why: str, generation: int, *, is_of_items: bool = False) -> None:
        """A worker has ended that should not have: there has to be another one.

        Args:
            generation: Its own, if it never was ready; -1 if it was.
            is_of_items: Whether we have ended it for its time: it has lived well.
        """
        self.says_ended(why)
        if self.is_of_reload(generation):
            self.give_up_reload(why)
            if self.is_ready():
                self.fill_up()
                return
        if not self.is_missing() and not self.is_down:
            return  # there was one more than there had to be
        self.reason = why
        if not is_of_items:
            self.deaths += 1
        if (
            (self.start_failure is not None and not self.was_ready)
            or self.is_down
            or self.deaths >= MOST_DEATHS
        ):
            self.go_down()
        else:
            self.counts.restarts += 1
            self.start_one()

    def is_missing(self) -> bool:
        """Whether there are fewer workers than there are to be."""
        return len(self.current_seats()) + self.starting < self.plan.workers

    def give_up_reload(self, why: str) -> None:
        """The new workers cannot live: the older ones stay, and the new ones go."""
        for seat in self.of_older():
            seat.generation = self.generation
        self.let_surplus_go()
        self.reload_is_over(why)

    def let_surplus_go(self) -> None:
        """Let those go that are more than there are to be, the newest ones first."""
        seats = sorted(self.current_seats(), key=lambda seat: not seat.is_ready)
        for seat in seats[self.plan.workers :]:
            self.dismiss(seat)

    def go_down(self) -> None:
        if not self.is_down:
            self.is_down = True
            self.environment.says(f"step {self.plan.name!r} is down: {self.reason}")
        self.desk.down[self.number] = self.reason
        self.desk.refuse_waiting(
            self.number, Why.DOWN, self.desk.words(Why.DOWN, self.number)
        )
        if self.starting == 0:
            when = perf_counter() + self.retry_after
            self.retry_after = min(2 * self.retry_after, RETRY_LATEST)
            self.desk.timers.at(when, self.retry)

    def retry(self, now: float) -> None:
        if self.is_down and not self.is_ending and not self.starting:
            self.counts.restarts += 1
            self.start_one()

    # Other workers in their place.

    def reload(self, done: Callable[[str], None]) -> None:
        """Start as many new workers; the old ones go as these become ready."""
        if self.is_ending:
            done(self.desk.is_closed)
            return
        if self.on_reload:
            # These workers may have been started before whatever they are to have.
            self.next_reload.append(done)
            return
        self.generation += 1
        self.on_reload.append(done)
        for _ in range(self.plan.workers):
            self.start_one()

    def reload_is_over(self, error: str) -> None:
        done, self.on_reload = self.on_reload, []
        for tell in done:
            tell(error)
        following, self.next_reload = self.next_reload, []
        for each in following:
            self.reload(each)
        if following:
            self.on_reload += self.next_reload  # all of them wait for the same workers
            self.next_reload = []

    def relieve_older(self) -> None:
        """Let as many of the older workers go as there are new ones."""
        new = [
            seat for seat in self.ready_seats() if seat.generation == self.generation
        ]
        old = [
            seat
            for seat in self.seats
            if seat.generation != self.generation and not seat.is_leaving
        ]
        for seat in old[: max(0, len(new) + len(old) - self.plan.workers)]:
            self.dismiss(seat)
        if not self.on_reload:
            self.let_surplus_go()
        elif len(new) >= self.plan.workers and not self.of_older():
            self.reload_is_over("")

    def of_older(self) -> list[Seat]:
        return [seat for seat in self.seats if seat.generation != self.generation]

    def dismiss(self, seat: Seat) -> None:
        """Let *seat* answer what it has begun with, and end."""
        now = perf_counter()
        self.take_back(seat, now)
        seat.hang_up()
        self.desk.timers.at(now + LEAVE_LIMIT, partial(self.see_off, seat))

    def see_off(self, seat: Seat, now: float) -> None:
        """End *seat* if it has nothing to do any more, and stays."""
        if seat not in self.seats:
            return
        if seat.held:
            self.desk.timers.at(now + LEAVE_LIMIT, partial(self.see_off, seat))
        else:
            seat.hosted.kill("stopped")

    # The end of all.

    def close(self) -> None:
        """Let all workers end once they have answered."""
        self.is_ending = True
        for seat in self.seats:
            seat.hang_up()
        self.reload_is_over(self.desk.is_closed)

    def hosted(self) -> list[Hosted]:
        return [seat.hosted for seat in self.seats]
