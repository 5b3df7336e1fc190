"""What may be said about a job, checked when it is said."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from cotality.core.calls import checked_seconds
from cotality.core.utils.process import Retry
from cotality.jobs._jobs.errors.errors import seconds_of
from cotality.jobs._jobs.store.texts import storable

RunsOn: TypeAlias = Literal["processes", "threads", "auto"]
PLACES = ("processes", "threads", "auto")
KEEP = timedelta(days=7)
LATEST_YEAR = 3000
LONGEST_KEY = 500  # characters


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a function is run, whoever enqueues it."""

    queue: str
    priority: int
    retry: Retry
    timeout: float | None
    keep_s: float
    runs_on: RunsOn | None


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How one job is enqueued; None is as the function says."""

    queue: str | None = None
    priority: int | None = None
    delay: float = 0.0
    due_at: float | None = None
    key: str | None = None
    job_id: str | None = None
    keep_s: float | None = None
    connection: Any = None  # Any: a connection or a session of SQLAlchemy

    def with_(self, **more: Any) -> CallOptions:  # Any: fields
        given = {name: value for name, value in more.items() if value is not None}
        return replace(self, **given)


def checked_queue(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a queue is named by a text, got {name!r}")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", name):
        raise ValueError(
            f"a queue's name begins with a letter or digit and has letters, digits, "
            f"'.', '-' and '_', at most 100, got {name!r}"
        )
    return name


def checked_priority(priority: object) -> int:
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise TypeError(f"priority must be an integer, got {priority!r}")
    if not -100 <= priority <= 100:
        raise ValueError(
            f"priority goes from -100 to 100, where larger is sooner, got {priority!r}"
        )
    return priority


def checked_keep(keep: object) -> float:
    """In seconds."""
    if not isinstance(keep, timedelta):
        raise TypeError(f"keep must be a timedelta, got {keep!r}")
    if keep < timedelta():
        raise ValueError(f"keep must not be negative, got {keep!r}")
    return seconds_of("keep", keep)


def checked_delay(delay: object) -> float:
    """In seconds."""
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, int | float) and seconds < 0:
        raise ValueError(f"delay must not be negative, got {delay!r}")
    return seconds_of("delay", delay)


def checked_moment(moment: object) -> float:
    """In seconds since 1970."""
    if not isinstance(moment, datetime):
        raise TypeError(f"run_after must be a datetime, got {moment!r}")
    if moment.tzinfo is None:
        raise ValueError(
            f"run_after has to say in which time zone it is, such as "
            f"datetime.now(UTC) + timedelta(hours=1), got {moment!r}"
        )
    if not 1970 <= moment.year < LATEST_YEAR:
        raise ValueError(
            f"run_after must be from 1970 to {LATEST_YEAR - 1}, got {moment!r}"
        )
    return moment.timestamp()


def checked_text(name: str, text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a text, got {text!r}")
    if not text or len(text) > LONGEST_KEY:
        raise ValueError(
            f"{name} must have 1 to {LONGEST_KEY} characters, got {len(text)}"
        )
    if storable(text) != text:
        raise ValueError(f"{name} must not have NUL or half a character, got {text!r}")
    return text


def checked_runs_on(runs_on: object) -> RunsOn | None:
    if runs_on is not None and runs_on not in PLACES:
        raise ValueError(f"runs_on must be one of {PLACES}, got {runs_on!r}")
    return runs_on  # type: ignore[return-value]  # which is what was checked


def checked_timeout(timeout: object, runs_on: RunsOn | None) -> float | None:
    """In seconds.

    Raises:
        ValueError: It is no time, or for what cannot be ended.
    """
    seconds = checked_seconds("timeout", timeout, zero=False)
    if seconds is not None and runs_on == "threads":
        raise ValueError(
            "a thread cannot be ended: timeout needs runs_on='processes', or an "
            "async def function"
        )
    return seconds
