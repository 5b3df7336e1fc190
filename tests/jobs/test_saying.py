"""What a body says of its progress, whatever has the store at that moment."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cotality.jobs import Jobs
from cotality.jobs._jobs.running.saying import Saying
from cotality.jobs._jobs.store import moves
from tests.jobs.tickets import ticket_of
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy")

A_WHILE_S = 0.5  # in which what does not wait would be done


def work() -> None: ...


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with Jobs(f"sqlite:///{tmp_path}/jobs.db") as made:
        yield made


@pytest.fixture
def saying(jobs: Jobs) -> Saying:
    """Of a job that runs."""
    jobs.job(work).using(job_id="it").enqueue_sync()
    with jobs.base.database.writing() as connection:
        begun = moves.begin(connection, ticket_of(jobs.base, "it"), "me", 1.0)
    assert begun is not None
    return Saying(jobs.base, begun)


def said(jobs: Jobs) -> float | None:
    progress = jobs.handle("it").progress_sync()
    return None if progress is None else progress.done


def test_a_body_with_a_transaction_of_its_own_goes_on(
    jobs: Jobs, saying: Saying
) -> None:
    """What it says meanwhile is there when the transaction is over."""
    with jobs.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (number INTEGER)")
        saying.say(1, None, "")
    wait_until(lambda: said(jobs) == 1)
    saying.end()


def test_the_last_word_is_there_at_the_end(
    jobs: Jobs, saying: Saying, tmp_path: Path
) -> None:
    """Also if the one before it still waits for the file."""
    saying.say(1, None, "")
    lock = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    saying.say(2, None, "")
    wait_until(lambda: saying.waits is None)  # a thread is at it, and has to wait
    ending = threading.Thread(target=saying.end)
    ending.start()
    ending.join(A_WHILE_S)
    assert ending.is_alive()
    lock.execute("COMMIT")
    lock.close()
    ending.join(LONG_S)

    assert said(jobs) == 2


def test_an_event_loop_does_not_wait_for_the_file(
    jobs: Jobs, saying: Saying, tmp_path: Path
) -> None:
    """It has other bodies to run."""
    lock = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    async def body() -> None:
        saying.say(3, None, "")
        lock.execute("COMMIT")  # which a loop that waits would not come to

    asyncio.run(body())
    lock.close()
    wait_until(lambda: said(jobs) == 3)
    saying.end()
