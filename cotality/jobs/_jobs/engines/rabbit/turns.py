"""The turns that a worker has been given: it listens, uses them, and gives them back.

A turn stays unacknowledged as long as the job runs for which it was used. So the broker
gives a worker as many turns as it has places, and if the worker dies, gives its turns
to others.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .broker import Broker, name_of
from .link import Link

HEARTBEAT_S = 10


class Turn(NamedTuple):
    """The right to take one ticket of a queue."""

    queue: str
    link: int  # of which connection
    tag: int
    at: float  # when it came, by `monotonic`


@dataclass
class Listener:
    """How one queue is listened to.

    Attributes:
        tag: By which the broker knows it.
        places: How many turns it may have at once; None for a bell, which any number of
            messages ring.
        heard: When something happened last, by `monotonic`.
    """

    tag: str
    places: int | None
    heard: float
    in_hand: deque[Turn] = field(default_factory=deque[Turn])

    def has_waited(self, seconds: float) -> bool:
        """Whether a turn has been in hand for longer than *seconds*."""
        return bool(self.in_hand) and self.in_hand[0].at < time.monotonic() - seconds


class Turns:
    """All turns of one worker, over one connection.

    Raises:
        OSError: The broker is not there. So does every method.
        amqp.exceptions.AMQPError: It refuses.
    """

    def __init__(self, broker: Broker, prefix: str, number: int) -> None:
        self.prefix, self.number = prefix, number
        self.link = Link(broker, heartbeat_s=HEARTBEAT_S)
        self.listeners: dict[str, Listener] = {}
        self.rung: set[str] = set()  # bells

    def listen(self, queue: str, places: int | None) -> None:
        """Have up to *places* turns of it at once; None for a bell."""
        name = name_of(self.prefix, queue)
        self.link.declare(name)
        made = Listener("", places, time.monotonic())

        def take(message: Any) -> None:  # Any: the package has no types
            made.heard = time.monotonic()
            if places is None:
                self.rung.add(queue)
            elif self.listeners.get(queue) is made:
                turn = Turn(queue, self.number, message.delivery_tag, made.heard)
                made.in_hand.append(turn)
            else:  # it came after the end
                self.link.channel.basic_reject(message.delivery_tag, True)

        def end(tag: str) -> None:
            """Somebody has deleted the queue; it is made again."""
            if self.listeners.get(queue) is made:
                del self.listeners[queue]

        self.listeners[queue] = made
        if places is not None:
            self.link.ask(self.link.channel.basic_qos, 0, places, False)
        consume = self.link.channel.basic_consume
        made.tag = self.link.ask(
            *(consume, name), no_ack=places is None, callback=take, on_cancel=end
        )

    def leave(self, queue: str) -> None:
        """Listen no more, and give back what is not used."""
        listener = self.listeners.pop(queue)
        self.link.ask(self.link.channel.basic_cancel, listener.tag)
        for turn in listener.in_hand:
            self.link.channel.basic_reject(turn.tag, True)

    def in_hand(self, queue: str) -> int:
        """How many there are to be used."""
        listener = self.listeners.get(queue)
        return 0 if listener is None else len(listener.in_hand)

    def queues_in_hand(self) -> list[str]:
        """Of which there are some."""
        return [queue for queue, each in self.listeners.items() if each.in_hand]

    def use(self, queue: str) -> Turn | None:
        """The first one, if there is one."""
        listener = self.listeners.get(queue)
        return listener.in_hand.popleft() if listener and listener.in_hand else None

    def all_of(self, queue: str) -> list[Turn]:
        """All that are in hand; they count as used."""
        listener = self.listeners.get(queue)
        found = [] if listener is None else [*listener.in_hand]
        if listener is not None:
            listener.in_hand.clear()
        return found

    def are_done(self, turns: Iterable[Turn]) -> None:
        for each in turns:
            self.done(each)

    def done(self, turn: Turn) -> None:
        """It was used; the broker may give another one for it."""
        if turn.link != self.number:
            return  # it went back with its connection
        self.link.channel.basic_ack(turn.tag)
        listener = self.listeners.get(turn.queue)
        if listener is not None:
            listener.heard = time.monotonic()

    def quiet_since(self, queue: str) -> float:
        """When something happened last, by `monotonic`; never if nobody listens."""
        listener = self.listeners.get(queue)
        return 0.0 if listener is None else listener.heard

    def wait(self, others: Iterable[socket.socket], seconds: float) -> None:
        """Until a turn comes, or one of *others* has something to say."""
        if self.link.wait(others, seconds):
            self.link.read()
        self.link.beat()

    def close(self) -> None:
        """Give everything back."""
        self.link.close()

    def cut(self) -> None:
        self.link.cut()
