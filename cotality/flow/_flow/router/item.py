"""One item on its way through a flow, as the router sees it."""

from __future__ import annotations

from typing import Final, Protocol

from cotality.flow._flow.wire.descriptors import Descriptors


class Asker(Protocol):
    """Whoever waits for an item."""

    waiting: int  # of its items, how many wait in a line

    def answer(
        self,
        kind: int,
        serial: int,
        body: bytes | bytearray,
        fds: Descriptors | None = None,
    ) -> None:
        """Send what became of it."""

    def forget(self, serial: int) -> None:
        """It is over."""


class Holder(Protocol):
    """The worker that an item was handed to."""

    def mark(self, number: int) -> None:
        """Tell it that nobody wants that item any more."""


WAITING: Final = 0  # in the line of a step
HELD: Final = 1  # by a worker
OVER: Final = 2


class Item:
    """Plain, because there is one for each call, and little time for it.

    Attributes:
        level: Its priority.
        deadline: When its time is up, by the clock of the router; 0.0 for never.
        arrived: When it came to its step.
        step: Which one that is.
        weight: What it counts as there.
        number: By which its holder knows it.
        fds: What is large in it. Kept until it is over: it may be sent once more.
    """

    __slots__ = (
        "arrived",
        "asker",
        "body",
        "deadline",
        "fds",
        "holder",
        "level",
        "number",
        "serial",
        "state",
        "step",
        "weight",
    )

    def __init__(
        self,
        asker: Asker,
        serial: int,
        level: int,
        step: int,
        weight: int,
        body: bytes | bytearray,
        arrived: float,
        deadline: float,
        fds: Descriptors | None = None,
    ) -> None:
        self.asker = asker
        self.serial = serial
        self.level = level
        self.step = step
        self.weight = weight
        self.body = body
        self.arrived = arrived
        self.deadline = deadline
        self.state: int = WAITING
        self.holder: Holder | None = None
        self.number = 0
        self.fds = fds
