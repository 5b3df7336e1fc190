"""A store that an older release has made, and this one goes on with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cotality.jobs import Jobs, JobStatus
from cotality.jobs._jobs.store import moves
from cotality.jobs._jobs.store.moves import Raised, Ticket
from cotality.jobs._jobs.store.schema import VERSION
from tests.kit.at_once import at_once
from tests.kit.stores import KINDS, store_of

pytest.importorskip("sqlalchemy")
pytestmark = pytest.mark.one_python

BROKEN = Raised("OwnError", "no", "Traceback: ...", "shop.errors")


def add(a: int, b: int) -> int:
    return a + b


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with store_of(request.param, tmp_path) as made:
        yield made


def make_old(jobs: Jobs) -> None:
    """Have its tables as release 3 of them had them."""
    with jobs.base.database.writing() as connection:
        for name in ("error_module", "traceback"):
            statement = f"ALTER TABLE cotality_attempts DROP COLUMN {name}"
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("UPDATE cotality_version SET version = 3")


def versions(jobs: Jobs) -> list[int]:
    with jobs.base.database.reading() as connection:
        found = connection.exec_driver_sql("SELECT version FROM cotality_version")
        return [row[0] for row in found]


def test_its_jobs_are_there_and_new_ones_are_told_more_of(url: str) -> None:
    """Several programs that begin at once make one new store of it."""
    with Jobs(url) as old:
        handle = old.job(add).enqueue_sync(1, 2)
        make_old(old)

    with ExitStack() as programs:
        several = [programs.enter_context(Jobs(url)) for _ in range(4)]
        at_once(*(jobs.prepare for jobs in several))

    with Jobs(url) as jobs:
        assert versions(jobs) == [VERSION]
        (info,) = jobs.list()
        assert (info.id, info.status) == (handle.id, JobStatus.QUEUED)
        with jobs.base.database.writing() as connection:
            found = moves.one(connection, "SELECT ticket FROM cotality_jobs")
            assert found is not None
            begun = moves.begin(connection, Ticket(info.id, found["ticket"]), "me", 1)
            assert begun is not None
            assert moves.bury(connection, begun, BROKEN, 2)
        (attempt,) = jobs.handle(info.id).attempts_sync()
        assert (attempt.error_type, attempt.error_module) == ("OwnError", "shop.errors")
        assert attempt.traceback == "Traceback: ..."


def test_attempts_of_the_older_release_have_no_more_than_it_told(url: str) -> None:
    """They are shown all the same."""
    with Jobs(url) as old:
        handle = old.job(add).enqueue_sync(1, 2)
        make_old(old)
        with old.base.database.writing() as connection:
            connection.exec_driver_sql(
                "INSERT INTO cotality_attempts (job_id, run, started_at, worker, "
                "outcome, error_type, error) "
                f"VALUES ('{handle.id}', 1, 1.0, 'w', 'failed', 'OwnError', 'no')"
            )

    with Jobs(url) as jobs:
        jobs.prepare()
        (attempt,) = jobs.handle(handle.id).attempts_sync()
    assert (attempt.error_type, attempt.error) == ("OwnError", "no")
    assert (attempt.error_module, attempt.traceback) == (None, None)


def test_whoever_has_a_transaction_open_is_told_to_prepare(tmp_path: Path) -> None:
    """And the store stays as it was."""
    from cotality.jobs import StoreError

    url = f"sqlite:///{tmp_path}/jobs.db"
    with Jobs(url) as old:
        old.prepare()
        make_old(old)
    with Jobs(url) as jobs:
        job = jobs.job(add)
        engine = jobs.base.database.engine
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE mine (a INTEGER)")
            with pytest.raises(StoreError, match=r"jobs\.prepare\(\)"):
                job.using(connection=connection).enqueue_sync(1, 2)
        assert versions(jobs) == [3]
