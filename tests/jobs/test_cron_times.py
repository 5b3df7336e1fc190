"""When a schedule is due, on all kinds of days, against a plain search of minutes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cotality.jobs._jobs.schedules.crontab import crontab
from cotality.jobs._jobs.schedules.due_times import DueTimes
from cotality.jobs._jobs.schedules.schedule import checked_schedule

pytest.importorskip("cronsim", reason="the extra of jobs is not installed")

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)
AUTUMN, SPRING = date(2026, 10, 25), date(2027, 3, 28)  # in Berlin


def times(
    when: str | crontab | float | timedelta, timezone: str = "Europe/Berlin"
) -> DueTimes:
    return checked_schedule("a", when, timezone=timezone).times


def due_on(day: date, when: str | crontab) -> list[str]:
    """At which times of the clock in Berlin *when* is due on *day*, with the offset."""
    begin = datetime.combine(day, time(), BERLIN).astimezone(UTC)
    found = []
    for due in times(when).after(begin - MINUTE / 60):
        local = due.astimezone(BERLIN)
        if local.date() > day:
            return found
        found.append(f"{local:%H:%M%z}")
    return found


def test_a_time_that_comes_twice_is_due_once() -> None:
    """On the day in autumn that has 25 hours, and it is the first of the two."""
    assert due_on(AUTUMN, "30 2 * * *") == ["02:30+0200"]
    assert due_on(AUTUMN, crontab(hour=2, minute=0)) == ["02:00+0200"]


def test_a_time_that_never_comes_is_due_once() -> None:
    """On the day in spring that has 23 hours: at the first minute that there is."""
    assert due_on(SPRING, "30 2 * * *") == ["03:00+0200"]
    assert due_on(SPRING, crontab(hour=2, minute=0)) == ["03:00+0200"]
    assert due_on(SPRING, "0,30 2,3 * * *") == ["03:00+0200", "03:30+0200"]


def test_a_line_with_a_star_goes_by_the_time_that_passes() -> None:
    """So every hour is every hour, 25 or 23 times a day."""
    assert len(due_on(AUTUMN, "0 * * * *")) == 25
    assert len(due_on(SPRING, "0 * * * *")) == 23
    assert len(due_on(AUTUMN, "*/10 * * * *")) == 25 * 6


def test_asked_in_the_second_of_two_like_hours_it_looks_forward() -> None:
    """What was due in the first one has passed."""
    second = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1).astimezone(UTC)

    assert next(times("30 2 * * *").after(second)) > second + timedelta(hours=23)


# A plain search: what each minute of some days is called in the zone.


def searched(
    minutes: set[int], hours: set[int], is_plain: bool, zone: ZoneInfo, begin: datetime
) -> list[datetime]:
    """When *minutes* of *hours* are due in the three days after *begin*.

    Args:
        is_plain: Go by the time that passes, as lines with a star do.
    """
    all_minutes = [begin + MINUTE * n for n in range(-1440, 3 * 1440)]
    called = [
        (each, each.astimezone(zone).replace(tzinfo=None)) for each in all_minutes
    ]
    if is_plain:
        found = {m for m, c in called if c.minute in minutes and c.hour in hours}
    else:
        found = set()
        for day in {c.date() for _, c in called[1440:]} | {called[1300][1].date()}:
            for wanted in (
                datetime.combine(day, time(h, m)) for h in hours for m in minutes
            ):
                same = [m for m, c in called if c == wanted]
                later = [m for m, c in called if c > wanted]
                is_there = called[0][1] < wanted <= called[-1][1]
                if is_there and (same or later):
                    found.add(min(same or later))
    return sorted(each for each in found if each > begin)


@given(
    minutes=st.sets(st.sampled_from([0, 1, 15, 30, 45, 59]), min_size=1, max_size=2),
    hours=st.sets(st.sampled_from([0, 1, 2, 3, 12, 23]), min_size=1, max_size=2),
    stars=st.sampled_from(["", "minute", "hour"]),
    zone=st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
    ),
    begin=st.sampled_from(
        [AUTUMN, SPRING, date(2026, 11, 1), date(2026, 4, 5), date(2026, 10, 4)]
    ),
    shift=st.integers(-36 * 60, 36 * 60),
)
@example({30}, {2}, "", "Europe/Berlin", AUTUMN, 70)
@example({0}, {0}, "minute", "Australia/Lord_Howe", date(2026, 10, 4), -1201)
def test_it_is_what_a_plain_search_finds(
    minutes: set[int],
    hours: set[int],
    stars: str,
    zone: str,
    begin: date,
    shift: int,
) -> None:
    """Around the days of all kinds of zones, from any minute on, and backwards too."""
    minutes = set(range(60)) if stars == "minute" else minutes
    hours = set(range(24)) if stars == "hour" else hours
    line = crontab(
        minute="*" if stars == "minute" else minutes,
        hour="*" if stars == "hour" else hours,
    )
    start = datetime.combine(begin, time(12), UTC) + shift * MINUTE
    end = start + timedelta(days=2)
    wanted = searched(minutes, hours, bool(stars), ZoneInfo(zone), start)
    wanted = [each for each in wanted if each <= end]

    due = times(line, zone)

    assert list(islice(due.after(start), len(wanted))) == wanted
    assert due.latest(start, end) == (wanted[-1] if wanted else None)


@given(
    period=st.integers(1, 10**6),
    begin=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    length=st.integers(0, 10**6),
)
def test_every_so_many_seconds_is_reckoned_alike_by_all(
    period: int, begin: datetime, length: int
) -> None:
    """Whenever one begins to look: they are the multiples of the period."""
    begin = begin.replace(tzinfo=UTC)
    until = begin + timedelta(seconds=length)
    every = times(period)

    first = next(every.after(begin))
    latest = every.latest(begin, until)

    assert begin < first <= begin + timedelta(seconds=period)
    assert first.timestamp() % period == 0
    assert latest is None or latest.timestamp() % period == 0
    assert (latest is None) == (first > until)
    assert latest is None or until - latest < timedelta(seconds=period)


def test_what_the_document_writes() -> None:
    """Three schedules of it, in the words it has for them."""
    monday = datetime(2026, 11, 30, tzinfo=UTC)

    def first(when: str | crontab | float) -> datetime:
        return next(times(when, "UTC").after(monday))

    assert first(crontab(hour=2, minute=0)) == monday + timedelta(hours=2)
    nine = crontab(hour=9, minute=0, day_of_week=1)
    assert first(nine) == first("0 9 * * mon") == monday + timedelta(hours=9)
    assert first(300.0) == monday + timedelta(minutes=5)


def test_days_of_both_kinds() -> None:
    """A cron line takes either, a `crontab` what is both, as Celery has it."""
    begin = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday
    both = crontab(minute=0, hour=0, day_of_week="monday", day_of_month=[1, 2, 3])

    assert next(times(both, "UTC").after(begin)) == datetime(2027, 2, 1, tzinfo=UTC)
    either = next(times("0 0 1-3 * mon", "UTC").after(begin))
    assert either == begin + timedelta(days=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"when": "0 9 * *"}, "five fields, minute hour .* got 4 in '0 9"),
        ({"when": "0 0 9 * * mon"}, "got six in .* use every="),
        ({"when": "61 9 * * mon"}, "bad minute in the schedule '61"),
        ({"when": "0 9 * * someday"}, "bad day-of-week"),
        ({"when": "0 9 30 2 *"}, "bad day-of-month"),
        ({"when": crontab(minute="x")}, "bad minute"),
        (
            {"when": crontab(day_of_month=30, month_of_year=2, day_of_week=1)},
            "is never due",
        ),
        ({"when": "0 9 * * *", "timezone": "Europe/Berlln"}, "mean 'Europe/Berlin'"),
        ({"when": "0 9 * * *", "timezone": "../etc/passwd"}, "no time zone"),
        ({"when": "0 9 * * *", "timezone": ""}, "no time zone"),
        ({"when": "0 9 * * *", "missed": "all"}, "'skip' or 'once', got 'all'"),
        ({"every": 0.5}, "at least 1 second"),
        ({"every": float("nan")}, "number of seconds, got nan"),
        ({"every": float("inf")}, "number of seconds, got inf"),
        ({"every": -300}, "at least 1 second"),
        ({"name": "", "every": 300}, "printable"),
        ({"name": "a\nb", "every": 300}, "printable"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_defined(
    arguments: dict[str, object], said: str
) -> None:
    """With the value and the way out."""
    with pytest.raises(ValueError, match=said):
        checked_schedule(**{"name": "a", **arguments})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "needs either when=.* or every="),
        ({"when": "0 9 * * *", "every": 300}, "needs either"),
        ({"when": object()}, "every must be a number of seconds or a timedelta"),
        ({"every": True}, "every must be a number"),
        ({"name": 3, "every": 300}, "must be a text, got 3"),
        ({"every": 300, "timezone": 2}, "must be a name such as"),
    ],
)
def test_what_is_of_the_wrong_type(arguments: dict[str, object], said: str) -> None:
    """Likewise."""
    with pytest.raises(TypeError, match=said):
        checked_schedule(**{"name": "a", **arguments})


@pytest.mark.parametrize("value", [None, 2.5, [], [1.5], ["a"], True])
def test_a_field_is_a_number_or_several_or_a_text(value: object) -> None:
    """Nothing else is taken for something that is due at other times."""
    with pytest.raises(TypeError, match="hour must be a number"):
        crontab(hour=value)  # type: ignore[arg-type]
