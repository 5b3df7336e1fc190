"""What enqueuing puts into the store, and what it leaves out; no worker is needed."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest

from cotality.jobs import (
    Jobs,
    JobStatus,
    KeyTakenError,
    NotStorableError,
    Rate,
    Retry,
    StoreError,
    UnknownJobError,
    current_job,
)
from cotality.jobs._jobs.api import base
from cotality.jobs._jobs.engines.choosing import EngineName
from cotality.jobs._jobs.store import database, workers
from cotality.jobs._jobs.store.slots import folder_of
from tests.jobs.tickets import ticket_of
from tests.kit.at_once import at_once
from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy")


def send(user: int, text: str = "") -> str:
    return f"{user} {text}"


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with Jobs(f"sqlite:///{tmp_path}/jobs.db") as made:
        yield made


def test_a_plain_call_is_a_plain_call(jobs: Jobs, tmp_path: Path) -> None:
    """It stores nothing, and needs no store."""
    assert jobs.job(send)(7, text="hi") == "7 hi"
    assert not list(tmp_path.iterdir())


def test_what_is_enqueued_is_known_by_its_id(jobs: Jobs) -> None:
    """From another program as well."""
    job = jobs.job(
        send,
    )
    handle = job.using(queue="mail", priority=5).enqueue_sync(7, text="hi")

    with Jobs(jobs.url) as others:
        info = others.handle(handle.id).info_sync()

    assert (info.name, info.queue, info.priority) == (job.name, "mail", 5)
    assert info.status is JobStatus.QUEUED
    assert info.arguments == '{"user": 7, "text": "hi"}'


def test_delay_is_the_word_that_people_know(jobs: Jobs) -> None:
    """And ``enqueue`` what an event loop awaits."""
    job = jobs.job(send)
    ids = {job.delay(1).id, asyncio.run(job.enqueue(2)).id}

    assert ids == {info.id for info in jobs.list()}


@pytest.mark.parametrize(
    "later",
    [
        {"delay": 60},
        {"delay": timedelta(minutes=1)},
        {"run_after": datetime.now(UTC) + timedelta(days=1)},
    ],
)
def test_a_job_may_be_for_later(jobs: Jobs, later: dict[str, Any]) -> None:
    """So many seconds, or not before a moment."""
    handle = jobs.job(send).using(**later).enqueue_sync(7)

    assert handle.status_sync() is JobStatus.DELAYED
    assert jobs.list(status=JobStatus.DELAYED) == [handle.info_sync()]
    assert jobs.list(status=JobStatus.QUEUED) == []
    assert jobs.stats()[0].delayed == 1


def test_a_key_is_taken_while_its_job_is_not_over(jobs: Jobs) -> None:
    """By a job of the same function; each gets the handle of that one."""
    welcome = jobs.job(unique=lambda user: f"welcome-{user}")(greet)
    other = jobs.job(send)

    first, second = welcome.enqueue_sync(7), welcome.enqueue_sync(7)
    assert first.id == second.id
    assert welcome.enqueue_sync(8).id != first.id
    assert other.using(key="welcome-7").enqueue_sync(7).id != first.id
    first.cancel_sync()
    assert welcome.enqueue_sync(7).id != first.id


def greet(user: int) -> None:
    pass


def test_an_id_gives_the_same_job_for_ever(jobs: Jobs) -> None:
    """Whatever the arguments are, as a payment that is told twice."""
    job = jobs.job(send).using(job_id="evt_1")

    assert job.enqueue_sync(1).id == job.enqueue_sync(2).id == "evt_1"
    assert [info.arguments for info in jobs.list()] == ['{"user": 1}']
    with pytest.raises(ValueError, match=r"'evt_1' was given to a job .*send"):
        jobs.job(greet).using(job_id="evt_1").enqueue_sync(1)


def test_of_many_at_once_one_makes_the_job(jobs: Jobs) -> None:
    """A hundred callers, half of them with a key, the others with an id."""
    jobs.prepare()
    job = jobs.job(send)

    def call(number: int) -> list[tuple[int, str]]:
        of = job.using(key="k") if number % 2 else job.using(job_id="i")
        return [(number % 2, of.enqueue_sync(number).id) for _ in range(5)]

    found = [*chain(*at_once(*(partial(call, number) for number in range(20))))]

    assert len(found) == 100
    assert len(set(found)) == len(jobs.list()) == 2


def test_many_are_stored_together_or_not_at_all(jobs: Jobs) -> None:
    """An argument that cannot be stored leaves none of them."""
    job = jobs.job(send)
    with pytest.raises(NotStorableError, match="argument 'user'"):
        job.enqueue_many_sync([(1,), (threading.Lock(),)])  # type: ignore[list-item]

    assert jobs.list() == []
    assert len(job.enqueue_many_sync([(1,), {"user": 2}])) == 2


@pytest.mark.parametrize("using", [{"job_id": "x"}, {"key": "x"}])
def test_several_calls_have_no_one_id(jobs: Jobs, using: dict[str, Any]) -> None:
    """All but the first would be lost without a word."""
    job = jobs.job(send).using(**using)

    with pytest.raises(ValueError, match=f"{next(iter(using))}='x' .*of 2 calls"):
        job.enqueue_many_sync([(1,), (2,)])
    assert jobs.list() == []
    assert len(job.enqueue_many_sync([(1,)])) == 1


def test_any_number_is_purged(jobs: Jobs) -> None:
    """More than a database takes in one statement."""
    from sqlalchemy import event

    handles = jobs.job(send).enqueue_many_sync((number,) for number in range(1200))
    jobs.close()

    def limit(connection: sqlite3.Connection, record: object) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 1100)

    event.listen(jobs.base.database.engine, "connect", limit)
    with jobs.transaction() as connection:
        connection.exec_driver_sql("UPDATE cotality_jobs SET state = 'CANCELLED'")

    assert jobs.purge(handle.id for handle in handles) == 1200
    assert jobs.list() == []


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_job_in_a_transaction_of_the_caller(jobs: Jobs, ends_well: bool) -> None:
    """It is there with the rest of it, or not at all."""
    import sqlalchemy
    from sqlalchemy.orm import Session

    job = jobs.job(send)
    jobs.prepare()
    engine = sqlalchemy.create_engine(jobs.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (number INTEGER)")
    try:
        with Session(engine) as session:
            session.execute(sqlalchemy.text("INSERT INTO mine VALUES (1)"))
            job.using(connection=session).enqueue_sync(1)
            session.commit() if ends_well else session.rollback()
        with engine.begin() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM mine").all()
    finally:
        engine.dispose()

    assert len(jobs.list()) == len(rows) == int(ends_well)


def test_a_transaction_of_the_store_itself(jobs: Jobs) -> None:
    """For people who have no connection of their own."""
    job = jobs.job(send)

    def fail_late() -> None:
        with jobs.transaction() as connection:
            job.using(connection=connection).enqueue_sync(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail_late()
    assert jobs.list() == []


def test_the_sql_of_the_caller_means_what_it_did(jobs: Jobs) -> None:
    """Its functions of time stay those of SQLite, of which a schema may be made."""
    import sqlalchemy

    ask = "SELECT typeof(strftime('%s', 'now'))"
    job = jobs.job(send)
    jobs.prepare()
    engine = sqlalchemy.create_engine(jobs.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (at TEXT)")
        connection.exec_driver_sql("CREATE INDEX years ON mine (strftime('%Y', at))")
    try:
        with engine.begin() as connection:
            job.using(connection=connection).enqueue_sync(1)
            assert connection.exec_driver_sql(ask).scalar() == "text"
    finally:
        engine.dispose()
    jobs.close()
    with jobs.transaction() as connection:
        assert connection.exec_driver_sql(ask).scalar() == "text"
        connection.exec_driver_sql("INSERT INTO mine VALUES ('2026-11-30')")
        job.using(connection=connection).enqueue_sync(2)
    assert len(jobs.list()) == 2


def test_a_connection_that_commits_by_itself_is_refused(jobs: Jobs) -> None:
    """A job could be there without its ticket, and wait for ever."""
    import sqlalchemy

    job = jobs.job(send)
    jobs.prepare()
    engine = sqlalchemy.create_engine(jobs.url, isolation_level="AUTOCOMMIT")
    try:
        with (
            engine.connect() as connection,
            pytest.raises(ValueError, match="AUTOCOMMIT"),
        ):
            job.using(connection=connection).enqueue_sync(1)
    finally:
        engine.dispose()
    assert jobs.list() == []


def test_a_transaction_that_is_begun_by_hand_is_one(jobs: Jobs) -> None:
    """As SQLAlchemy tells people to do on SQLite, for savepoints that are true."""
    import sqlalchemy
    from sqlalchemy import event

    job = jobs.job(send)
    jobs.prepare()
    engine = sqlalchemy.create_engine(jobs.url)

    def by_hand(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None

    def begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(engine, "connect", by_hand)
    event.listen(engine, "begin", begin)
    try:
        for ends_well in (False, True):
            with engine.connect() as connection, connection.begin() as transaction:
                with connection.begin_nested():
                    job.using(connection=connection).enqueue_sync(1)
                if not ends_well:
                    transaction.rollback()
            assert len(jobs.list()) == int(ends_well)
    finally:
        engine.dispose()


def test_a_transaction_elsewhere_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    """One transaction has one database."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/other.db")
    jobs.prepare()
    with (
        engine.connect() as connection,
        pytest.raises(ValueError, match="one transaction has one database"),
    ):
        jobs.job(send).using(connection=connection).enqueue_sync(1)
    engine.dispose()
    with pytest.raises(TypeError, match="must be a Connection or a Session"):
        jobs.job(send).using(connection=sqlite3).enqueue_sync(1)


def test_a_transaction_imports_nothing_that_others_would_stumble_over(
    tmp_path: Path,
) -> None:
    """While one thread imports `sqlalchemy.orm`, no other can bind a parameter."""
    program = (
        "import sys\n"
        "from cotality.jobs import Jobs\n"
        f"jobs = Jobs({f'sqlite:///{tmp_path}/jobs.db'!r})\n"
        "job = jobs.job(print)\n"
        "with jobs.transaction() as connection:\n"
        "    job.using(connection=connection).enqueue_sync('x')\n"
        "print(len(jobs.list()), 'sqlalchemy.orm' in sys.modules)\n"
        "jobs.close()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
        check=True,
    )

    assert ended.stdout == "1 False\n"


@pytest.mark.parametrize("engine_name", get_args(EngineName))
def test_what_cannot_be_made_inside_of_a_transaction(
    engine_name: EngineName, tmp_path: Path
) -> None:
    """Is told at once, in place of waiting for the end of that transaction."""
    if engine_name == "dbos":
        pytest.importorskip("dbos")
    # Nobody is at the broker, which need not be there.
    broker = "amqp://127.0.0.1:9" if engine_name == "rabbitmq" else None
    url = f"sqlite:///{tmp_path}/jobs.db"
    jobs = Jobs(url, engine=engine_name, broker=broker)
    job = jobs.job(send)
    import sqlalchemy

    engine = sqlalchemy.create_engine(jobs.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (number INTEGER)")
        with pytest.raises(StoreError, match=r"call jobs\.prepare\(\) before it"):
            job.using(connection=connection).enqueue_sync(1)
    jobs.prepare()
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO mine VALUES (1)")
        if engine_name == "dbos":
            with pytest.raises(StoreError, match="nobody has used the queue 'new'"):
                job.using(connection=connection, queue="new").enqueue_sync(1)
        else:
            job.using(connection=connection, queue="new").enqueue_sync(1)
    assert len(jobs.list()) == (engine_name != "dbos")
    engine.dispose()
    jobs.close()


def test_an_event_makes_a_job_of_each_listener(jobs: Jobs) -> None:
    """In one transaction: if one of them cannot be stored, there is none."""

    @jobs.on("order.paid")
    def ship(order: int) -> None: ...

    @jobs.on("order.paid")
    @jobs.job(queue="mail")
    def thank(order: int) -> None: ...

    assert len(jobs.publish("order.paid", 7)) == 2
    assert {info.queue for info in jobs.list()} == {"default", "mail"}
    with pytest.raises(NotStorableError):
        jobs.publish("order.paid", threading.Lock())
    assert len(jobs.list()) == 2
    assert jobs.publish("order.lost", 7) == []
    ship(1)
    thank(1)


def test_a_cancelled_job_can_be_requeued(jobs: Jobs) -> None:
    """It keeps its id; one that waits already is left as it is."""
    handle = jobs.job(send).enqueue_sync(1)
    assert not jobs.requeue(handle.id)
    assert jobs.cancel(handle.id)
    assert not jobs.cancel(handle.id)

    assert jobs.requeue(handle.id)

    assert handle.status_sync() is JobStatus.QUEUED
    with pytest.raises(UnknownJobError, match="there is no job 'x'"):
        jobs.requeue("x")
    with pytest.raises(UnknownJobError):
        jobs.cancel("x")


def test_a_key_that_another_job_has_by_now(jobs: Jobs) -> None:
    """A dead letter of the same key waits for that one, and nobody has two of them."""
    job = jobs.job(send).using(key="k")
    first = job.enqueue_sync(1)
    first.cancel_sync()
    second = job.enqueue_sync(2)

    with pytest.raises(KeyTakenError, match=f"its key is that of job {second.id}"):
        jobs.requeue(first.id)
    second.cancel_sync()
    assert jobs.requeue(first.id)
    assert job.enqueue_sync(3).id == first.id
    assert first.info_sync().key == "k"


def test_names_and_keys_are_told_apart(jobs: Jobs) -> None:
    """However they are put together."""
    one = jobs.job(name="a|b")(send).using(key="c").enqueue_sync(1)
    other = jobs.job(name="a")(greet).using(key="b|c").enqueue_sync(1)

    assert one.id != other.id


def test_a_status_is_asked_for_in_the_store(jobs: Jobs) -> None:
    """And not among the newest hundred jobs of any."""
    job = jobs.job(send)
    late = job.using(delay=60).enqueue_sync(0)
    job.enqueue_many_sync([(number,) for number in range(5)])

    assert [each.id for each in jobs.list(status="DELAYED", limit=3)] == [late.id]
    assert len(jobs.list(status=JobStatus.QUEUED, limit=3)) == 3
    assert len(jobs.list(status=[JobStatus.QUEUED, JobStatus.DELAYED])) == 6
    with pytest.raises(ValueError, match="'queued' is not a valid JobStatus"):
        jobs.list(status="queued")
    with pytest.raises(ValueError, match="limit must not be negative, got -1"):
        jobs.list(limit=-1)
    with pytest.raises(TypeError, match="purge takes several ids"):
        jobs.purge(late.id)


def test_a_list_goes_on_where_the_last_part_of_it_ended(jobs: Jobs) -> None:
    """Whatever has come meanwhile, and however many came at the same moment."""
    job = jobs.job(send)
    ids = [each.id for each in job.enqueue_many_sync([(each,) for each in range(5)])]
    ids += [job.enqueue_sync(5).id]
    first = jobs.list(limit=2)
    job.enqueue_sync(6)
    second = jobs.list(limit=3, before=first[-1].id)
    third = jobs.list(limit=3, before=second[-1].id)

    assert first[0].id == ids[-1]
    assert sorted(each.id for each in [*first, *second, *third]) == sorted(ids)
    assert jobs.list(before=third[-1].id) == []
    with pytest.raises(UnknownJobError, match="there is no job 'x'"):
        jobs.list(before="x")


def test_some_jobs_are_asked_for_by_their_ids(jobs: Jobs) -> None:
    """As many as are there, in one go."""
    job = jobs.job(send)
    one, _, other = job.enqueue_many_sync([(each,) for each in range(3)])

    found = jobs.list(ids=[one.id, "x", other.id])

    assert {each.id for each in found} == {one.id, other.id}
    assert jobs.list(ids=[]) == []
    with pytest.raises(TypeError, match="ids are several"):
        jobs.list(ids=one.id)


def test_jobs_of_several_queues_are_one_list(jobs: Jobs) -> None:
    """And those of one, or of none."""
    job = jobs.job(send)
    ids = [job.using(queue=queue).enqueue_sync(1).id for queue in ("a", "b", "c")]

    assert [each.id for each in jobs.list(queue=["a", "c"])] == [ids[2], ids[0]]
    assert [each.id for each in jobs.list(queue="b")] == [ids[1]]
    assert jobs.list(queue=[]) == []


def test_queues_that_are_asked_for_are_counted(jobs: Jobs) -> None:
    """Although they have neither a job nor a worker of their own."""
    assert jobs.stats() == []
    jobs.job(send).using(queue="a").enqueue_sync(1)

    found = jobs.stats(queues=["a", "b"])

    assert [(each.queue, each.queued, each.workers) for each in found] == [
        ("a", 1, 0),
        ("b", 0, 0),
    ]
    with pytest.raises(ValueError, match="a queue's name"):
        jobs.stats(queues=[" "])


def test_what_was_written_beside_the_jobs_is_read(jobs: Jobs) -> None:
    """While somebody else writes, too."""
    with jobs.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (number INTEGER)")
        connection.exec_driver_sql("INSERT INTO mine VALUES (7)")

    with jobs.transaction(), jobs.reading() as other:
        assert other.exec_driver_sql("SELECT number FROM mine").scalar() == 7


async def awaited(jobs: Jobs) -> None:
    await jobs.job(send).enqueue(1)


@pytest.mark.parametrize(
    "call",
    [
        lambda jobs: jobs.job(send).enqueue_sync(1),
        lambda jobs: asyncio.run(awaited(jobs)),
        lambda jobs: jobs.transaction().__enter__(),
        lambda jobs: jobs.cancel("x"),
        lambda jobs: jobs.requeue("x"),
        lambda jobs: jobs.purge(["x"]),
        lambda jobs: jobs.sweep(),
    ],
    ids=["enqueue", "await", "nested", "cancel", "requeue", "purge", "sweep"],
)
def test_a_thread_does_not_wait_for_its_own_transaction(
    jobs: Jobs, call: Callable[[Jobs], object]
) -> None:
    """It is told so at once, and how to enqueue there."""
    job = jobs.job(send)
    job.using(job_id="x").enqueue_sync(1)
    with (
        jobs.transaction(),
        pytest.raises(StoreError, match=r"job\.using\(connection=connection\)"),
    ):
        call(jobs)
    assert job.enqueue_sync(2).status_sync() is JobStatus.QUEUED


def test_a_task_that_was_begun_in_a_transaction_outlives_it(jobs: Jobs) -> None:
    """Then it may enqueue as anybody may, and so may other tasks meanwhile."""
    job = jobs.job(send)

    async def main() -> list[str]:
        over = asyncio.Event()

        async def later() -> str:
            await over.wait()
            return (await job.enqueue(1)).id

        other = asyncio.create_task(job.enqueue(2))
        with jobs.transaction() as connection:
            inside = await job.using(connection=connection).enqueue(3)
            task = asyncio.create_task(later())
            await asyncio.sleep(0)
        over.set()
        return [inside.id, await task, (await other).id]

    ids = asyncio.run(main())
    assert sorted(info.id for info in jobs.list()) == sorted(ids)


@pytest.mark.parametrize(
    "using",
    [
        {"delay": 1e300},
        {"delay": math.nan},
        {"delay": timedelta.max},
        {"delay": -1},
        {"run_after": datetime.max.replace(tzinfo=UTC)},
        {"keep": timedelta.max},
        {"key": "\ud800"},
        {"job_id": "a\0"},
    ],
)
def test_what_no_calendar_has_is_refused(jobs: Jobs, using: dict[str, Any]) -> None:
    """One such job would keep all of them from being listed."""
    with pytest.raises(ValueError, match=f"{next(iter(using))} must"):
        jobs.job(send).using(**using)


def test_waiting_for_a_result_has_a_limit(jobs: Jobs) -> None:
    """The job itself goes on."""
    handle = jobs.job(send).enqueue_sync(1)
    with pytest.raises(TimeoutError, match=r"not over within 0\.05 s"):
        handle.result_sync(0.05)
    with pytest.raises(TimeoutError):
        asyncio.run(handle.result(0.05))
    with pytest.raises(UnknownJobError):
        jobs.handle("x").result_sync(1)


def test_old_jobs_are_swept(jobs: Jobs) -> None:
    """What has a time at which it goes: not what is dead, nor what is not over."""
    job = jobs.job(send)
    gone = job.using(keep=timedelta(0)).enqueue_sync(1)
    kept, waits = job.enqueue_sync(2), job.enqueue_sync(3)
    gone.cancel_sync()
    kept.cancel_sync()
    dead = job.using(keep=timedelta(0)).enqueue_sync(4)
    set_state(jobs, dead.id, "FAILED")

    assert jobs.sweep() == 1

    assert {info.id for info in jobs.list()} == {kept.id, waits.id, dead.id}
    assert jobs.purge([dead.id, waits.id, "x"]) == 1
    assert [info.id for info in jobs.dead()] == []


def set_state(jobs: Jobs, job: str, state: str) -> None:
    with jobs.base.database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE cotality_jobs SET state = ? WHERE id = ?", (state, job)
        )


@pytest.mark.one_python
def test_sweeping_keeps_the_file_small(jobs: Jobs) -> None:
    """Round after round, whatever has been in it."""
    job = jobs.job(send).using(keep=timedelta(0))
    sizes: list[Any] = []  # Any: of a row
    for _ in range(3):
        ids = [each.id for each in job.enqueue_many_sync([(i,) for i in range(200)])]
        jobs.base.engine.withdraw([ticket_of(jobs.base, each) for each in ids])
        with jobs.base.database.writing() as connection:
            connection.exec_driver_sql(
                "UPDATE cotality_jobs SET state = 'SUCCEEDED', expires_at = 1"
            )
        assert jobs.sweep() == 200
        jobs.base.engine.clean(older_than_s=0)
        with jobs.base.database.reading() as connection:
            sizes.append(connection.exec_driver_sql("PRAGMA page_count").scalar())
    assert sizes[2] <= sizes[0] * 1.1


def with_broker(url: str) -> Jobs:
    return Jobs("sqlite:///jobs.db", engine="rabbitmq", broker=url)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Jobs("redis://x"), "no engine for 'redis': use sqlite:///jobs.db"),
        (lambda: Jobs("amqp://x"), "a broker is not a store: Jobs"),
        (lambda: Jobs("sqlite:///j.db", engine="rabbitmq"), "needs a broker, such as"),
        (lambda: Jobs("sqlite:///j.db", broker="amqp://x"), "is for engine='rabbitmq'"),
        (
            lambda: Jobs.from_env("PATH", engine="rabbitmq"),
            "COTALITY_JOBS_BROKER is not set",
        ),
        (lambda: with_broker("redis://x"), "got a URL with 'redis'"),
        (lambda: with_broker("amqp:///x"), "has to name a host"),
        (lambda: with_broker("amqp://x:port"), "cannot be read"),
        (lambda: with_broker("amqp://x?beat=1"), "has beat, which nobody knows"),
        (lambda: Jobs("sqlite://"), "they need a file"),
        (lambda: Jobs("sqlite:///:memory:"), "they need a file"),
        (lambda: Jobs.from_env("NOT_SET_AT_ALL"), "NOT_SET_AT_ALL is not set"),
        (lambda: a_job().using(priority=101), "priority goes from -100 to 100"),
        (lambda: a_job().using(delay=-1), "delay"),
        (lambda: a_job().using(run_after=datetime(2027, 1, 1)), "in which time zone"),
        (
            lambda: a_job().using(delay=1, run_after=datetime.now(UTC)),
            "say delay or run_after",
        ),
        (lambda: a_job().using(key=""), "key must have 1 to 500 characters"),
        (lambda: a_job().using(queue="_dbos_x"), "a queue's name begins with"),
        (lambda: a_job(timeout=1, runs_on="threads"), "a thread cannot be ended"),
        (lambda: a_job(runs_on="gpu"), "runs_on must be one of"),
        (lambda: a_job(codec="yaml"), "codec must be 'json' or 'pickle'"),
        (lambda: a_job(keep=timedelta(-1)), "keep must not be negative"),
        (lambda: a_job(retries=-1), "retries must be at least 0"),
        (
            lambda: Jobs("sqlite:///x.db").queue("a", concurrency=0),
            "concurrency must be",
        ),
        (lambda: twice(), "there is a job 'same' already"),
    ],
)
def test_what_is_said_is_checked_at_once(
    call: Callable[[], object], message: str
) -> None:
    """By the call that says it, with the value in the message."""
    with pytest.raises(ValueError, match=message):
        call()


def a_job(**options: Any) -> Any:  # Any: wrong ones
    return Jobs("sqlite:///x.db").job(**options)(send)


def twice() -> None:
    jobs = Jobs("sqlite:///x.db")
    jobs.job(name="same")(send)
    jobs.job(name="same")(greet)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Jobs(7),  # type: ignore[arg-type]
        lambda: a_job(retries="3"),
        lambda: a_job().using(priority=1.5),
        lambda: a_job().enqueue_many_sync([1]),
        lambda: a_job().enqueue_sync(1, 2, 3),
        lambda: a_job(queue=None),
        lambda: Jobs("sqlite:///x.db").queue("a", rate=3),  # type: ignore[arg-type]
        lambda: Jobs("sqlite:///x.db").job(7),  # type: ignore[call-overload]
    ],
)
def test_what_is_of_the_wrong_kind_is_a_type_error(call: Callable[[], object]) -> None:
    """Before anything is opened."""
    with pytest.raises(TypeError):
        call()


def test_a_queue_takes_the_rate_of_the_core(jobs: Jobs) -> None:
    """And `Retry` is the core's, too."""
    jobs.queue("api", concurrency=4, rate=Rate(100, per=60))
    limits = jobs.registry.limits["api"]

    assert (limits.concurrency, limits.rate) == (4, (100, 60))
    assert jobs.job(retries=Retry(4))(send).definition.options.retry.attempts == 5


def test_no_job_runs_outside_of_a_worker() -> None:
    """`current_job` says so."""
    with pytest.raises(RuntimeError, match="no job runs here"):
        current_job()


@pytest.mark.parametrize("what", ["full", "read-only", "a folder", "not a database"])
def test_a_store_that_refuses_is_told(tmp_path: Path, what: str) -> None:
    """The call raises, and nothing half is written."""
    with Jobs(f"sqlite:///{tmp_path}/jobs.db") as jobs:
        job = jobs.job(send)
        job.enqueue_sync(1)
    spoil(tmp_path / "jobs.db", what)
    with Jobs(f"sqlite:///{tmp_path}/jobs.db") as jobs:
        job = jobs.job(send)
        if what == "full":
            fill(jobs)
        with pytest.raises(StoreError, match="the store sqlite:///"):
            job.enqueue_many_sync([(number, "x" * 1000) for number in range(50)])
        if what in ("full", "read-only"):
            assert len(jobs.list()) == 1


def spoil(file: Path, what: str) -> None:
    if what == "read-only":
        # Root may write wherever it likes, so the file itself says that it may not: a
        # version of the format that no SQLite writes.
        data = bytearray(file.read_bytes())
        data[18] = 3
        file.write_bytes(data)
    elif what == "a folder":
        file.unlink()
        file.mkdir()
    elif what == "not a database":
        file.write_bytes(b"this is no database at all" * 100)


def fill(jobs: Jobs) -> None:
    """As a disk that has no more room: SQLite says the same then."""
    from sqlalchemy import event

    def limit(connection: sqlite3.Connection, record: object) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(jobs.base.database.engine, "connect", limit)


def test_a_store_of_another_release_is_not_touched(jobs: Jobs) -> None:
    """And the error says what to do."""
    jobs.prepare()
    with jobs.base.database.writing() as connection:
        connection.exec_driver_sql("UPDATE cotality_version SET version = 99")
    with Jobs(jobs.url) as others, pytest.raises(StoreError, match="version 99"):
        others.job(send).enqueue_sync(1)


def test_a_writer_waits_for_another_one_and_not_for_ever(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on when that has ended, and is told after a while; nothing is stored."""
    job = jobs.job(send)
    jobs.prepare()
    other = sqlite3.connect(
        tmp_path / "jobs.db", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.execute, ["COMMIT"])
    timer.start()
    job.enqueue_sync(1)
    timer.join()

    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(database, "BUSY_S", 0.1)
    with pytest.raises(StoreError, match=r"locked\. Nothing of this call was stored"):
        job.enqueue_sync(2)
    monkeypatch.undo()
    other.execute("ROLLBACK")
    other.close()
    assert len(jobs.list()) == 1
    # SQLite waits by itself where it is not asked for a transaction that writes.
    with jobs.base.database.writing() as connection:
        found = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert found == 1000 * database.BUSY_S


def test_processes_that_begin_at_once_make_one_store(tmp_path: Path) -> None:
    """Each of them stores its job, and none is told that something is locked."""
    script = tmp_path / "enqueue.py"
    script.write_text(
        f"""
from tests.jobs.test_store import send
from cotality.jobs import Jobs
print(Jobs("sqlite:///{tmp_path}/jobs.db").job(send).enqueue_sync(1).id)
""",
        "utf-8",
    )
    programs = [
        subprocess.Popen(
            [sys.executable, f"{script}"],
            env=environment_of_scripts(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ended = [each.communicate(timeout=2 * LONG_S) for each in programs]
    assert [error for _, error in ended] == [""] * 3
    with Jobs(f"sqlite:///{tmp_path}/jobs.db") as jobs:
        found = {info.id for info in jobs.list()}
    assert found == {out.strip() for out, _ in ended}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork beside threads
def test_a_forked_process_has_connections_of_its_own(jobs: Jobs) -> None:
    """As those of a web server that loads its program first."""
    job = jobs.job(send)
    job.enqueue_sync(1)
    pid = os.fork()
    if pid == 0:
        job.enqueue_sync(2)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    job.enqueue_sync(3)

    assert len(jobs.list()) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # likewise
@pytest.mark.parametrize("what", ["cotality_version", "connection"])
def test_a_fork_while_a_thread_waits_for_the_store(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The child does not wait for a thread that it does not have."""
    job = jobs.job(send)
    jobs.prepare()
    jobs.close()
    is_there, go_on = threading.Event(), threading.Event()
    module, name = {
        "cotality_version": (base, "has_tables"),
        "connection": (database, "made_engine"),
    }[what]
    right = getattr(module, name)

    def slow(*args: Any, **kwargs: Any) -> Any:  # Any: as the right one
        is_there.set()
        assert go_on.wait(LONG_S)
        return right(*args, **kwargs)

    monkeypatch.setattr(module, name, slow)
    thread = threading.Thread(target=job.enqueue_sync, args=[1])
    thread.start()
    assert is_there.wait(LONG_S)
    monkeypatch.setattr(module, name, right)
    pid = os.fork()
    if pid == 0:
        try:
            job.enqueue_sync(2)
            os._exit(0)
        finally:
            os._exit(1)
    ended: list[int] = []

    def has_ended() -> bool:
        ended.extend(each for each in os.waitpid(pid, os.WNOHANG) if each)
        return bool(ended)

    try:
        wait_until(has_ended)
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        go_on.set()
        thread.join()
    assert ended == [pid]
    assert len(jobs.list()) == 2


def test_a_user_without_a_name_has_a_place_for_locks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container that is given any number for its user."""
    if sys.platform == "win32":
        pytest.skip("users have names there")

    def unknown() -> str:
        raise KeyError(f"getpwuid(): uid not found: {os.getuid()}")

    monkeypatch.setattr("getpass.getuser", unknown)
    folder = folder_of(database.Database("postgresql://user@host/name"))
    assert folder.parent.name == f"cotality-{os.getuid()}"


def test_who_serves_all_queues_serves_those_that_others_name(jobs: Jobs) -> None:
    """Also while no job is in them, and whoever came first."""
    jobs.prepare()
    with jobs.base.database.writing() as connection:
        now = jobs.base.database.now(connection)
        for slot, queues in (("0", {workers.ALL: 4}), ("1", {"mail": 2})):
            row = workers.WorkerRow(slot, slot, "here", 1, queues, "", now, now)
            workers.join(connection, row)

    [mail] = jobs.stats()

    assert (mail.queue, mail.workers, mail.slots) == ("mail", 2, 6)
