"""Turns are given: a message for each job that has just been stored.

Turns are sent after the transaction is committed, and no job depends on them: the
program that stores a job waits only until the socket has taken the message, not for the
broker. The broker confirms what it has. If it has not done so for a while, it is taken
to be away, and nothing is sent to it for some seconds, so that a program that stores
many jobs does not wait at each of them.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from cotality._kit.struck import is_of_a_signal

from .broker import Broker
from .link import Link, speaks_amqp

logger = logging.getLogger("cotality.jobs")

AWAY_S = 5.0  # for which it is left alone
CONFIRM_S = 3.0  # after which something has to be confirmed
GOODBYE_S = 1.0  # to wait for what is not, when a program ends


class SilentError(TimeoutError):
    """The broker takes turns, and confirms none of them."""


class Giver:
    """Gives turns, from any thread; opens a connection when it needs one."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.lock = threading.Lock()  # held while the following change
        self.link: Link | None = None
        self.declared: set[str] = set()
        self.sent = 0  # on this connection
        self.unconfirmed: dict[int, float] = {}  # when each was sent, in order
        self.away_until = 0.0
        self.is_blocked = False

    def is_near(self) -> bool:
        """Whether it seems that turns could be given now."""
        if self.is_blocked:
            with self.lock:
                self.guarded(self.read)
        return not self.is_blocked and time.monotonic() >= self.away_until

    def give(self, turns: Mapping[str, int]) -> None:
        """Give these numbers of turns, by queue; if that fails, it is only logged."""
        with self.lock:
            if time.monotonic() < self.away_until:
                return
            had_one = self.link is not None
            if self.guarded(lambda: self.send(turns), is_last=not had_one):
                return
            if had_one and self.away_until <= time.monotonic():
                # That connection may have been gone for long.
                self.guarded(lambda: self.send(turns))

    def guarded(self, do: Callable[[], None], *, is_last: bool = True) -> bool:
        """Whether *do* could be done; with the last try, the broker is away."""
        try:
            do()
        except Exception as error:
            if is_of_a_signal(error):
                raise
            self.cut()
            if is_last or isinstance(error, SilentError):
                self.away_until = time.monotonic() + AWAY_S
                logger.error(
                    "the broker %s is away: %s. Jobs are stored, and workers look for "
                    "them in the store",
                    *(self.broker, text_of(error)),
                )
            return False
        return True

    def send(self, turns: Mapping[str, int]) -> None:
        link = self.ready_link()
        self.read()
        oldest = next(iter(self.unconfirmed.values()), math.inf)
        if oldest < time.monotonic() - CONFIRM_S:
            raise SilentError(f"it has confirmed nothing for {CONFIRM_S:g} s")
        for name, count in turns.items():
            if name not in self.declared:
                link.declare(name)
                self.declared.add(name)
            for _ in range(count):
                self.sent += 1
                self.unconfirmed[self.sent] = time.monotonic()
                link.channel.basic_publish(message(), "", name, mandatory=True)

    def ready_link(self) -> Link:
        if self.link is None:
            self.is_blocked = False
            self.link = Link(self.broker, on_blocked=self.note_blocked)
            channel = self.link.channel
            channel.events["basic_return"].add(self.note_returned)
            channel.events["basic_ack"].add(self.note_confirmed)
            channel.events["basic_nack"].add(self.note_confirmed)
            self.link.ask(channel.confirm_select)
            self.sent = 0
        return self.link

    def read(self) -> None:
        if self.link is not None:
            self.link.read()

    def note_blocked(self, is_blocked: bool) -> None:
        self.is_blocked = is_blocked
        if is_blocked:
            logger.error(
                "the broker %s takes no messages, for want of memory or room on its "
                "disk. Jobs are stored, and workers look for them in the store",
                self.broker,
            )

    # Any: what the package calls with; the name of the queue, and what it says of it.
    def note_returned(self, error: Any, exchange: str, name: str, told: Any) -> None:
        """Somebody has deleted the queue: it is made again with the next turn."""
        self.declared.discard(name)

    # A turn that the broker has refused is lost, as any may be: nothing waits for it.
    def note_confirmed(self, number: int, multiple: bool) -> None:
        if not multiple:
            self.unconfirmed.pop(number, None)
            return
        for each in [each for each in self.unconfirmed if each <= number]:
            del self.unconfirmed[each]

    def cut(self) -> None:
        link, self.link = self.link, None
        self.declared.clear()
        self.unconfirmed.clear()
        self.is_blocked = False
        if link is not None:
            link.cut()

    def close(self) -> None:
        """Say goodbye, and wait a moment until all is confirmed."""
        with self.lock:
            end = time.monotonic() + GOODBYE_S
            while self.unconfirmed and self.link and time.monotonic() < end:
                self.link.wait((), 0.05)
                self.guarded(self.read)
            link, self.link = self.link, None
            self.cut()
            if link is not None:
                link.close()


def message() -> Any:  # Any: the package has no types
    """A turn. All of a queue are alike: the table says which ticket is next."""
    return speaks_amqp().Message(
        json.dumps({"cotality.jobs": "a turn"}),
        delivery_mode=2,
        content_type="application/json",
    )


def text_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
