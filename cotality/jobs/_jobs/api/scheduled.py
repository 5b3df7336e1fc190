"""Jobs that come by the clock, and the store as the loop of a worker sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cotality.jobs._jobs.schedules.schedule import Schedule
from cotality.jobs._jobs.store import ticks

from .base import Base
from .definition import Definition
from .options import CallOptions
from .putting import put


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule and what is called then."""

    schedule: Schedule
    job: Definition
    args: tuple[Any, ...]  # Any: arguments of any function


class Ticks:
    """A `TickStore` whose jobs go into the store of a `Jobs`.

    The job and the time are written in one transaction, so that nobody who is killed
    leaves one without the other.
    """

    def __init__(self, base: Base, scheduled: Mapping[str, Scheduled]) -> None:
        self.base = base
        self.scheduled = scheduled

    def last_tick(self, name: str) -> datetime | None:
        with self.base.database.reading() as connection:
            return ticks.last_tick(connection, name)

    def set_last_tick(
        self, name: str, moment: datetime, *, expected: datetime | None
    ) -> bool:
        with self.base.database.writing() as connection:
            return ticks.set_last_tick(connection, name, moment, expected)

    def enqueue_tick(self, name: str, due: datetime, job_id: str) -> bool:
        found = self.scheduled[name]
        order = found.job.order(CallOptions(job_id=job_id), found.args, {})
        self.base.ready({order.queue})
        with self.base.database.writing() as connection:
            if not ticks.advance(connection, name, due):
                return False
            put(self.base, [order], connection)
            return True


def checked_args(args: object) -> tuple[Any, ...]:  # Any: as above
    if isinstance(args, (str, bytes)) or not isinstance(args, Iterable):
        raise TypeError(f"args must be a tuple of arguments, got {args!r}")
    return tuple(args)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]  # of any types
