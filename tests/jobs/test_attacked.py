"""What an engineer who had not seen jobs before has done to them."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cotality.jobs import JobFailedError, JobStatus
from cotality.jobs._jobs.engines.choosing import EngineName
from tests.jobs.attacked import Attacked
from tests.jobs.engines import OURS, broker_for
from tests.jobs.workers import WorkerProgram, times_in
from tests.kit.helpers import Marks, wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy")
pytestmark = pytest.mark.one_python


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = getattr(request, "param", "tables")
    return name


# For tests of what an engine has a part in.
engines = pytest.mark.parametrize("engine", OURS, indirect=True)


@pytest.fixture
def shop(url: str, engine: EngineName) -> Iterator[Attacked]:
    made = Attacked(url, engine, broker_for(engine))
    yield made
    made.jobs.close()


def worker(shop: Attacked, folder: Path, *options: str) -> WorkerProgram:
    return WorkerProgram(
        shop.jobs.url,
        folder,
        *options,
        target="tests.jobs.attacked:jobs",
        engine=shop.engine,
        broker=shop.broker,
    )


# One id, two jobs.


@engines
def test_a_new_job_of_an_old_id_gets_its_own_result(
    shop: Attacked, tmp_path: Path, marks: Marks
) -> None:
    """Though a body of the job that was purged runs on, and ends first."""
    job = shop.held.using(job_id="evt_1")
    with worker(shop, tmp_path):
        job.enqueue_sync(f"{marks.folder}", "A")
        marks.wait_for(1)
        assert shop.jobs.cancel("evt_1")
        assert shop.jobs.purge(["evt_1"]) == 1
        handle = job.enqueue_sync(f"{marks.folder}", "B")
        marks.wait_for(2)
        (marks.folder / "A.gate").touch()
        time.sleep(0.5)  # in which the first has ended, and says so
        assert handle.status_sync() is JobStatus.RUNNING
        (marks.folder / "B.gate").touch()

        assert handle.result_sync(LONG_S) == "result of B"
        assert [each.outcome for each in handle.attempts_sync()] == ["succeeded"]


@engines
def test_a_job_that_is_cancelled_and_requeued_at_once(
    shop: Attacked, tmp_path: Path
) -> None:
    """Its first process is killed, the second can be cancelled, and the worker ends."""
    with worker(shop, tmp_path, "--grace", "1") as program:
        handle = shop.first_spins.enqueue_sync(f"{tmp_path}")
        wait_until(lambda: len(pids_in(tmp_path)) == 1)
        assert handle.cancel_sync()
        assert shop.jobs.requeue(handle.id)
        wait_until(lambda: len(pids_in(tmp_path)) == 2)
        first, second = pids_in(tmp_path)
        wait_until(lambda: not psutil.pid_exists(first))
        assert psutil.pid_exists(second)

        assert handle.cancel_sync()
        wait_until(lambda: not psutil.pid_exists(second))
        program.stop()


def pids_in(folder: Path) -> list[int]:
    file = folder / "pids"
    return (
        [int(line) for line in file.read_text().splitlines()] if file.exists() else []
    )


# Event loops.


def test_a_task_that_exits_ends_its_job_alone(shop: Attacked, tmp_path: Path) -> None:
    """The event loop of the worker goes on."""
    with worker(shop, tmp_path):
        for _ in range(2):
            with pytest.raises(JobFailedError, match="SystemExit"):
                shop.exits.enqueue_sync().result_sync(LONG_S)
            assert shop.answers.enqueue_sync().result_sync(LONG_S) == 1


def test_a_body_that_is_cancelled_by_itself_has_failed(
    shop: Attacked, tmp_path: Path
) -> None:
    """As often as it may be tried, and not for ever."""
    with worker(shop, tmp_path):
        handle = shop.awaits.enqueue_sync(f"{tmp_path}")
        with pytest.raises(JobFailedError, match="something that was cancelled"):
            handle.result_sync(LONG_S)
    assert len(times_in(tmp_path)) == 3


def test_a_body_that_blocks_the_loop_does_not_hold_the_worker(
    shop: Attacked, tmp_path: Path, marks: Marks
) -> None:
    """It has its grace, and its job goes back."""
    with worker(shop, tmp_path, "--grace", "0.5") as program:
        handle = shop.blocks.enqueue_sync(f"{marks.folder}")
        marks.wait_for(1)
        began = time.monotonic()
        program.stop()
        assert time.monotonic() - began < LONG_S / 2
    assert handle.status_sync() is JobStatus.QUEUED


# Places.


@engines
def test_a_worker_takes_what_it_has_a_place_for(shop: Attacked, tmp_path: Path) -> None:
    """Jobs of another queue do not wait for its processes; an idle worker has them."""
    with worker(shop, tmp_path, "--slots", "2"):
        slow = [shop.slow.enqueue_sync(f"{tmp_path}", 60.0) for _ in range(2)]
        wait_until(lambda: len(times_in(tmp_path)) == 2)
        quick = [shop.quick.enqueue_sync(f"{tmp_path}", 0.0) for _ in range(4)]
        on_thread = shop.on_thread.enqueue_sync(f"{tmp_path}", 0.0)
        on_thread.result_sync(LONG_S)
        time.sleep(0.3)  # in which it could have taken them
        with sqlite3.connect(tmp_path / "jobs.db") as database:
            (held,) = database.execute(
                "SELECT COUNT(*) FROM cotality_tickets "
                "WHERE worker IS NOT NULL AND queue = 'quick'"
            ).fetchone()
        database.close()
        assert held == 0
        with worker(shop, tmp_path, "--slots", "2"):
            for handle in quick:
                handle.result_sync(LONG_S)
        for handle in slow:
            assert handle.cancel_sync()


@engines
def test_a_rate_counts_bodies(shop: Attacked, tmp_path: Path) -> None:
    """Not the moment at which a worker took what it had no place for."""
    with worker(shop, tmp_path, "--slots", "2"):
        (tmp_path / "slow").mkdir()
        slow = [shop.slow.enqueue_sync(f"{tmp_path / 'slow'}", 2.5) for _ in range(2)]
        wait_until(lambda: len(times_in(tmp_path / "slow")) == 2)
        paced = [shop.paced.enqueue_sync(f"{tmp_path}", 0.0) for _ in range(3)]
        for handle in paced:
            handle.result_sync(LONG_S)
        for handle in slow:
            assert handle.status_sync().is_over
    times = times_in(tmp_path)
    assert times[2] - times[0] > 1.5  # of two starts after the first, but for its lag


def test_another_attempt_is_another_start(shop: Attacked, tmp_path: Path) -> None:
    """Of which a rate lets one begin in a second and a half."""
    began = time.time()
    with worker(shop, tmp_path):
        handle = shop.always_fails.enqueue_sync(f"{tmp_path}")
        with pytest.raises(JobFailedError):
            handle.result_sync(LONG_S)
    first, _, third = times_in(tmp_path)
    assert first >= began
    assert third - began > 2.99


@pytest.mark.parametrize(
    ("options", "most"),
    [(("--slots", "6"), 6), (("--queue", "any", "--slots", "6"), 6)],
)
def test_slots_hold_for_every_queue(
    shop: Attacked, tmp_path: Path, marks: Marks, options: tuple[str, ...], most: int
) -> None:
    """Also for one whose name was said by ``using`` alone, or without a number."""
    with worker(shop, tmp_path, *options) as program:
        if "any" in options:
            assert f"any={most}" in program.output
        held = shop.held.using(queue="any")
        calls = [(f"{marks.folder}", f"{number}") for number in range(most + 2)]
        held.enqueue_many_sync(calls)
        marks.wait_for(most)
        time.sleep(0.3)  # in which one more could begin
        assert len(marks.names()) == most
        for number in range(most + 2):
            (marks.folder / f"{number}.gate").touch()
        wait_until(lambda: len(shop.jobs.list(status=JobStatus.SUCCEEDED)) == most + 2)


# The store.


def test_results_are_written_however_many_wait_for_the_store(
    shop: Attacked, tmp_path: Path, marks: Marks
) -> None:
    """More than there are connections, at a file that is locked meanwhile."""
    count = 100
    with worker(shop, tmp_path, "--queue", f"default={count}"):
        calls = [(f"{marks.folder}", f"{number}") for number in range(count)]
        handles = shop.held.enqueue_many_sync(calls)
        marks.wait_for(count)
        lock = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        for number in range(count):
            (marks.folder / f"{number}.gate").touch()
        time.sleep(2.0)  # in which all of them want to write
        lock.execute("COMMIT")
        lock.close()

        for number, handle in enumerate(handles):
            assert handle.result_sync(LONG_S) == f"result of {number}"


def test_a_body_may_go_to_another_folder(tmp_path: Path) -> None:
    """The store stays where it was named."""
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        shop = Attacked("sqlite:///jobs.db")
    finally:
        os.chdir(before)
    with worker(shop, tmp_path):
        made = shop.goes_elsewhere.enqueue_sync(f"{tmp_path / 'x'}", 5)
        child = shop.jobs.handle(made.result_sync(LONG_S))
        assert child.result_sync(LONG_S) == 5
    shop.jobs.close()


@engines
def test_a_file_that_is_removed_is_noticed(shop: Attacked, tmp_path: Path) -> None:
    """And the worker goes on with the next one of that name."""
    with worker(shop, tmp_path) as program:
        assert shop.answers_too.enqueue_sync(1).result_sync(LONG_S) == 1
        shop.jobs.close()
        for file in tmp_path.glob("jobs.db*"):
            if file.is_file():
                file.unlink()
        wait_until(
            lambda: "is gone" in program.output or "another one" in program.output
        )
        assert shop.answers_too.enqueue_sync(2).result_sync(LONG_S) == 2


def test_progress_never_ends_a_job(shop: Attacked, tmp_path: Path) -> None:
    """Whatever its text is made of."""
    with worker(shop, tmp_path):
        handle = shop.says.enqueue_sync()
        assert handle.result_sync(LONG_S) == 7
    said = handle.progress_sync()
    assert said is not None
    assert said.message.startswith("caf")


# Machines.


@engines
def test_machines_of_one_name_are_two(
    shop: Attacked, tmp_path: Path, marks: Marks
) -> None:
    """What a lock says is only asked where it is the same file."""
    with worker(shop, tmp_path), worker(shop, tmp_path):
        handle = shop.held.enqueue_sync(f"{marks.folder}", "it")
        marks.wait_for(1)
        with sqlite3.connect(tmp_path / "jobs.db") as database:
            # As if each had come from a container of its own, with its own files.
            database.execute(
                "UPDATE cotality_workers SET host = 'here ' || id, lock_file = ?",
                [f"{tmp_path / 'of-somebody-else'}"],
            )
        database.close()
        (tmp_path / "of-somebody-else").write_text("{}")
        time.sleep(2.5)  # two looks for the dead
        (marks.folder / "it.gate").touch()

        assert handle.result_sync(LONG_S) == "result of it"
        assert [each.outcome for each in handle.attempts_sync()] == ["succeeded"]


@engines
def test_a_worker_that_was_stopped_and_goes_on(
    shop: Attacked, tmp_path: Path, marks: Marks
) -> None:
    """Its sleep is no death while its lock is held; nothing runs twice."""
    with worker(shop, tmp_path) as first, worker(shop, tmp_path):
        handle = shop.held.enqueue_sync(f"{marks.folder}", "it")
        marks.wait_for(1)
        os.kill(first.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(first.pid, signal.SIGCONT)
        (marks.folder / "it.gate").touch()
        assert handle.result_sync(LONG_S) == "result of it"
        assert len(handle.attempts_sync()) == 1
