"""Schedules of a `Jobs`: each due time is a job in its store, once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cotality.jobs import Jobs, JobStatus, NotStorableError, crontab
from cotality.jobs._jobs.api.scheduled import Ticks
from cotality.jobs._jobs.schedules.loop import ScheduleLoop
from cotality.jobs._jobs.store import ticks
from tests.kit.limits import LONG_S
from tests.kit.postgres import postgres

pytest.importorskip("sqlalchemy", reason="the extra of jobs is not installed")
pytest.importorskip("cronsim", reason="the extra of jobs is not installed")

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def greet(name: str = "you") -> str:
    return f"hello {name}"


def never(seconds: float) -> bool:
    raise AssertionError("nobody runs this loop but the test")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with Jobs(f"sqlite:///{tmp_path / 'jobs.db'}") as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.one_python)]
)
def any_jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jobs]:
    """In a store of either kind."""
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("server")
    with Jobs(url) as made:
        yield made


def test_three_workers_make_one_job_of_a_tick(any_jobs: Jobs) -> None:
    """Each with its own connections; the job has the arguments of the schedule."""
    clock = [NOON]
    together = threading.Barrier(
        3, lambda: clock.append(clock[-1] + timedelta(seconds=5))
    )
    failures = list[BaseException]()

    def work() -> None:
        try:
            with Jobs(any_jobs.url) as mine:
                mine.schedule("a", 20, mine.job(greet), args=["Ada"])
                loop = loop_of(mine, lambda: clock[-1])
                for _ in range(13):
                    loop.turn()
                    together.wait(LONG_S)
        except BaseException as error:
            failures.append(error)
            raise

    any_jobs.prepare()
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    found = sorted(any_jobs.list(), key=lambda info: info.id)
    assert [info.id for info in found] == [
        f"a@2026-11-30T12:{when}Z" for when in ("00:20", "00:40", "01:00")
    ]
    assert {info.status for info in found} == {JobStatus.QUEUED}
    assert all("Ada" in json.dumps(json.loads(info.arguments)) for info in found)


def loop_of(jobs: Jobs, now: Any) -> ScheduleLoop:
    schedules = [each.schedule for each in jobs.scheduled.values()]
    return ScheduleLoop(
        schedules, Ticks(jobs.base, jobs.scheduled), now=now, wait=never
    )


def test_one_run_for_what_was_missed(jobs: Jobs) -> None:
    """The store remembers what was handled, whichever worker comes back."""
    jobs.schedule("once", "30 * * * *", jobs.job(greet), missed="once")
    jobs.schedule("skip", "30 * * * *", jobs.job(greet), missed="skip")
    jobs.prepare()
    loop_of(jobs, lambda: NOON).turn()
    assert jobs.list() == []

    for _ in range(2):
        loop_of(jobs, lambda: NOON + timedelta(hours=5)).turn()

    assert [info.id for info in jobs.list()] == ["once@2026-11-30T16:30:00Z"]


def test_neither_the_job_nor_the_time_without_the_other(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the job cannot be written, the tick is not handled, and comes again."""
    jobs.schedule("a", 60, jobs.job(greet))
    jobs.prepare()
    loop = loop_of(jobs, lambda: NOON + timedelta(seconds=60))
    ticks_of = Ticks(jobs.base, jobs.scheduled)
    ticks_of.set_last_tick("a", NOON, expected=None)

    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError("no space left on device")

        patch.setattr("cotality.jobs._jobs.api.putting.moves.add", full)
        loop.turn()
        assert ticks_of.last_tick("a") == NOON
    loop.turn()

    assert [info.id for info in jobs.list()] == ["a@2026-11-30T12:01:00Z"]


def test_what_is_stored_moves_forward(jobs: Jobs) -> None:
    """By whatever microseconds, and only if nobody else has moved it."""
    jobs.prepare()
    later = NOON + timedelta(microseconds=1)
    with jobs.base.database.writing() as connection:
        assert ticks.last_tick(connection, "one") is None
        assert not ticks.set_last_tick(connection, "one", NOON, expected=NOON)
        assert ticks.set_last_tick(connection, "one", NOON, expected=None)
        assert not ticks.set_last_tick(connection, "one", later, expected=None)
        assert ticks.set_last_tick(connection, "one", later, expected=NOON)
        assert not ticks.advance(connection, "one", NOON)
        assert not ticks.advance(connection, "one", later)
        assert ticks.advance(connection, "one", later + timedelta(seconds=1))
        assert ticks.advance(connection, "two", NOON)
        assert ticks.last_tick(connection, "two") == NOON


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"when": "0 9 * * mon"}, TypeError, "needs a job, .* got None"),
        ({"when": "0 9 * * mon", "job": greet}, TypeError, "marked with @jobs.job"),
        ({"when": "0 9 * *"}, ValueError, "five fields"),
        ({"every": 60, "args": "Ada"}, TypeError, "args must be a tuple"),
        ({"every": 60, "args": ["Ada", 2]}, TypeError, "argument"),
        ({"every": 60, "args": [threading.Lock()]}, NotStorableError, "lock"),
        ({"every": 60, "timezone": "Mars/Base"}, ValueError, "no time zone"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_defined(
    jobs: Jobs, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    """Not by a worker, at two at night."""
    job = jobs.job(greet)
    if "job" not in given and "got None" not in said:
        given = {**given, "job": job}

    with pytest.raises(error, match=said):
        jobs.schedule("a", **given)


def test_a_name_is_given_once(jobs: Jobs) -> None:
    """To one job; a module that is loaded again may say it again."""
    job = jobs.job(greet)
    jobs.schedule("a", crontab(hour=2, minute=0), job)
    jobs.schedule("a", crontab(hour=3, minute=0), job)
    assert jobs.scheduled["a"].schedule.text == "0 3 * * * (UTC)"

    with pytest.raises(
        ValueError, match=r"there is a schedule 'a' already, of the job"
    ):
        jobs.schedule("a", every=60, job=jobs.job(name="other")(greet))
