"""Cron lines in a time zone, on days that have 23 or 25 hours as well.

The rules are those of the cron of Debian, which `cronsim` knows:

* A line that names its minutes and hours, such as ``30 2 * * *``, is due once on either
  day: where the clock passes over its time, at the first minute there is; where that
  time comes twice, the first time.
* A line with a star in one of the two is due by the time that passes, as
  ``*/10 * * * *`` has to be.

What cronsim gives is looked at again here. Asked for what comes after a moment in the
second of two like hours it gives one in the first, which has passed; and it gives one
moment for each of several times that the clock has passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cotality.jobs._jobs.schedules.crontab import crontab, with_short_names

FIELDS = "minute hour day-of-month month day-of-week"
EXAMPLE = "'0 9 * * mon' is Mondays at nine"
# Due times between two moments are looked for from the later one backwards, in steps
# that grow: most lines are due within the first.
FIRST_STEP = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class CronTimes:
    """When *line* is due in *zone*.

    Args:
        both_days: Days have to be of the month and of the week that the line names;
            else either is enough, as cron has it.
    """

    line: str
    zone: tzinfo
    both_days: bool = False

    def after(self, moment: datetime) -> Iterator[datetime]:
        from cronsim import CronSim

        found = CronSim(self.line, moment.astimezone(self.zone))
        found.day_and = found.day_and or self.both_days
        last = moment
        for each in found:
            due = each.astimezone(UTC)
            if due > last:
                yield due
                last = due

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        step = FIRST_STEP
        begin = until
        while begin > after:
            begin = max(after, until - step)
            latest = None
            for due in self.after(begin):
                if due > until:
                    break
                latest = due
            if latest is not None:
                return latest
            step *= 4
        return None


def checked_cron(when: str | crontab, zone: tzinfo) -> CronTimes:
    """What *when* means in *zone*.

    Raises:
        ValueError: It is no cron line of five fields, or is never due.
    """
    if isinstance(when, crontab):
        times = CronTimes(when.line, zone, both_days=True)
    else:
        times = CronTimes(checked_line(when), zone)
    check_times(times, when)
    return times


def checked_line(when: str) -> str:
    fields = when.split()
    if len(fields) == 6:
        # The rules above hold for whole minutes; with seconds cronsim has others, and
        # would fire twice where an hour comes twice.
        raise ValueError(
            f"a schedule has five fields, {FIELDS}, got six in {when!r}. For less than "
            f"a minute use every=, in seconds."
        )
    if len(fields) != 5:
        raise ValueError(
            f"a schedule has five fields, {FIELDS}, got {len(fields)} in {when!r}: "
            f"{EXAMPLE}"
        )
    return " ".join(map(with_short_names, fields))


def check_times(times: CronTimes, when: object) -> None:
    from cronsim import CronSimError

    try:
        first = next(times.after(datetime(2026, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        wrong = str(error).removeprefix("Bad ")
        raise ValueError(
            f"bad {wrong} in the schedule {when!r}. The fields are {FIELDS}: {EXAMPLE}"
        ) from error
    if first is None:
        raise ValueError(f"the schedule {when!r} is never due: no year has such a day")
