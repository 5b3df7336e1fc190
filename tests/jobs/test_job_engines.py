"""What every engine keeps to: the same tests for each of them, on each store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from cotality.jobs._jobs.api.base import Base
from cotality.jobs._jobs.engines.choosing import EngineName
from cotality.jobs._jobs.engines.protocol import JobEngine, Limits
from cotality.jobs._jobs.store import moves, workers
from cotality.jobs._jobs.store.moves import NewJob, Placed, Raised, Ticket
from cotality.jobs._jobs.store.workers import DEAD_AFTER_S, WorkerRow
from cotality.jobs._jobs.working.taking_over import bury_the_dead
from tests.jobs.engines import broker_for
from tests.jobs.shop import Shop
from tests.jobs.workers import WorkerProgram
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S
from tests.kit.stores import KINDS, store_of

pytest.importorskip("sqlalchemy")
pytestmark = pytest.mark.one_python

POLL_S = 0.05


@pytest.fixture(scope="module", params=get_args(EngineName))
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    return name


@pytest.fixture(scope="module", params=KINDS)
def store(
    request: pytest.FixtureRequest,
    engine: EngineName,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    with store_of(request.param, tmp_path_factory.mktemp("engine")) as url:
        yield url


@pytest.fixture(scope="module")
def broker(engine: EngineName) -> str | None:
    return broker_for(engine)


@pytest.fixture
def base(store: str, engine: EngineName, broker: str | None) -> Iterator[Base]:
    made = Base(store, engine, broker)
    made.ready()
    yield made
    made.close()


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> str:
    return f"q{abs(hash(request.node.name))}"


@pytest.fixture
def serve(base: Base, queue: str) -> Iterator[Callable[..., JobEngine]]:
    """Makes a worker of the engine that runs tickets; only one in a process."""
    served: list[JobEngine] = []

    def begin(
        run: Callable[[Ticket], None], slots: int = 4, limits: Limits | None = None
    ) -> JobEngine:
        base.engine.limit(queue, limits or Limits(), slots, POLL_S)
        base.engine.serve(
            f"worker-{queue}", [queue], run, lambda name, held: slots - held[name]
        )
        served.append(base.engine)
        return base.engine

    yield begin
    for engine in served:
        engine.stop(1)


def hand_over(
    base: Base, queue: str, *names: str, priority: int = 0, delay: float = 0.0
) -> list[Ticket]:
    base.ready({queue})
    tickets = [Ticket(f"{queue}-{name}", 1) for name in names]
    with base.database.writing() as connection:
        for ticket in tickets:
            base.engine.hand_over(connection, Placed(ticket, queue, priority), delay)
    return tickets


class Ran:
    """What was run, in order."""

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []
        self.times: list[float] = []
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, ticket: Ticket) -> None:
        with self.lock:
            self.tickets.append(ticket)
            self.times.append(time.time())
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        with self.lock:
            self.now -= 1


def test_a_ticket_goes_to_one_worker(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """Whether it was handed over before the worker began, or after; and once."""
    ran = Ran()
    before = hand_over(base, queue, "a", "b")
    serve(ran)
    after = hand_over(base, queue, "c")

    wait_until(lambda: len(ran.tickets) == 3)

    assert sorted(ran.tickets, key=str) == [*before, *after]


def test_what_was_rolled_back_never_was(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """A ticket is part of the transaction in which it was handed over."""
    ran = Ran()
    base.ready({queue})

    def fail() -> None:
        with base.database.writing() as connection:
            base.engine.hand_over(connection, Placed(Ticket("x", 1), queue, 0), 0)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    serve(ran)
    (ticket,) = hand_over(base, queue, "a")
    wait_until(lambda: bool(ran.tickets))
    assert ran.tickets == [ticket]


def test_a_ticket_may_be_for_later(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """Others go first meanwhile."""
    ran = Ran()
    serve(ran)
    (late,) = hand_over(base, queue, "late", delay=1.5)
    start = time.time()
    (soon,) = hand_over(base, queue, "soon")
    wait_until(lambda: len(ran.tickets) == 2)
    assert ran.tickets == [soon, late]
    assert ran.times[1] - start > 1.3


def test_what_was_withdrawn_is_not_run(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """Of many at once."""
    ran = Ran()
    gone = hand_over(base, queue, "a", "b")
    (kept,) = hand_over(base, queue, "c")
    base.engine.withdraw(gone)
    serve(ran)
    wait_until(lambda: bool(ran.tickets))
    assert ran.tickets == [kept]


def test_larger_priorities_are_sooner(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """And those that came first, where they are alike."""
    ran = Ran()
    low = hand_over(base, queue, "a", "b", "c", priority=-100)
    high = hand_over(base, queue, "d", "e", priority=100)
    serve(ran, slots=1)
    wait_until(lambda: len(ran.tickets) == 5)
    assert ran.tickets == [*high, *low]


def test_so_many_run_at_once(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """No more than the limit, of the queue and of the worker."""
    ran = Ran()
    hand_over(base, queue, *"abcdefgh")
    serve(ran, slots=8, limits=Limits(concurrency=2))
    wait_until(lambda: len(ran.tickets) == 8)
    assert ran.most <= 2


def test_so_many_start_in_a_time(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """Three in any two seconds, so the fourth after that, however late one begins."""
    ran = Ran()
    hand_over(base, queue, *"abcde")
    began = time.time()
    serve(ran, slots=8, limits=Limits(rate=(3, 2.0)))
    wait_until(lambda: len(ran.tickets) == 5)
    assert ran.times[3] - began > 1.99


def test_tickets_of_the_dead_are_found(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """By the name of who had them, until they are dropped."""
    held, release = threading.Event(), threading.Event()

    def run(ticket: Ticket) -> None:
        held.set()
        release.wait(LONG_S)

    serve(run)
    (ticket,) = hand_over(base, queue, "a")
    assert held.wait(LONG_S)

    name = f"worker-{queue}"
    assert base.engine.held_by_others([])[name] == [ticket]
    assert name not in base.engine.held_by_others([name])
    base.engine.drop([ticket])
    assert name not in base.engine.held_by_others([])
    release.set()


def test_who_was_stopped_takes_nothing(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """And waits for what it is at."""
    ended, held = threading.Event(), threading.Event()

    def run(ticket: Ticket) -> None:
        held.set()
        time.sleep(0.3)
        ended.set()

    engine = serve(run)
    hand_over(base, queue, "a")
    assert held.wait(LONG_S)
    engine.stop(5)
    assert ended.is_set()
    hand_over(base, queue, "b")
    ended.clear()
    assert not ended.wait(0.3)


def test_tickets_that_are_over_are_forgotten(
    base: Base, queue: str, serve: Callable[..., JobEngine]
) -> None:
    """The rows of those that wait are not."""
    ran = Ran()
    engine = serve(ran)
    hand_over(base, queue, "a", "b")
    hand_over(base, queue, "later", delay=3600)
    wait_until(lambda: len(ran.tickets) == 2)

    def rows_left() -> int:
        engine.clean(older_than_s=-3600)
        return rows_of(base, queue)

    wait_until(lambda: rows_left() == 1)


def rows_of(base: Base, queue: str) -> int:
    table, column = "cotality_tickets", "queue"
    if base.engine_name == "dbos":
        table, column = "workflow_status", "queue_name"
        if not base.database.is_sqlite:
            table = f"dbos.{table}"
    with base.database.reading() as connection:
        count: int = connection.exec_driver_sql(
            f"SELECT COUNT(*) FROM {table} WHERE {column} = '{queue}'"
        ).scalar_one()
        return count


def test_a_machine_that_gives_no_sign_is_dead(base: Base, queue: str) -> None:
    """Its jobs get new tickets; those of one that lives elsewhere do not."""
    for name, silent in (("dead", DEAD_AFTER_S + 1), ("alive", 0.0)):
        job = NewJob(f"{queue}-{name}", "f", queue, 0, "{}", 0, None, None, 60)
        base.ready({queue})
        with base.database.writing() as connection:
            now = base.database.now(connection)
            moves.add(connection, job, now)
            moves.begin(connection, Ticket(job.id, 1), name, now)
            row = WorkerRow(
                name, name, "elsewhere", 1, {queue: 1}, "x", 0, now - silent
            )
            workers.join(connection, row)
            workers.beat(connection, name, {queue: 1}, now - silent)

    bury_the_dead(base, "me", thorough=False)

    with base.database.writing() as connection:
        found = {
            name: moves.one(
                connection,
                "SELECT state, ticket, lost FROM cotality_jobs WHERE id = :id",
                id=f"{queue}-{name}",
            )
            for name in ("dead", "alive")
        }
        left = {row.id for row in workers.all_workers(connection)}
        workers.leave(connection, "alive")
    assert found["dead"] == {"state": "QUEUED", "ticket": 2, "lost": 1}
    assert found["alive"] == {"state": "RUNNING", "ticket": 1, "lost": 0}
    assert "alive" in left
    assert "dead" not in left


def test_who_was_taken_for_dead_changes_nothing(base: Base, queue: str) -> None:
    """Its job is with another one, whose result counts."""
    job = NewJob(f"{queue}-it", "f", queue, 0, "{}", 0, None, None, 60)
    raised = Raised("LostWorkerError", "gone")
    with base.database.writing() as connection:
        moves.add(connection, job, 1)
        first = moves.begin(connection, Ticket(job.id, 1), "first", 2)
        assert first is not None
        assert moves.take_over(connection, first.ticket, 3, 9, raised) is not None
        assert moves.take_over(connection, first.ticket, 3, 9, raised) is None
        assert moves.begin(connection, Ticket(job.id, 1), "first", 4) is None
        second = moves.begin(connection, Ticket(job.id, 2), "second", 5)
        assert second is not None
        assert not moves.succeed(connection, first, "1", 6)
        assert not moves.bury(connection, first, raised, 6)
        assert moves.go_back(connection, first, 6) is None
        assert moves.retry(connection, first, raised, 7, 6, new_ticket=True) is None
        assert moves.succeed(connection, second, "2", 7)
        assert moves.take_over(connection, second.ticket, 8, 9, raised) is None


def test_a_killed_worker_loses_nothing(
    store: str, engine: EngineName, broker: str | None, tmp_path: Path
) -> None:
    """From end to end, on each store."""
    shop = Shop(store, engine, broker)
    names: list[int] = [*range(20)]
    handles = shop.work.using(queue="all").enqueue_many_sync(
        [(0.05, number) for number in names]
    )
    options = ("--queue", "all=2")
    with (
        WorkerProgram(store, tmp_path, *options, engine=engine, broker=broker) as first,
        WorkerProgram(store, tmp_path, *options, engine=engine, broker=broker),
    ):
        wait_until(lambda: shop.jobs.handle(handles[4].id).status_sync().is_over)
        first.kill()
        assert [each.result_sync(LONG_S) for each in handles] == names
    found = [attempt.outcome for each in handles for attempt in each.attempts_sync()]
    assert found.count("succeeded") == len(names)
    assert set(found) <= {"succeeded", "lost"}
    shop.jobs.close()
