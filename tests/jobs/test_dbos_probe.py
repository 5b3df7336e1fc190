"""Whether DBOS keeps time on this SQLite is found out before anything is stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cotality.jobs import Jobs, StoreError
from cotality.jobs._jobs.engines import probe
from cotality.jobs._jobs.store import database

pytest.importorskip("sqlalchemy")
pytest.importorskip("dbos")


def add(a: int, b: int) -> int:
    return a + b


def a_second_ago(*_: object) -> int:
    """As SQLite tells it, which knows whole seconds."""
    return int(time.time()) - 1


def nothing(*_: object) -> None:
    """What SQLite before 3.42 says."""


@pytest.mark.parametrize(
    ("clock", "said"), [(a_second_ago, "it takes"), (nothing, "it refuses a row")]
)
def test_a_clock_that_is_wrong_is_told_at_the_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: Callable[..., object],
    said: str,
) -> None:
    """With what to do; no job is stored that would never come."""
    for name in ("unix_time", "formatted_time"):
        monkeypatch.setattr(database, name, clock)
    url = f"sqlite:///{tmp_path}/jobs.db"
    with (
        Jobs(url, engine="dbos") as jobs,
        pytest.raises(StoreError, match=f"{said}.*SQLite is 3.42 .* a Postgres URL"),
    ):
        jobs.job(add).enqueue_sync(1, 2)

    monkeypatch.undo()
    with Jobs(url, engine="dbos") as jobs:
        jobs.job(add).enqueue_sync(1, 2)
        assert len(jobs.list()) == 1


def test_a_machine_that_is_busy_keeps_time_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the row takes that the clock is read from."""
    from cotality.jobs._jobs.engines import dbos_client

    made_client = dbos_client.made_client

    def slow_client(*given: object) -> object:
        client = made_client(*given)  # type: ignore[arg-type]
        enqueue = client.enqueue_in_transaction

        def enqueue_slowly(*args: object) -> object:
            time.sleep(20 * probe.MOST_OFF_S)
            try:
                return enqueue(*args)  # type: ignore[arg-type]
            finally:
                time.sleep(2 * probe.MOST_OFF_S)

        monkeypatch.setattr(client, "enqueue_in_transaction", enqueue_slowly)
        return client

    monkeypatch.setattr(dbos_client, "made_client", slow_client)
    with Jobs(f"sqlite:///{tmp_path}/jobs.db", engine="dbos") as jobs:
        jobs.prepare()
