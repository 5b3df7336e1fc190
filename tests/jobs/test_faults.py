"""Whatever is killed, no job is lost, and none that has finished runs again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cotality.jobs import JobFailedError, JobStatus
from tests.jobs.chaos import chaos
from tests.jobs.shop import Shop
from tests.jobs.workers import TARGET, WorkerProgram, times_in
from tests.kit.helpers import Gate, Marks, environment_of_scripts, wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def shop(url: str) -> Iterator[Shop]:
    made = Shop(url)
    yield made
    made.jobs.close()


@pytest.mark.one_python
def test_killed_workers_lose_nothing(shop: Shop, tmp_path: Path) -> None:
    """Some jobs are begun twice, and none is finished twice."""
    chaos(shop, tmp_path, jobs=60, workers=2, kills=2, seconds=0.05)


def test_survivors_take_over_from_the_dead(
    shop: Shop, tmp_path: Path, marks: Marks, gate: Gate
) -> None:
    """Its jobs run again, and the death of a worker is no attempt."""
    with WorkerProgram(shop.jobs.url, tmp_path) as first:
        handle = shop.hold.enqueue_sync(f"{marks.folder}", f"{gate.path}", "it")
        marks.wait_for(1)
        with WorkerProgram(shop.jobs.url, tmp_path) as second:
            first.kill()
            wait_until(lambda: len(handle.attempts_sync()) == 2)
            gate.open()

            assert handle.result_sync(LONG_S) == "it"

            lost, done = handle.attempts_sync()
            assert (lost.worker, lost.outcome) == (first.id, "lost")
            assert (done.worker, done.outcome) == (second.id, "succeeded")
            assert handle.info_sync().attempt == 1


@pytest.mark.one_python
def test_a_pause_survives_its_worker(shop: Shop, tmp_path: Path) -> None:
    """The next attempt is due when it was."""
    with WorkerProgram(shop.jobs.url, tmp_path) as first:
        handle = shop.fail_until.enqueue_sync(f"{tmp_path}", 2)
        wait_until(lambda: handle.status_sync() is JobStatus.RETRYING)
        first.kill()
        with WorkerProgram(shop.jobs.url, tmp_path):
            assert handle.result_sync(LONG_S) == 2
    before, after = times_in(tmp_path)
    assert after - before >= 2


def test_a_job_outlives_who_enqueued_it(shop: Shop, tmp_path: Path) -> None:
    """That one kills itself as soon as it has the handle."""
    script = tmp_path / "enqueue.py"
    script.write_text(
        f"""
import os, signal
from tests.jobs.chaos import chaos
from tests.jobs.shop import Shop
handle = Shop({shop.jobs.url!r}).add.enqueue_sync(20, 22)
print(handle.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""",
        "utf-8",
    )
    ended = subprocess.run(
        [sys.executable, f"{script}"],
        env=environment_of_scripts(),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with WorkerProgram(shop.jobs.url, tmp_path):
        handle = shop.jobs.handle(ended.stdout.strip())
        assert handle.result_sync(LONG_S) == 42


@pytest.mark.one_python
def test_a_slot_has_one_worker(shop: Shop, tmp_path: Path) -> None:
    """A second one refuses to start, and names the holder; after its death it may."""
    with WorkerProgram(shop.jobs.url, tmp_path, "--slot", "a") as first:
        second = WorkerProgram(shop.jobs.url, tmp_path, "--slot", "a")
        second.start()
        second.wait()
        assert f"slot 'a' is in use by worker {first.id} (pid {first.pid}" in (
            second.output
        )
        first.kill()
        with second:
            assert second.is_alive


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_worker_that_is_stopped_lets_jobs_finish(
    shop: Shop, tmp_path: Path, marks: Marks, gate: Gate, name: str
) -> None:
    """It takes nothing new meanwhile."""
    with WorkerProgram(shop.jobs.url, tmp_path, "--queue", "default=1") as worker:
        running = shop.hold.enqueue_sync(f"{marks.folder}", f"{gate.path}", "it")
        marks.wait_for(1)
        waiting = shop.add.enqueue_sync(1, 2)
        os.kill(worker.pid, getattr(signal, name))
        time.sleep(0.3)  # in which it would have taken it
        gate.open()
        worker.wait()

        assert running.status_sync() is JobStatus.SUCCEEDED
        assert waiting.status_sync() is JobStatus.QUEUED
        assert "Traceback" not in worker.output
        assert not any(each.workers for each in shop.jobs.stats())


@pytest.mark.one_python
def test_what_does_not_finish_goes_back(
    shop: Shop, tmp_path: Path, marks: Marks, gate: Gate
) -> None:
    """From a process as from a thread; and the next worker has it at once."""
    options = ("--queue", "default=4", "--grace", "0")
    with WorkerProgram(shop.jobs.url, tmp_path, *options) as worker:
        handles = [
            shop.hold.enqueue_sync(f"{marks.folder}", f"{gate.path}", "process"),
            shop.held_on_thread.enqueue_sync(f"{marks.folder}", "thread"),
        ]
        marks.wait_for(2)
        worker.stop()
        assert [each.status_sync() for each in handles] == ["QUEUED", "QUEUED"]
    gate.open()
    with WorkerProgram(shop.jobs.url, tmp_path):
        assert handles[0].result_sync(LONG_S) == "process"
        wait_until(lambda: handles[1].status_sync() == "RUNNING")
        assert handles[1].cancel_sync()
    first = handles[0].attempts_sync()
    assert [each.outcome for each in first] == ["returned", "succeeded"]
    assert handles[0].info_sync().attempt == 1


@pytest.mark.one_python
def test_a_job_that_ends_its_workers_is_given_up(
    shop: Shop, tmp_path: Path, marks: Marks, gate: Gate
) -> None:
    """After the third it is a dead letter, and not the end of all workers."""
    handle = shop.held_on_thread.enqueue_sync(f"{marks.folder}", "it")
    for number in range(1, 4):
        with WorkerProgram(shop.jobs.url, tmp_path, "--slot", "a") as worker:
            wait_until(lambda least=number: len(handle.attempts_sync()) == least)
            worker.kill()
    with (
        WorkerProgram(shop.jobs.url, tmp_path, "--slot", "a"),
        pytest.raises(JobFailedError, match="LostWorkerError"),
    ):
        handle.result_sync(LONG_S)
    assert [each.outcome for each in handle.attempts_sync()] == ["lost"] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are handed on by fork")
def test_a_worker_ends_with_who_holds_the_other_end(
    url: str, shop: Shop, tmp_path: Path, marks: Marks, gate: Gate
) -> None:
    """A pipe tells it, however that has ended; what has not finished goes back."""
    handle = shop.hold.enqueue_sync(f"{marks.folder}", f"{gate.path}", "it")
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "cotality.jobs", "worker", TARGET, "--grace", "0"]
    worker = subprocess.Popen(
        [*command, "--while-open", f"{ours}"],
        env={**environment_of_scripts(), "COTALITY_JOBS_URL": url},
        stdout=subprocess.DEVNULL,
        pass_fds=[ours],
        cwd=tmp_path,
    )
    os.close(ours)
    marks.wait_for(1)
    assert worker.poll() is None

    os.close(theirs)

    assert worker.wait(LONG_S) == 0
    assert handle.status_sync() == JobStatus.QUEUED


def test_a_descriptor_that_is_none_is_told(url: str, tmp_path: Path) -> None:
    """Before the worker begins."""
    command = [sys.executable, "-m", "cotality.jobs", "worker", TARGET]
    ended = subprocess.run(
        [*command, "--while-open", "777"],
        env={**environment_of_scripts(), "COTALITY_JOBS_URL": url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONG_S,
    )

    assert ended.returncode == 1
    assert "--while-open is a file descriptor" in ended.stderr
