"""The router: its turn, what clients ask it for, and its own end.

One turn takes whatever is there on all connections, and only when all of that is dealt
with is anything written: one system call for each connection, however many answers.

The router ends with its parent, and all workers end with the router.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from time import perf_counter
from typing import Any

from cotality.core.hosting import Host
from cotality.flow._flow.steps.plan import FlowPlan
from cotality.flow._flow.wire import notes
from cotality.flow._flow.wire.frames import Kind, Why
from cotality.flow._flow.wire.notes import Welcome

from . import report
from .crew import Crew
from .desk import Desk
from .guest import Guest
from .hall import Doors, Hall
from .loop import Loop
from .parent import FromParent, Parent, ToParent
from .station import Station

COUNT_EVERY = 1.0  # s
LEAST_TO_STOP = 0.5  # s that the `stop` of handlers gets, whatever the grace
REAP_LIMIT = 1.0  # s that killed workers get to be collected by their server
DEFAULT_GRACE = 5.0  # s
MOST_GRACE = 24 * 3600.0  # s


def main(host: Host, plan: FlowPlan, doors: Doors) -> None:
    """The whole life of a router."""
    try:
        router = Router(host, plan, doors)
        try:
            router.run()
        except BaseException:
            router.parent.last_words(traceback.format_exc())
            raise
    finally:
        # The server of its workers ends with this process, and they do with that.
        os._exit(0)


class Router:
    """All of it."""

    def __init__(self, host: Host, plan: FlowPlan, doors: Doors) -> None:
        self.plan = plan
        self.began = perf_counter()
        self.loop = Loop()
        self.desk = Desk(plan, self.loop.timers)
        self.parent = Parent(host.link, self.loop, self.told)
        self.crew = Crew(plan, self.loop, self.parent, self.workers_changed)
        self.stations = [
            Station(number, step, self.desk, self.crew)
            for number, step in enumerate(plan.steps)
        ]
        self.crew.stations = self.stations
        self.hall = Hall(doors, self.desk, self.loop, self, self.parent.log)
        self.was_up = False
        self.unfit_told: set[int] = set()
        self.stop_at: float | None = None  # when patience ends
        self.kill_at: float | None = None
        self.on_stop: list[Callable[[], None]] = []
        self.is_done = False

    def run(self) -> None:
        for station in self.stations:
            station.open()
        self.count(perf_counter())
        while not (self.is_done or self.parent.is_gone):
            self.turn()

    def turn(self) -> None:
        self.loop.look()
        now = perf_counter()
        self.desk.expire(now)
        for station in self.stations:
            station.hand_out(now)
        self.hall.offer_room()
        self.hall.flush()
        if self.stop_at is not None:
            self.go_on_stopping(now)

    def count(self, now: float) -> None:
        """Have figures of the last seconds be of these, whoever asks for them when."""
        for station in self.stations:
            station.counts.turn(now)
        self.loop.timers.at(now + COUNT_EVERY, self.count)

    # What is told to the parent.

    def workers_changed(self) -> None:
        """Tell the parent when all steps are up for the first time, or cannot be."""
        if self.was_up:
            return
        for station in self.stations:
            if station.start_failure and station.number not in self.unfit_told:
                self.unfit_told.add(station.number)
                self.parent.say(ToParent.UNFIT, station.start_failure, station.number)
            elif station.is_down and station.number not in self.unfit_told:
                self.unfit_told.add(station.number)
                reason = self.desk.words(Why.DOWN, station.number)
                self.parent.say(ToParent.DOWN, reason.encode(), station.number)
        if all(station.is_ready() for station in self.stations):
            self.was_up = True
            self.parent.say(ToParent.UP)

    def told(self, kind: int, number: int) -> None:
        """The parent wants this to end; *number* is the grace in milliseconds."""
        self.stop(number / 1000, lambda: None, is_drain=kind == FromParent.DRAIN)

    # What clients want to know, and to have done.

    def welcome(self, guest: Guest) -> bytes:
        return Welcome(
            connection=guest.number,
            pid=os.getpid(),
            levels=self.plan.levels,
            share=guest.share,
            steps=tuple(step.name for step in self.plan.steps),
            entry=self.plan.entry,
        ).packed()

    def has_to_send(self, guest: Guest) -> None:
        self.hall.to_flush.append(guest)

    def wants_room(self, guest: Guest) -> None:
        if guest not in self.hall.patient:
            self.hall.patient.append(guest)

    def asked(self, guest: Guest, serial: int, body: bytes | bytearray) -> None:
        question = notes.read(body)
        what = question.get("what")

        def tell(**details: object) -> None:
            guest.send(Kind.ANSWER, serial, notes.told(**details))

        if what == notes.STATUS:
            tell(**self.status())
        elif what == notes.METRICS:
            tell(text=report.metrics(self.desk, self.stations))
        elif what in (notes.DRAIN, notes.STOP):
            grace = seconds_in(question.get("grace"))
            self.stop(grace, tell, is_drain=what == notes.DRAIN)
        elif what == notes.RELOAD:
            self.reload(question.get("step"), lambda error: tell(error=error))
        else:
            tell(error=f"a router has no answer to {what!r}")

    def status(self) -> dict[str, Any]:  # Any: of several types
        now = perf_counter()
        return report.status(self.desk, self.stations, now) | {
            "pid": os.getpid(),
            "connections": len(self.hall.guests),
            "uptime": now - self.began,
        }

    def reload(self, step: object, done: Callable[[str], None]) -> None:
        """Replace the workers of *step*, or all; *done* is told what went wrong."""
        chosen = [each for each in self.stations if step in (None, each.plan.name)]
        if not chosen:
            names = ", ".join(repr(each.plan.name) for each in self.stations)
            done(f"there is no step {step!r}; there are {names}")
            return
        errors: list[str] = []
        left = len(chosen)

        def one_is_done(error: str) -> None:
            nonlocal left
            left -= 1
            if error:
                errors.append(error)
            if not left:
                done("; ".join(errors))

        for station in chosen:
            station.reload(one_is_done)

    # The end.

    def stop(self, grace: float, done: Callable[[], None], *, is_drain: bool) -> None:
        """Take nothing more, answer what is here within *grace*, and end."""
        self.on_stop.append(done)
        self.desk.close("the flow is drained" if is_drain else "the flow has stopped")
        stop_at = perf_counter() + min(max(grace, 0.0), MOST_GRACE)
        if self.stop_at is None or stop_at < self.stop_at:
            self.stop_at = stop_at
        if not is_drain:
            self.desk.refuse_waiting(None, Why.STOPPED, self.desk.is_closed)
        self.loop.timers.at(self.stop_at, lambda now: None)

    def go_on_stopping(self, now: float) -> None:
        assert self.stop_at is not None
        if self.kill_at is None:
            if self.desk.alive and now < self.stop_at:
                return
            self.end_items()
            for station in self.stations:
                station.close()
            self.kill_at = max(self.stop_at, now + LEAST_TO_STOP)
            self.loop.timers.at(self.kill_at, lambda now: None)
        is_alone = not self.crew.seats and not any(
            station.starting for station in self.stations
        )
        if is_alone or now >= self.kill_at + REAP_LIMIT:
            self.finish()
        elif now >= self.kill_at:
            self.crew.kill_all()
            self.loop.timers.at(self.kill_at + REAP_LIMIT, lambda now: None)

    def end_items(self) -> None:
        """Nobody waits any longer for what has no answer yet."""
        for guest in self.hall.guests:
            for item in list(guest.calls.values()):
                self.desk.refuse(item, Why.STOPPED, self.desk.is_closed)

    def finish(self) -> None:
        for done in self.on_stop:
            done()
        self.hall.close_doors()
        for guest in list(self.hall.guests):
            guest.pipe.end.setblocking(True)
            guest.pipe.end.settimeout(LEAST_TO_STOP)
        self.hall.flush()
        self.parent.say(ToParent.STOPPED)
        self.is_done = True


def seconds_in(value: object) -> float:
    """What a client has said of a time, if that is one."""
    if not isinstance(value, int | float) or value != value:
        return DEFAULT_GRACE
    return float(min(max(value, 0.0), MOST_GRACE))
