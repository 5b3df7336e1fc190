"""Engines whose tickets are rows of our own, beyond what every engine keeps to."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cotality.jobs import Jobs, StoreError
from cotality.jobs._jobs.api.base import Base
from cotality.jobs._jobs.engines.choosing import EngineName
from cotality.jobs._jobs.engines.protocol import Limits
from cotality.jobs._jobs.store import moves
from cotality.jobs._jobs.store.moves import Placed, Ticket, execute
from tests.jobs.engines import OURS, broker_for
from tests.kit.at_once import at_once
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S
from tests.kit.postgres import Server, postgres_server

pytest.importorskip("sqlalchemy")
pytestmark = pytest.mark.one_python

POLL_S = 0.02


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture(params=OURS)
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    return name


@pytest.fixture
def broker(engine: EngineName) -> str | None:
    return broker_for(engine)


@pytest.fixture
def base(url: str, engine: EngineName, broker: str | None) -> Iterator[Base]:
    made = ready(url, engine, broker)
    yield made
    made.engine.stop(1)
    made.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres_server() as made:
        yield made


def ready(url: str, engine: EngineName = "tables", broker: str | None = None) -> Base:
    base = Base(url, engine, broker)
    base.ready()
    base.engine.limit("q", Limits(), 4, POLL_S)
    return base


def hand_over(base: Base, *names: str, queue: str = "q") -> list[Ticket]:
    tickets = [Ticket(name, 1) for name in names]
    with base.database.writing() as connection:
        for ticket in tickets:
            base.engine.hand_over(connection, Placed(ticket, queue, 0), 0)
    return tickets


def four(queue: str, held: Mapping[str, int]) -> int:
    """Places of each queue."""
    return 4 - held.get(queue, 0)


class Ran:
    """What was run, by any of several workers."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.lock = threading.Lock()
        self.count: Counter[str] = Counter()
        self.now = self.most = 0

    def __call__(self, ticket: Ticket) -> None:
        with self.lock:
            self.count[ticket.job] += 1
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1


def test_what_was_taken_is_run_though_the_answer_was_lost(base: Base) -> None:
    """A connection may end just after a worker has got tickets, before it knows."""
    hand_over(base, "a", "b")
    with base.database.writing() as connection:
        execute(connection, "UPDATE cotality_tickets SET worker = 'me'")
    ran = Ran()

    base.engine.serve("me", ["q"], ran, four)

    wait_until(lambda: ran.count == {"a": 1, "b": 1})


def test_a_server_that_was_away_is_served_again(server: Server) -> None:
    """Its tickets are there, and each is run once."""
    base, ran = ready(server.url), Ran()
    hand_over(base, "before")
    base.engine.serve("me", None, ran, four)
    wait_until(lambda: bool(ran.count))
    server.stop()
    time.sleep(3 * POLL_S)  # in which it finds nobody there
    server.start()

    hand_over(base, *"abc")

    wait_until(lambda: len(ran.count) == 4)
    base.engine.stop(1)
    assert set(ran.count.values()) == {1}
    base.close()


def test_many_workers_share_what_there_is(
    url: str, engine: EngineName, broker: str | None
) -> None:
    """Each ticket goes to one of them, and the limit of a queue holds for all."""
    ran, limited = Ran(), Ran(0.01)
    bases = [ready(url, engine, broker) for _ in range(4)]

    def run(ticket: Ticket) -> None:
        (limited if ticket.job.startswith("limited") else ran)(ticket)

    for number, base in enumerate(bases):
        base.engine.limit("limited", Limits(concurrency=3), 4, POLL_S)
        base.engine.serve(f"{number}", None, run, four)
    for batch in range(20):
        hand_over(bases[0], *(f"{batch} {number}" for number in range(10)))
        hand_over(bases[0], f"limited {batch}", queue="limited")

    wait_until(lambda: len(ran.count) == 200 and len(limited.count) == 20)
    for base in bases:
        base.engine.stop(LONG_S)
        base.close()
    assert {*ran.count.values(), *limited.count.values()} == {1}
    assert limited.most <= 3
    assert not Base(url, engine, broker).engine.held_by_others([])


def two_places(queue: str, held: Mapping[str, int]) -> int:
    """Places that all queues have together."""
    return 2 - sum(held.values())


@pytest.mark.parametrize(
    "limits", [Limits(rate=(1, 600.0)), Limits(concurrency=1)], ids=["rate", "count"]
)
def test_what_a_limit_keeps_back_takes_no_place(base: Base, limits: Limits) -> None:
    """Of the two there are, the other queue has the one that is left."""
    ran, end = Ran(), threading.Event()

    def run(ticket: Ticket) -> None:
        ran(ticket)
        if ticket.job == "held":
            end.wait(LONG_S)

    base.engine.limit("a", limits, 4, POLL_S)
    hand_over(base, "held", "later", "much later", queue="a")
    base.engine.serve("me", None, run, two_places)
    wait_until(lambda: ran.count["held"] == 1)

    hand_over(base, "other", queue="b")
    try:
        wait_until(lambda: ran.count["other"] == 1)
    finally:
        end.set()


def test_a_rate_goes_on_after_the_clock_was_set_back(base: Base) -> None:
    """What has started before, by a clock that was an hour ahead, does not count."""
    ran = Ran()
    base.engine.limit("q", Limits(rate=(1, 60.0)), 4, POLL_S)
    with base.database.writing() as connection:
        execute(
            connection,
            "INSERT INTO cotality_starts (queue, started_at) VALUES ('q', :at)",
            at=time.time() + 3600,
        )
    hand_over(base, "a", "b")
    base.engine.serve("me", ["q"], ran, four)

    wait_until(lambda: ran.count["a"] == 1)
    assert ran.count == {"a": 1}


def test_many_keys_in_any_order(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who write the same ones do not wait for each other for ever."""
    jobs = Jobs(server.url)
    job = jobs.job(unique=lambda number: f"{number}")(work)
    jobs.prepare()
    both = threading.Barrier(2)
    right = moves.add

    def add(*args: Any) -> bool:
        added = right(*args)
        try:
            both.wait(1)  # for the other one to have its first one as well, if it can
        except threading.BrokenBarrierError:
            pass
        return added

    monkeypatch.setattr(moves, "add", add)
    orders = [(1,), (2,)], [(2,), (1,)]
    at_once(*(partial(job.enqueue_many_sync, order) for order in orders))

    assert len(jobs.list()) == 2
    jobs.close()


def work(number: int) -> None: ...


def test_queues_take_turns(base: Base) -> None:
    """The one whose name comes last does not wait until the others are empty."""
    order: list[str] = []

    def run(ticket: Ticket) -> None:
        order.append(ticket.job)
        time.sleep(POLL_S)

    hand_over(base, *(f"a{number}" for number in range(50)), queue="a")
    hand_over(base, "z", queue="z")
    base.engine.serve("me", None, run, two_places)

    wait_until(lambda: len(order) == 51)
    assert order.index("z") <= 5


def test_a_new_job_may_have_the_id_of_one_that_was_purged(base: Base) -> None:
    """While a worker still has the ticket of the old one, and lets go of it later."""
    begun, end, ran = threading.Event(), threading.Event(), Ran()

    def run(ticket: Ticket) -> None:
        ran(ticket)
        begun.set()
        end.wait(LONG_S)

    base.engine.serve("me", ["q"], run, four)
    hand_over(base, "id")
    assert begun.wait(LONG_S)
    hand_over(base, "id")
    end.set()

    wait_until(lambda: ran.count["id"] == 2)


def test_a_ticket_that_cannot_have_a_thread_yet_is_run_later(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may refuse one when a machine is full."""
    ran, left = Ran(), [3]
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.daemon and thread.name != "jobs-serving" and left[0]:
            left[0] -= 1
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    hand_over(base, "a", "b")
    base.engine.serve("me", ["q"], ran, four)

    wait_until(lambda: ran.count == {"a": 1, "b": 1})


def test_a_store_belongs_to_its_engine(url: str) -> None:
    """With another one, what waits there would wait for ever."""
    pytest.importorskip("dbos")
    with Jobs(url, engine="dbos") as jobs:
        jobs.prepare()

    with (
        Jobs(url) as jobs,
        pytest.raises(StoreError, match=r"use Jobs\(\.\.\., engine='dbos'\)"),
    ):
        jobs.prepare()
    with pytest.raises(
        ValueError, match="must be one of 'tables', 'dbos', 'rabbitmq', got 'x'"
    ):
        Jobs(url, engine="x")  # type: ignore[arg-type]
