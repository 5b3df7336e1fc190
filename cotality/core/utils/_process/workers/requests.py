"""What callers hand over to the thread that watches over a pool of workers.

An exception may strike a caller between any two steps: a Ctrl-C, a time limit in a
signal handler. So a caller changes nothing in a pool itself. It makes one of these
records, complete, and appends it to the pool's inbox, which is one step. The record is
there or it is not. Only the watching thread does what it asks for.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, TypeAlias

from cotality._kit.records import dataclass, field
from cotality.core.utils._process.channel.segments import Segment

START_ATTEMPTS = 3  # workers in a row that may die before they are of any use
SERVERS_LOST = 20  # likewise, with their fork server


@dataclass(eq=False, slots=True)
class Item:
    """One submitted call. From its handing over on only the watching thread changes it.

    Attributes:
        owner: Names the call it belongs to, for :class:`EndCall`.
        segments: What is sent along.
        time_limit: Seconds that one task of it may run.
        leaves_state: Whether it makes something that the worker closes at its end.
        first_task: The index of the first task of a portion.
        is_running: Whether it can no longer be cancelled.
        is_unwanted: Whether somebody has asked to end it.
        is_halted: Whether no task of it may start, asked for while no worker had it.
        deaths: How many workers died before they began with it.
        server_deaths: Of these, those that ended with their fork server.
        context: The submitter's.
    """

    future: Future[Any]  # Any: what the call returns
    body: bytes
    segments: list[Segment] = field(default_factory=list[Segment])
    time_limit: float | None = None
    leaves_state: bool = False
    first_task: int | None = None
    owner: object = None
    is_running: bool = False
    is_unwanted: bool = False
    is_halted: bool = False
    deaths: int = 0
    server_deaths: int = 0
    context: Context = field(default_factory=copy_context)

    def is_given_up(self) -> bool:
        """Whether too many workers died before they began with it for mere chance.

        A fork server that is killed says nothing of the item or of its workers.
        """
        by_themselves = self.deaths - self.server_deaths
        return by_themselves >= START_ATTEMPTS or self.server_deaths >= SERVERS_LOST


@dataclass(frozen=True, slots=True)
class Kill:
    """End what runs these futures, and drop those that wait.

    Attributes:
        answer: Is told whether there was anything to end, if somebody wants to know.
    """

    futures: Collection[Future[Any]]  # Any: of any call
    answer: SimpleQueue[bool] | None = None


@dataclass(frozen=True, slots=True)
class Halt:
    """Let no further task start in the portions behind these futures."""

    futures: Collection[Future[Any]]  # Any: of any call


@dataclass(frozen=True, slots=True)
class EndCall:
    """Drop and end every item of this owner: nobody knows any more what it has out."""

    owner: object


@dataclass(frozen=True, slots=True)
class Doubt:
    """An exception has struck a caller while it gave *item* to a worker; see `loan`.

    Attributes:
        key: Of the worker, among those that are lent.
    """

    key: object
    item: Item


@dataclass(frozen=True, slots=True)
class Resize:
    """Have at most this many workers from now on."""

    max_workers: int


@dataclass(frozen=True, slots=True)
class Assemble:
    """Start all workers; the future is done when they are ready."""

    future: Future[None]


Request: TypeAlias = Item | Kill | Halt | EndCall | Doubt | Resize | Assemble
