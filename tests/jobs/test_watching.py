"""One of the workers looks whether the queues are well, and tells it once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cotality.jobs import Jobs
from cotality.jobs._jobs.health.alert_file import OwnMemory
from cotality.jobs._jobs.health.note import go_on_from, note_of
from cotality.jobs._jobs.health.watch import HealthWatch
from cotality.jobs._jobs.store import leases, workers
from cotality.jobs._jobs.store.workers import WorkerRow
from cotality.jobs._jobs.working.watching import Watching
from cotality.jobs.health import Alert, AlertRules
from tests.jobs.shop import work
from tests.jobs.watched import made
from tests.jobs.workers import WorkerProgram, notes_in
from tests.kit.helpers import wait_until

pytest.importorskip("sqlalchemy")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with made(f"sqlite:///{tmp_path}/jobs.db") as jobs:
        jobs.prepare()
        yield jobs


def pid_and_text(line: str) -> tuple[int, str]:
    _, pid, text = line.split(" ", 2)
    return int(pid), text


@pytest.mark.one_python
def test_an_alert_is_told_once_by_one_worker(jobs: Jobs, tmp_path: Path) -> None:
    """And its end by another one, when that one was killed meanwhile."""
    unserved = jobs.job(name="other", queue="unserved")(work)
    handles = unserved.enqueue_many_sync((0.0, number) for number in range(3))
    variables = {"FOLDER_OF_TESTS": f"{tmp_path}"}
    programs = [
        WorkerProgram(
            jobs.url,
            tmp_path,
            *("--queue", "served"),
            target="tests.jobs.watched:jobs",
            variables=variables,
        )
        for _ in range(3)
    ]
    with programs[0], programs[1], programs[2]:
        wait_until(lambda: bool(notes_in(tmp_path)))
        pid, text = pid_and_text(notes_in(tmp_path)[0])
        assert text == "queue 'unserved': 3 jobs wait; the limit is 2"
        (teller,) = [each for each in programs if each.pid == pid]
        assert "an alert could not be told: ConnectionError" in teller.output

        teller.kill()
        for handle in handles:
            handle.cancel_sync()
        wait_until(lambda: len(notes_in(tmp_path)) > 1)
        pid, text = pid_and_text(notes_in(tmp_path)[1])
        assert text == "queue 'unserved' is well again: depth"
        assert pid in [each.pid for each in programs if each.is_alive]
        assert len(notes_in(tmp_path)) == 2


def row(name: str, now: float) -> WorkerRow:
    return WorkerRow(name, name, "here", 1, {}, "", now, now)


def test_a_lease_is_of_one_worker(jobs: Jobs) -> None:
    """Until it is over, or its worker is no more; its note goes to the next one."""
    with jobs.base.database.writing() as connection:
        for name in ("a", "b"):
            workers.join(connection, row(name, 0))
        assert leases.take(connection, "x", "a", 100, 10) == ""
        assert leases.take(connection, "x", "b", 109, 10) is None
        assert leases.take(connection, "y", "b", 109, 10) == ""
        assert leases.leave_note(connection, "x", "a", "of a")
        assert not leases.leave_note(connection, "x", "b", "of b")
        assert leases.take(connection, "x", "a", 109, 10) == "of a"
        assert leases.take(connection, "x", "b", 120, 10) == "of a"
        assert leases.take(connection, "x", "a", 121, 10) is None
        workers.leave(connection, "b")
        assert leases.take(connection, "x", "a", 121, 10) == "of a"


def test_who_is_killed_while_it_tells_is_followed(jobs: Jobs) -> None:
    """An alert that is not noted as told is told by the next one: not never."""
    told: list[str] = []
    jobs.job(name="other", queue="q")(work).enqueue_many_sync(
        (0.0, number) for number in range(3)
    )

    class Killed(BaseException):
        """As if by SIGKILL: nothing after it is done."""

    def tell(alert: Alert) -> None:
        told.append(alert.text)
        if len(told) == 1:
            raise Killed

    jobs.watched = None
    jobs.watch(AlertRules(depth=2, oldest_s=None), tell=[tell])
    watched = jobs.watched
    assert watched is not None
    looking = []
    for name in ("first", "next"):
        each = Watching(jobs, name)
        each.memory = OwnMemory()
        each.watch = HealthWatch(
            watched.rules, tell=watched.tell, memory=each.memory, now=lambda: 0.0
        )
        looking.append(each)
    with pytest.raises(Killed):
        looking[0].look(watched)
    for _ in range(3):
        looking[1].look(watched)
    assert told == ["queue 'q': 3 jobs wait; the limit is 2"] * 2


def test_what_was_seen_goes_on_with_the_next_one() -> None:
    """Dead letters within ten minutes, and since when nobody serves a queue."""
    clock = [0.0]

    class Figures:
        queue, queued, delayed, running, retrying = "q", 1, 0, 0, 0
        oldest_s, done_per_minute, workers, slots = None, 0.0, 0, 0
        dead = 0

    def looker(note: str) -> tuple[HealthWatch, OwnMemory]:
        memory = OwnMemory()
        rules = AlertRules(dead=5, no_worker_s=60)
        watch = HealthWatch(rules, memory=memory, now=lambda: clock[0])
        go_on_from(note, watch, memory)
        return watch, memory

    note, told = "", []
    for at, dead in ((0, 0), (30, 3), (59, 3), (61, 6), (90, 6)):
        clock[0], figures = float(at), Figures()
        figures.dead = dead
        watch, memory = looker(note)  # each time another worker
        told += [(at, each.kind) for each in watch.look([figures])]
        note = note_of(watch, memory)
    assert told == [(61, "dead"), (61, "no worker")]


def test_what_is_watched_is_checked_at_once(tmp_path: Path) -> None:
    """With the value that is wrong."""
    jobs = Jobs(f"sqlite:///{tmp_path}/jobs.db")
    with pytest.raises(ValueError, match=r"at least 1 second, got 0\.5"):
        jobs.watch(every=0.5)
    with pytest.raises(TypeError, match="rules must be AlertRules, got 10000"):
        jobs.watch(10_000)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"given an Alert, got 'ops@"):
        jobs.watch(tell=["ops@example.org"])  # type: ignore[list-item]
    jobs.watch()
    with pytest.raises(ValueError, match="watch was called before"):
        jobs.watch()
