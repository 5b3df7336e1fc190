"""A schedule: a name, when it is due, and what becomes of what was missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, TypeAlias, get_args

from cotality.jobs._jobs.schedules.cron_times import checked_cron
from cotality.jobs._jobs.schedules.crontab import crontab
from cotality.jobs._jobs.schedules.due_times import DueTimes
from cotality.jobs._jobs.schedules.every_times import EveryTimes, checked_period

Missed: TypeAlias = Literal["skip", "once"]
When: TypeAlias = "str | crontab | float | timedelta"

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the job of a certain name is due.

    Args:
        name: Known to all workers; what was handled is stored under it.
        times: When it is due.
        missed: What becomes of due times at which no worker ran: ``"skip"`` forgets
            them, ``"once"`` makes one run of all of them.
        text: What the user wrote, for lists of schedules.
    """

    name: str
    times: DueTimes
    missed: Missed
    text: str

    def job_id(self, due: datetime) -> str:
        """The id of the job that is due then, the same for everybody."""
        moment = due.astimezone(UTC).isoformat().removesuffix("+00:00")
        return f"{self.name}@{moment}Z"


def checked_schedule(
    name: str,
    when: When | None = None,
    *,
    every: float | timedelta | None = None,
    timezone: str | tzinfo = "UTC",
    missed: Missed = "skip",
) -> Schedule:
    """What ``jobs.schedule`` is given, checked.

    Args:
        name: Of the schedule, not empty.
        when: A cron line such as ``"0 9 * * mon"``, a `crontab`, or as *every*.
        every: The seconds from one due time to the next, at least 1, or a timedelta;
            counted from 1970 in UTC.
        timezone: In which a cron line is meant, by its name such as
            ``"Europe/Berlin"``. It makes no difference to *every*.
        missed: What becomes of due times at which no worker ran.

    Raises:
        TypeError: An argument of the wrong type, or *when* and *every* together.
        ValueError: A cron line that is none or is never due, an unknown zone or word.
    """
    check_name(name)
    if missed not in get_args(Missed):
        raise ValueError(f"missed must be 'skip' or 'once', got {missed!r}")
    if (when is None) == (every is None):
        raise TypeError(
            f"the schedule {name!r} needs either when=, such as '0 9 * * mon', or "
            f"every=, in seconds"
        )
    zone = checked_zone(timezone)
    if isinstance(when, (str, crontab)):
        times: DueTimes = checked_cron(when, zone)
        where = timezone if isinstance(timezone, str) else str(zone)
        line = when.line if isinstance(when, crontab) else when
        return Schedule(name, times, missed, f"{line} ({where})")
    period = checked_period(every if when is None else when)
    return Schedule(name, EveryTimes(period), missed, f"every {period}")


def check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the name of a schedule must be a text, got {name!r}")
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"the name of a schedule must have 1 to {LONGEST_NAME} printable "
            f"characters, got {name!r}"
        )


def checked_zone(timezone: object) -> tzinfo:
    """The time zone *timezone*.

    Raises:
        TypeError: It is neither a name nor a zone.
        ValueError: Nobody knows it.
    """
    if isinstance(timezone, tzinfo):
        return timezone
    if not isinstance(timezone, str):
        raise TypeError(
            f"timezone must be a name such as 'Europe/Berlin', got {timezone!r}"
        )
    if timezone == "UTC":
        return UTC  # also where no zones are installed
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(timezone)
    except (OSError, ValueError, LookupError) as error:  # by what the name looks like
        raise ValueError(unknown_zone(timezone)) from error


def unknown_zone(timezone: str) -> str:
    import difflib
    from zoneinfo import available_timezones

    known = available_timezones()
    if not known:
        return (
            f"there is no time zone {timezone!r}: this computer has none at all. "
            f"pip install tzdata"
        )
    like = difflib.get_close_matches(timezone, known, 1, 0.5)
    hint = f"Do you mean {like[0]!r}?" if like else "It is a name as 'Europe/Berlin'."
    return f"there is no time zone {timezone!r}. {hint}"
