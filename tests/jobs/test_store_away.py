"""A store that is away for a while, as a server of a database is at times."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cotality.jobs import JobStatus
from cotality.jobs._jobs.running.gates import Gates
from cotality.jobs._jobs.running.places import Places
from cotality.jobs._jobs.running.runner import Runner
from tests.jobs.shop import Shop
from tests.jobs.tickets import ticket_of
from tests.jobs.workers import TARGET
from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import LONG_S
from tests.kit.postgres import Server, postgres_server

pytest.importorskip("sqlalchemy")
pytestmark = pytest.mark.one_python


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres_server() as made:
        yield made


@pytest.fixture
def shop(server: Server) -> Iterator[Shop]:
    made = Shop(server.url)
    yield made
    made.jobs.close()


@pytest.fixture
def runner(shop: Shop) -> Iterator[Runner]:
    places = Places(shop.jobs, TARGET, 1)
    yield Runner(shop.jobs, "it", places, Gates(None, 1))
    places.close()


def test_a_job_waits_for_the_store(
    shop: Shop, runner: Runner, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """A ticket that cannot be looked up is not done with: the job has no other one."""
    handle = shop.work.enqueue_sync(0.0, 7)
    ticket = ticket_of(shop.jobs.base, handle.id)
    server.stop()
    runs = threading.Thread(target=runner.run, args=[ticket])
    with caplog.at_level(logging.ERROR, "cotality.jobs"):
        runs.start()
        try:
            wait_until(lambda: f"job {handle.id} is not lost" in caplog.text)
        finally:
            server.start()
    runs.join(LONG_S)

    assert not runs.is_alive()
    assert handle.status_sync() is JobStatus.SUCCEEDED


def test_a_worker_that_ends_does_not_wait_for_the_store(
    shop: Shop, runner: Runner, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """What it had is taken over later."""
    handle = shop.work.enqueue_sync(0.0, 7)
    ticket = ticket_of(shop.jobs.base, handle.id)
    server.stop()
    runs = threading.Thread(target=runner.run, args=[ticket])
    try:
        with caplog.at_level(logging.ERROR, "cotality.jobs"):
            runs.start()
            wait_until(lambda: "is not lost" in caplog.text)
            runner.has_given_up.set()
            runs.join(LONG_S)
        assert not runs.is_alive()
    finally:
        server.start()
    assert handle.status_sync() is JobStatus.QUEUED


END_SOON = """
import sys
from cotality.jobs._jobs.cli import command_line
command_line.TO_TELL_S = 1.0
sys.exit(command_line.main(["worker", sys.argv[1], "--grace", "0.5"]))
"""


def test_a_worker_ends_though_the_store_never_answers(
    shop: Shop, server: Server, tmp_path: Path
) -> None:
    """A server that is frozen, or behind a network that drops everything."""
    log = tmp_path / "log"
    with log.open("w") as file:
        worker = subprocess.Popen(
            [sys.executable, "-c", END_SOON, TARGET],
            env={**environment_of_scripts(), "COTALITY_JOBS_URL": server.url},
            stdout=file,
            stderr=file,
        )
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    postmaster = psutil.Process(pid)
    frozen: list[psutil.Process] = []
    try:
        wait_until(lambda: " serves " in log.read_text())
        frozen = [postmaster, *postmaster.children(recursive=True)]
        for each in frozen:
            each.suspend()
        worker.send_signal(signal.SIGTERM)

        assert worker.wait(LONG_S) == 1
    finally:
        for each in frozen:
            each.resume()
        worker.kill()
        worker.wait()
    assert "could not end within 1.5 s, and ends now" in log.read_text()
