"""How long jobs wait and run, counted by the names of their functions."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotality.jobs import Histogram
from cotality.jobs._jobs.cli import command_line
from cotality.jobs._jobs.running.timing import Timing
from cotality.jobs._jobs.stats.histogram import BOUNDS, place_of
from cotality.jobs._jobs.store import times
from cotality.jobs._jobs.store.times import KEPT_S, MOST_NAMES, OTHERS, Place, Sum
from cotality.jobs.health import prometheus_text
from tests.jobs.shop import Shop
from tests.jobs.workers import WorkerProgram
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(f"sqlite:///{tmp_path}/jobs.db")
    made.jobs.prepare()
    yield made
    made.jobs.close()


def counted(durations: list[float]) -> Histogram:
    counts = [0] * (len(BOUNDS) + 1)
    for each in durations:
        counts[place_of(each)] += 1
    return Histogram(tuple(counts), math.fsum(durations))


@given(
    st.lists(st.floats(0, 10_000), min_size=1), st.sampled_from([0.0, 0.5, 0.95, 1.0])
)
def test_a_quantile_is_between_the_bounds_of_the_true_one(
    durations: list[float], part: float
) -> None:
    """So it is as exact as they are close."""
    made = counted(durations)
    rank = max(1, math.ceil(part * len(durations)))
    true = sorted(durations)[rank - 1]
    place = place_of(true)
    found = made.quantile(part)

    assert made.count == len(durations)
    assert made.mean == pytest.approx(math.fsum(durations) / len(durations))
    assert found is not None
    if part > 0:
        assert (BOUNDS[place - 1] if place else 0.0) <= found + 1e-9
        assert found <= BOUNDS[min(place, len(BOUNDS) - 1)] + 1e-9


def test_there_is_no_quantile_of_nothing() -> None:
    """Nor one beyond all."""
    assert Histogram().quantile(0.5) is None
    assert Histogram().mean is None
    with pytest.raises(ValueError, match="part must be from 0 to 1, got 95"):
        Histogram().quantile(95)


def test_what_is_on_a_bound_is_no_longer_than_it() -> None:
    """As Prometheus counts."""
    assert [place_of(each) for each in (0.0, 0.005, 0.0051, 7200.0, 7201.0)] == [
        *(0, 0, 1),
        len(BOUNDS) - 1,
        len(BOUNDS),
    ]


def test_workers_add_to_what_is_there(shop: Shop) -> None:
    """And to no more names than the store knows; all others are one."""
    database = shop.jobs.base.database
    with database.writing() as connection:
        for number in range(MOST_NAMES + 20):
            place = Place(f"job {number}", "run", place_of(0.2))
            times.add(connection, {place: Sum(2, 0.4)}, 1000.0)
        for _ in range(3):
            place = Place("job 7", "run", place_of(3))
            times.add(connection, {place: Sum(1, 3.0)}, 1000.0)
    found = {each.name: each for each in shop.jobs.times()}

    assert len(found) == MOST_NAMES + 1
    assert found[OTHERS].run.count == 40
    assert (found["job 7"].run.count, found["job 7"].run.seconds) == (5, 9.4)
    assert found["job 7"].wait.count == 0


def test_names_that_nobody_runs_are_forgotten(shop: Shop) -> None:
    """After a month, so that there is room for others."""
    database = shop.jobs.base.database
    with database.writing() as connection:
        now = database.now(connection)
        for name, age in (("old", KEPT_S + 1), ("new", 0.0)):
            for bucket, seen in ((1, now - age), (2, now - KEPT_S - 1)):
                times.add(connection, {Place(name, "run", bucket): Sum(1, 1.0)}, seen)
    shop.jobs.sweep()
    assert {each.name: each.run.count for each in shop.jobs.times()} == {"new": 2}


def test_what_could_not_be_written_is_not_lost() -> None:
    """It is counted on top."""
    timing = Timing()
    timing.note("a", "run", 0.2)
    taken = timing.taken()
    timing.note("a", "run", 0.25)
    timing.put_back(taken)
    (found,) = timing.taken().values()
    assert found == Sum(2, pytest.approx(0.45))
    assert timing.taken() == {}


def test_a_worker_tells_how_long_jobs_took(
    shop: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every run, the last ones when it ends; in each form in which people ask."""
    with WorkerProgram(shop.jobs.url, tmp_path) as worker:
        handles = [shop.work.enqueue_sync(0.3, number) for number in range(3)]
        failing = shop.fail.enqueue_sync("on purpose")
        for handle in handles:
            handle.result_sync(LONG_S)
        wait_until(lambda: failing.status_sync().is_over)
        worker.stop()
    found = {each.name: each for each in shop.jobs.times()}
    work = found["tests.jobs.shop.work"]

    assert (work.run.count, work.wait.count) == (3, 3)
    assert work.run.seconds >= 0.9
    assert (work.run.quantile(0.0) or 0.0) >= 0.25
    assert found["tests.jobs.shop.fail"].run.count == 1

    monkeypatch.setattr(command_line, "jobs_named", {"it": shop.jobs}.__getitem__)
    command_line.main(["stats", "it", "--json"])
    jobs = json.loads(capsys.readouterr().out)["jobs"]
    assert [each["run"]["count"] for each in jobs] == [1, 3]
    assert jobs[1]["run"]["no_longer"]["0.25"] == 0
    command_line.main(["stats", "it"])
    assert re.search(r"tests.jobs.shop.work +3 +", capsys.readouterr().out)

    text = prometheus_text(shop.jobs.stats(), shop.jobs.times())
    job = 'job="tests.jobs.shop.work"'
    assert f'cotality_job_run_seconds_bucket{{{job},le="0.25"}} 0\n' in text
    assert f'cotality_job_run_seconds_bucket{{{job},le="+Inf"}} 3\n' in text
    assert f"cotality_job_run_seconds_count{{{job}}} 3\n" in text
    assert text.count("# TYPE cotality_job_wait_seconds histogram\n") == 1
