"""What becomes of jobs that a worker runs. One worker serves the whole module."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from cotality.jobs import (
    JobCancelledError,
    JobFailedError,
    JobStatus,
)
from cotality.jobs._jobs.api.putting import put
from cotality.jobs._jobs.store.moves import NewJob
from tests.jobs.shop import Order, Shop
from tests.jobs.workers import WorkerProgram, notes_in, times_in
from tests.kit.helpers import Gate, Marks, wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def url(place: Path) -> str:
    return f"sqlite:///{place}/jobs.db"


@pytest.fixture(scope="module")
def worker(url: str, place: Path) -> Iterator[WorkerProgram]:
    with WorkerProgram(url, place, "--slots", "8") as made:
        yield made


@pytest.fixture
def shop(url: str, worker: WorkerProgram) -> Iterator[Shop]:
    made = Shop(url)
    yield made
    made.jobs.close()


def test_a_job_gives_what_its_function_returns(shop: Shop) -> None:
    """Types and all: a result is read back by the annotation."""
    handle = shop.double.enqueue_sync(Order(2, ("a", "b")))

    assert handle.result_sync(LONG_S) == Order(4, ("a", "b", "a", "b"))
    assert handle.status_sync() is JobStatus.SUCCEEDED
    assert [each.outcome for each in handle.attempts_sync()] == ["succeeded"]


def test_all_of_it_can_be_awaited(shop: Shop) -> None:
    """The same in an event loop."""

    async def all_of_it() -> None:
        handle = await shop.add.enqueue(1, 2)
        assert await handle.result(LONG_S) == 3
        assert await handle.status() is JobStatus.SUCCEEDED
        assert (await handle.info()).name == "tests.jobs.shop.add"
        assert len(await handle.attempts()) == 1
        assert not await handle.cancel()
        assert await handle.progress() is None
        assert [event.status async for event in handle.events()] == ["SUCCEEDED"]

    asyncio.run(all_of_it())


def test_bodies_that_are_async_run_side_by_side(shop: Shop, tmp_path: Path) -> None:
    """They share the event loop of the worker."""
    gate = tmp_path / "gate"
    handles = [shop.wait_for.enqueue_sync(f"{gate}", number) for number in range(5)]
    wait_until(lambda: all(each.status_sync() == "RUNNING" for each in handles))
    gate.touch()

    assert [each.result_sync(LONG_S) for each in handles] == [0, 1, 2, 3, 4]


def test_a_failed_job_is_a_dead_letter_with_its_cause(shop: Shop) -> None:
    """Its class, its text and its traceback; and requeued it begins anew."""
    handle = shop.fail.enqueue_sync("no such thing")

    with pytest.raises(JobFailedError, match="ValueError: no such thing") as caught:
        handle.result_sync(LONG_S)

    assert caught.value.error_type == "ValueError"
    assert "raise ValueError(text)" in caught.value.__notes__[0]
    assert handle.id in [info.id for info in shop.jobs.dead()]
    assert shop.jobs.requeue(handle.id)
    with pytest.raises(JobFailedError):
        handle.result_sync(LONG_S)
    assert [each.outcome for each in handle.attempts_sync()] == ["failed", "failed"]


def test_a_job_that_kills_its_process_runs_as_often_as_it_may(
    shop: Shop, worker: WorkerProgram, tmp_path: Path
) -> None:
    """Then it is a dead letter that names the signal; the worker is still the same."""
    handle = shop.kill_self.enqueue_sync(f"{tmp_path}")

    with pytest.raises(JobFailedError, match="SIGSEGV"):
        handle.result_sync(LONG_S)

    assert len(times_in(tmp_path)) == 3
    assert worker.is_alive
    assert {each.worker for each in handle.attempts_sync()} == {worker.id}


@pytest.mark.one_python
def test_pauses_between_attempts_are_as_the_retry_says(
    shop: Shop, tmp_path: Path
) -> None:
    """Here 2, 4 and 8 s; two of them are waited for outside of the worker."""
    assert shop.fail_until.enqueue_sync(f"{tmp_path}", 4).result_sync(LONG_S) == 4

    gaps = [after - before for before, after in pairwise(times_in(tmp_path))]

    assert [int(gap) for gap in gaps] == [2, 4, 8]


def test_a_job_that_waits_can_be_cancelled(shop: Shop, tmp_path: Path) -> None:
    """It never starts, and its handle says so."""
    handle = shop.noted.using(delay=2).enqueue_sync(f"{tmp_path}", 1)

    assert handle.cancel_sync()

    with pytest.raises(JobCancelledError):
        handle.result_sync(LONG_S)
    later = shop.noted.using(delay=2.5).enqueue_sync(f"{tmp_path}", 2)
    later.result_sync(LONG_S)
    assert [line.split()[1] for line in notes_in(tmp_path)] == ["2"]
    assert not handle.cancel_sync()


def test_a_job_that_runs_is_killed(
    shop: Shop, worker: WorkerProgram, tmp_path: Path
) -> None:
    """Whatever it does: its process is gone, and it stays cancelled."""
    handle = shop.spin.enqueue_sync(f"{tmp_path}")
    wait_until(lambda: bool(times_in(tmp_path)))

    assert handle.cancel_sync()

    assert handle.status_sync() is JobStatus.CANCELLED
    wait_until(lambda: not spinning_below(worker))
    assert shop.add.enqueue_sync(1, 1).result_sync(LONG_S) == 2
    assert handle.status_sync() is JobStatus.CANCELLED
    assert [each.outcome for each in handle.attempts_sync()] == ["cancelled"]


def spinning_below(worker: WorkerProgram) -> bool:
    assert worker.process is not None
    return any(map(is_spinning, worker.process.children(recursive=True)))


def is_spinning(process: psutil.Process) -> bool:
    try:
        return process.cpu_percent(0.05) > 20
    except psutil.NoSuchProcess:  # it has ended just now
        return False


def test_a_body_on_a_thread_learns_that_it_is_cancelled(
    shop: Shop, marks: Marks
) -> None:
    """It cannot be killed; what it returns is dropped."""
    handle = shop.held_on_thread.enqueue_sync(f"{marks.folder}", "it")
    marks.wait_for(1)

    assert handle.cancel_sync()

    marks.wait_for(2)
    assert handle.status_sync() is JobStatus.CANCELLED


def test_an_attempt_that_takes_too_long_is_killed(shop: Shop, tmp_path: Path) -> None:
    """In a process as in the event loop, with the limit in the error."""
    for handle in (
        shop.spin_briefly.enqueue_sync(f"{tmp_path}"),
        shop.sleep_for.enqueue_sync(LONG_S),
    ):
        with pytest.raises(JobFailedError, match=r"TaskTimeoutError.* timeout=0\.[23]"):
            handle.result_sync(LONG_S)


def test_progress_is_seen_by_others(shop: Shop, gate: Gate) -> None:
    """While the job runs."""
    handle = shop.report_and_hold.enqueue_sync(f"{gate.path}")
    wait_until(lambda: handle.progress_sync() is not None)

    progress = handle.progress_sync()

    assert progress is not None
    assert (progress.done, progress.total, progress.message) == (3, 10, "three")
    gate.open()
    handle.result_sync(LONG_S)


def test_much_progress_is_one_row(shop: Shop) -> None:
    """The last word counts."""
    handle = shop.report.enqueue_sync(10_000)
    assert handle.result_sync(LONG_S) == 10_000

    progress = handle.progress_sync()

    assert progress is not None
    assert (progress.done, progress.message) == (10_000, "item 9999")
    with shop.jobs.base.database.reading() as connection:
        rows = connection.exec_driver_sql(
            "SELECT COUNT(*) FROM cotality_progress WHERE job_id = ?", (handle.id,)
        ).scalar()
    assert rows == 1


def test_events_tell_each_change(shop: Shop, gate: Gate) -> None:
    """From where the job stands to its end."""
    handle = shop.report_and_hold.enqueue_sync(f"{gate.path}")
    seen: list[tuple[str, float | None]] = []
    for event in handle.events_sync():
        seen.append((event.status, event.progress and event.progress.done))
        if event.progress is not None:
            gate.open()

    assert seen[-1] == ("SUCCEEDED", 3)
    assert ("RUNNING", 3) in seen


@pytest.mark.parametrize(
    ("name", "arguments", "cause"),
    [
        ("tests.jobs.shop.gone", "{}", "UnknownJobError: nobody knows a job"),
        ("tests.jobs.broken.it", "{}", "ImportError: this module is broken"),
        ("tests.jobs.shop.needs_two", '{"a": 1}', "NotStorableError: .* argument: 'b'"),
        ("tests.jobs.shop.needs_two", '{"a": 1, "c": 1}', "no parameter c any more"),
        ("tests.jobs.shop.double", '{"order": {"$of": "Lock"}}', "holds a Lock"),
        ("tests.jobs.shop.add", '{"a": {"$pickle": "x"}}', "was not written by this"),
        ("os.system", '{"command": "true"}', "UnknownJobError: nobody knows a job"),
    ],
)
def test_what_cannot_be_run_is_dead_with_the_cause(
    shop: Shop, name: str, arguments: str, cause: str
) -> None:
    """And not pending for ever."""
    row = NewJob(f"{time.time_ns()}", name, "default", 0, arguments, 0, None, None, 60)
    (job,) = put(shop.jobs.base, [row], None)
    handle = shop.jobs.handle(job)

    with pytest.raises(JobFailedError, match=cause):
        handle.result_sync(LONG_S)


def test_a_result_that_cannot_be_stored_is_a_failure(shop: Shop) -> None:
    """Which says what to do, and is not tried again."""
    handle = shop.unstorable.enqueue_sync()

    with pytest.raises(JobFailedError, match="cannot be stored"):
        handle.result_sync(LONG_S)


def test_auto_moves_what_waits_to_threads(shop: Shop, worker: WorkerProgram) -> None:
    """Its first runs are in processes."""
    places = [
        shop.thread_name.enqueue_sync().result_sync(LONG_S).split()[0] for _ in range(4)
    ]

    assert str(worker.pid) not in places[:3]
    assert places[3] == str(worker.pid)


def test_the_queue_is_counted(shop: Shop, worker: WorkerProgram, gate: Gate) -> None:
    """What waits, what runs, and who serves it."""
    handle = shop.report_and_hold.enqueue_sync(f"{gate.path}")
    shop.add.using(queue="later", delay=3600).enqueue_sync(1, 2)
    wait_until(lambda: handle.status_sync() == "RUNNING")

    found = {each.queue: each for each in shop.jobs.stats()}

    assert found["default"].running == 1
    assert found["later"].delayed == 1
    assert found["default"].workers == found["later"].workers == 1
    assert not found["later"].is_unserved
    gate.open()
    handle.result_sync(LONG_S)
    assert worker.process is not None
    assert psutil.pid_exists(worker.pid)
