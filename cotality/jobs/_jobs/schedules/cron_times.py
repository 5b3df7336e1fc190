"""Cron lines in a time zone, on days that have 23 or 25 hours as well.

`cronsim` knows which times of a calendar a line names. What they are in a zone is
reckoned here, by the rules of the cron of Debian:

* A line that names its minutes and hours, such as ``30 2 * * *``, is due once on either
  day: where the clock passes over its time, at the first minute there is; where that
  time comes twice, the first time.
* A line with a star in one of the two is due by the time that passes, as
  ``*/10 * * * *`` has to be: not where the clock passes over its time, and twice where
  that comes twice.

cronsim has these rules as well, for clocks that change by whole hours: on Lord Howe
Island, where they change by half of one, it is half an hour late afterwards.
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
MINUTE = timedelta(minutes=1)


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

    @property
    def goes_by_what_passes(self) -> bool:
        """Whether a time that comes twice is due twice."""
        minute, hour, *_ = self.line.split()
        return minute.startswith("*") or hour.startswith("*")

    def after(self, moment: datetime) -> Iterator[datetime]:
        last = moment
        for each in self.moments(moment):
            if each > last:
                yield each
                last = each

    def moments(self, begin: datetime) -> Iterator[datetime]:
        """All moments after *begin* at which it is due, perhaps some before."""
        twice: list[datetime] = []  # those of an hour that comes twice
        for named in self.named(begin.astimezone(self.zone)):
            found = moments_of(named, self.zone)
            if not found and not self.goes_by_what_passes:
                found = [next_there_is(named, self.zone)]
            if len(found) == 2 and self.goes_by_what_passes:
                twice += found
                continue
            yield from sorted(twice)
            twice = []
            yield from found[:1]
        yield from sorted(twice)

    def named(self, begin: datetime) -> Iterator[datetime]:
        """The times of a calendar, whatever the clocks do, that come after *begin*."""
        from cronsim import CronSim

        first, second = (offset_of(begin.replace(fold=fold)) for fold in (0, 1))
        # In the first of two like hours what the calendar has before comes once more.
        again = max(first - second, timedelta()) if begin.fold == 0 else timedelta()
        calendar = begin.replace(tzinfo=None, fold=0) - again - MINUTE
        found = CronSim(self.line, calendar)
        found.day_and = found.day_and or self.both_days
        return found

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


def moments_of(named: datetime, zone: tzinfo) -> list[datetime]:
    """When it is *named* in *zone*: never, once or twice."""
    both = [named.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return sorted(
        {each for each in both if each.astimezone(zone).replace(tzinfo=None) == named}
    )


def next_there_is(named: datetime, zone: tzinfo) -> datetime:
    """The first moment after the clock of *zone* has passed over *named*."""
    # By PEP 495, fold=1 reads it with the later of both offsets: before the change.
    before, after = (
        named.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0)
    )
    old = offset_of(before.astimezone(zone))
    while after - before > MINUTE:
        middle = before + (after - before) // MINUTE // 2 * MINUTE
        if offset_of(middle.astimezone(zone)) == old:
            before = middle
        else:
            after = middle
    return after


def offset_of(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


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
    try:
        from cronsim import CronSimError
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the schedule {when!r} is read with the package cronsim: pip install "
            f"'cotality[jobs]'",
            name=error.name,
        ) from error

    try:
        first = next(times.after(datetime(2026, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        wrong = str(error).removeprefix("Bad ")
        raise ValueError(
            f"bad {wrong} in the schedule {when!r}. The fields are {FIELDS}: {EXAMPLE}"
        ) from error
    if first is None:
        raise ValueError(f"the schedule {when!r} is never due: no year has such a day")
