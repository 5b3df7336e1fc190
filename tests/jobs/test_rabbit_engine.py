"""The engine whose turns come from RabbitMQ, and what becomes of it without that."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cotality.jobs import Jobs, StoreError
from cotality.jobs._jobs.api.base import Base
from cotality.jobs._jobs.engines.protocol import Limits
from cotality.jobs._jobs.engines.rabbit import link
from cotality.jobs._jobs.engines.rabbit.broker import broker_of
from cotality.jobs._jobs.store.moves import Placed, Ticket
from tests.jobs.chaos import chaos
from tests.jobs.shop import Shop, add
from tests.kit.cut_line import cut_line
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S, POLL_S
from tests.kit.rabbitmq import RabbitServer, programs, rabbit_server, shared_rabbit
from tests.kit.tls_line import has_openssl, tls_line

pytest.importorskip("sqlalchemy")
amqp: Any = pytest.importorskip("amqp")
if programs() is None:
    pytest.skip(
        "needs the programs of RabbitMQ, such as rabbitmq-server",
        allow_module_level=True,
    )
pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def shared() -> str:
    """A server that runs, for tests that leave it as it is."""
    return shared_rabbit()


@pytest.fixture(scope="module")
def own() -> Iterator[RabbitServer]:
    """A server for tests that do something to it."""
    with rabbit_server() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def ready(store: str) -> Iterator[Callable[..., Base]]:
    """Makes bases of engines that are stopped in the end."""
    with ExitStack() as stack:

        def make(broker: str) -> Base:
            base = Base(store, "rabbitmq", broker)
            stack.callback(base.close)
            stack.callback(base.engine.stop, 1)
            base.ready()
            return base

        yield make


class Ran:
    """What was run, how often, and what of it with a turn."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.lock = threading.Lock()
        self.count: Counter[str] = Counter()
        self.order: list[str] = []
        self.serving: Any = None  # Any: of the engine, with what only it has
        self.by_turn: set[str] = set()

    def __call__(self, ticket: Ticket) -> None:
        with self.lock:
            if self.serving is not None and self.has_turn(ticket):
                self.by_turn.add(ticket.job)
            self.count[ticket.job] += 1
            self.order.append(ticket.job)
        time.sleep(self.seconds)

    def has_turn(self, ticket: Ticket) -> bool:
        held, used = dict(self.serving.held), dict(self.serving.used)
        return any(held[each].ticket == ticket for each in held.keys() & used.keys())


def serve(base: Base, run: Callable[[Ticket], None], slots: int = 4) -> None:
    base.engine.limit("q", Limits(), slots, 0.05)
    base.engine.serve("it", ["q"], run, lambda name, held: slots - held[name])
    if isinstance(run, Ran):
        run.serving = engine_of(base).serving


def hand_over(base: Base, *names: str, priority: int = 0) -> None:
    with base.database.writing() as connection:
        for name in names:
            placed = Placed(Ticket(name, 1), "q", priority)
            base.engine.hand_over(connection, placed, 0)


def engine_of(base: Base) -> Any:  # Any: the engine, with what only it has
    return base.engine


class Operator:
    """Somebody who looks after the broker, and has the queue of *base* before them."""

    def __init__(self, url: str, base: Base) -> None:
        broker = engine_of(base).broker
        self.name = f"cotality.{engine_of(base).prefix()}.q"
        self.connection = amqp.Connection(
            f"{broker.host}:{broker.port}",
            userid=broker.user,
            password=broker.password,
            virtual_host=broker.vhost,
        )
        self.connection.connect()
        self.channel = self.connection.channel()

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *reason: object) -> None:
        self.connection.close()

    def turns(self) -> int:
        found: int = self.channel.queue_declare(self.name, passive=True).message_count
        return found


def test_a_turn_is_a_message_in_a_quorum_queue(
    shared: str, ready: Callable[..., Base]
) -> None:
    """One for each ticket, which an operator sees there."""
    base = ready(shared)
    hand_over(base, *"abc")
    with Operator(shared, base) as operator:
        wait_until(lambda: operator.turns() == 3)
        message = operator.channel.basic_get(operator.name)
        assert message.properties["delivery_mode"] == 2
        assert message.body == '{"cotality.jobs": "a turn"}'


def test_all_priorities_count(shared: str, ready: Callable[..., Base]) -> None:
    """Though the queues of the broker have none: the table says which one is next."""
    base, ran = ready(shared), Ran()
    for priority in (0, 5, -100, 100, 4, 5):
        hand_over(base, f"{priority} {len(ran.order)} {time.time()}", priority=priority)
    serve(base, ran, slots=1)
    wait_until(lambda: len(ran.order) == 6)
    assert [int(each.split()[0]) for each in ran.order] == [100, 5, 5, 4, 0, -100]


@pytest.mark.parametrize("wrong", ["queue_purge", "queue_delete"])
def test_lost_turns_lose_no_ticket(
    wrong: str, shared: str, ready: Callable[..., Base]
) -> None:
    """Whoever has places, listens and hears nothing takes what waits: each once."""
    base, ran = ready(shared), Ran(0.01)
    names = [f"{number}" for number in range(200)]
    hand_over(base, *names)
    with Operator(shared, base) as operator:
        wait_until(lambda: operator.turns() == len(names))
        getattr(operator.channel, wrong)(operator.name)
        serve(base, ran)
        wait_until(lambda: len(ran.count) == len(names))
        assert set(ran.count.values()) == {1}
        hand_over(base, "after")
        wait_until(lambda: ran.count["after"] == 1)
        # Nothing was sent again, however many were lost.
        assert engine_of(base).giver.sent == len(names) + 1


def test_a_queue_is_purged_and_deleted_while_it_is_served(
    shared: str, ready: Callable[..., Base]
) -> None:
    """At any time, as often as somebody likes to."""
    base, ran = ready(shared), Ran(0.005)
    serve(base, ran)
    with Operator(shared, base) as operator:
        for round in range(6):
            hand_over(base, *(f"{round} {number}" for number in range(40)))
            wait_until(lambda least=40 * round + 5: len(ran.count) > least)
            if round % 2:
                operator.channel.queue_delete(operator.name)
            else:
                operator.channel.queue_purge(operator.name)
    wait_until(lambda: len(ran.count) == 240)
    assert set(ran.count.values()) == {1}


def test_turns_for_nothing_are_dropped(shared: str, ready: Callable[..., Base]) -> None:
    """Any number of them, of anybody: a turn says no job, so none runs twice."""
    base, ran = ready(shared), Ran()
    hand_over(base, "a")
    with Operator(shared, base) as operator:
        for body in ("{}", "", "no JSON", "x" * 100_000):
            message = amqp.Message(body)
            operator.channel.basic_publish(message, "", operator.name)
        wait_until(lambda: operator.turns() == 5)
        serve(base, ran)
        wait_until(lambda: operator.turns() == 0 and ran.count["a"] == 1)
        hand_over(base, "b")
        wait_until(lambda: ran.count["b"] == 1)
        assert ran.count == {"a": 1, "b": 1}


def test_a_worker_has_no_more_turns_than_places(
    shared: str, ready: Callable[..., Base]
) -> None:
    """The others are with the broker, for whoever else has a place."""
    base, begun, end = ready(shared), threading.Semaphore(0), threading.Event()

    def run(ticket: Ticket) -> None:
        begun.release()
        end.wait(LONG_S)

    hand_over(base, *"abcdefgh")
    serve(base, run, slots=3)
    for _ in range(3):
        assert begun.acquire(timeout=LONG_S)
    with Operator(shared, base) as operator:
        wait_until(lambda: operator.turns() == 5)
        end.set()
        wait_until(lambda: operator.turns() == 0)


def test_a_turn_without_a_place_goes_back(
    shared: str, ready: Callable[..., Base]
) -> None:
    """A worker that is busy with another queue keeps none of this one to itself."""
    base, end, ran = ready(shared), threading.Event(), Ran()

    def run(ticket: Ticket) -> None:
        ran(ticket)
        end.wait(LONG_S)

    for queue in ("q", "other"):
        base.engine.limit(queue, Limits(), 2, 0.05)
    # Two places, whichever queue it is.
    base.engine.serve(
        "it", ["q", "other"], run, lambda name, held: 2 - sum(held.values())
    )
    with base.database.writing() as connection:
        for name in ("a", "b"):
            placed = Placed(Ticket(name, 1), "other", 0)
            base.engine.hand_over(connection, placed, 0)
    wait_until(lambda: len(ran.count) == 2)
    hand_over(base, "c")
    with Operator(shared, base) as operator:
        wait_until(lambda: operator.turns() == 1)
    end.set()
    wait_until(lambda: ran.count["c"] == 1)


def test_a_broker_that_is_away_is_not_waited_for(
    store: str, ready: Callable[..., Base], caplog: pytest.LogCaptureFixture
) -> None:
    """Jobs are stored, workers take them from the store, and it is said once each."""
    with cut_line(9) as line:  # where nobody listens
        base, ran = ready(f"amqp://127.0.0.1:{line.port}"), Ran()
        serve(base, ran)
        for name in "abc":
            hand_over(base, name)
        wait_until(lambda: len(ran.count) == 3)
    assert caplog.text.count("Jobs are stored, and workers look for them") == 2
    assert caplog.text.count("This worker takes jobs from the store") == 1


def test_a_broker_that_refuses_is_told_before_anything_is_stored(
    shared: str, tmp_path: Path
) -> None:
    """A wrong password is no broker that is away."""
    url = shared.replace("test:test@", "test:wrong@")
    jobs = Jobs(f"sqlite:///{tmp_path}/jobs.db", engine="rabbitmq", broker=url)
    with pytest.raises(StoreError, match=r"refuses: .*ACCESS_REFUSED") as caught:
        jobs.job(add).enqueue_sync(1, 2)
    assert "wrong" not in f"{caught.value}"
    jobs.close()


def test_a_cable_is_pulled_out(shared: str, ready: Callable[..., Base]) -> None:
    """Nobody says goodbye: the worker and who enqueues find out, and nothing hangs."""
    port = broker_of(shared).port
    with cut_line(port) as line:
        url = shared.replace(f":{port}", f":{line.port}")
        base, ran = ready(url), Ran()
        serve(base, ran)
        hand_over(base, "before")
        wait_until(lambda: ran.count["before"] == 1)

        line.cut()
        longest = 0.0
        for number in range(12):
            start = time.monotonic()
            hand_over(base, f"{number}")
            longest = max(longest, time.monotonic() - start)
            time.sleep(0.15)
        wait_until(lambda: len(ran.count) == 13)
        assert longest < 10.0  # a guard against hanging; 2 s to connect, and once more

        line.mend()
        before = line.passed
        hand_over(base, "after")
        wait_until(lambda: ran.count["after"] == 1)
        wait_until(lambda: line.passed > before and engine_of(base).giver.is_near())
    assert set(ran.count.values()) == {1}


def test_a_broker_is_spoken_to_by_tls(
    shared: str, store: str, ready: Callable[..., Base], tmp_path: Path
) -> None:
    """Whose certificate is known by the file that the URL names."""
    if not has_openssl():
        pytest.skip("needs openssl, which makes the certificate")
    with tls_line(broker_of(shared).port, tmp_path) as (port, file):
        url = f"amqps://test:test@localhost:{port}//?cacertfile={file}"
        base, ran = ready(url), Ran()
        serve(base, ran)
        hand_over(base, *(f"{number}" for number in range(100)))
        wait_until(lambda: len(ran.count) == 100)
        wait_until(lambda: is_by_turn(base, ran))
        base.engine.stop(1)
        base.close()


def test_a_stranger_is_no_broker(
    shared: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a certificate that is known, nothing is said to it."""
    if not has_openssl():
        pytest.skip("needs openssl, which makes the certificate")
    with tls_line(broker_of(shared).port, tmp_path) as (port, _):
        url = f"amqps://test:test@localhost:{port}//"
        base = Base(f"sqlite:///{tmp_path}/jobs.db", "rabbitmq", url)
        base.ready()
        base.close()
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_limits_hold_for_all_workers(shared: str, ready: Callable[..., Base]) -> None:
    """Turns of such a queue are but a bell: what may begin is counted in the table."""
    bases, ran = [ready(shared) for _ in range(3)], Ran(0.05)
    now, most, lock = 0, 0, threading.Lock()

    def run(ticket: Ticket) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        ran(ticket)
        with lock:
            now -= 1

    for number, base in enumerate(bases):
        base.engine.limit("q", Limits(concurrency=2), 4, 0.05)
        base.engine.serve(f"{number}", None, run, lambda name, held: 4 - held[name])
    for number in range(30):
        hand_over(bases[0], f"{number}")
    wait_until(lambda: len(ran.count) == 30)
    assert most <= 2
    assert set(ran.count.values()) == {1}
    with Operator(shared, bases[0]) as operator:
        wait_until(lambda: operator.turns() == 0)


def test_a_ticket_of_a_transaction_of_others_has_no_turn(
    shared: str, ready: Callable[..., Base]
) -> None:
    """Nobody says when that is committed: whoever has places takes it."""
    base, ran = ready(shared), Ran()
    serve(base, ran)
    with base.database.engine.begin() as connection:
        base.engine.hand_over(connection, Placed(Ticket("a", 1), "q", 0), 0)
    wait_until(lambda: ran.count["a"] == 1)
    with Operator(shared, base) as operator:
        assert operator.turns() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_has_a_connection_of_its_own(shared: str, store: str) -> None:
    """What its parent has open is not for it, and stays as it was."""
    jobs = Jobs(store, engine="rabbitmq", broker=shared)
    job = jobs.job(queue="q")(add)
    job.enqueue_sync(1, 1)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            job.enqueue_sync(2, 2)
            jobs.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    link = engine_of(jobs.base).giver.link
    job.enqueue_sync(3, 3)
    assert engine_of(jobs.base).giver.link is link
    with Operator(shared, jobs.base) as operator:
        wait_until(lambda: operator.turns() == 3)
    jobs.close()


def test_signs_of_life_are_no_answer(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is just starting gives them, and may answer late, or never."""
    monkeypatch.setattr(link, "ANSWER_S", 0.2)
    made = link.Link(broker_of(shared))

    def give_sign(timeout: float | None) -> bool:
        time.sleep(POLL_S)
        return False

    monkeypatch.setattr(made, "read_frame", give_sign)
    with pytest.raises(TimeoutError, match="has not answered"):
        made.declare("cotality.tests.never")
    made.cut()


def test_a_broker_without_memory_keeps_nobody_waiting(
    own: RabbitServer, ready: Callable[..., Base], caplog: pytest.LogCaptureFixture
) -> None:
    """It takes no messages for a while, and says so; jobs go on."""
    base, ran = ready(own.url), Ran()
    serve(base, ran)
    hand_over(base, "before")
    own.allow_memory(1)
    try:
        names = iter(range(10_000))

        def is_told() -> bool:
            hand_over(base, f"{next(names)}")
            return "takes no messages" in caplog.text

        wait_until(is_told)
        assert not engine_of(base).giver.is_near()
        hand_over(base, "blocked")
        wait_until(lambda: ran.count["blocked"] == 1)
    finally:
        own.allow_memory(10**9)
    wait_until(lambda: bool(engine_of(base).giver.is_near()))
    hand_over(base, "after")
    wait_until(lambda: ran.count["after"] == 1)
    wait_until(lambda: len(ran.count) == next(names) + 3)
    assert set(ran.count.values()) == {1}


@pytest.mark.parametrize("loses_disk", [False, True], ids=["", "with its disk"])
def test_a_broker_dies_in_the_middle(
    loses_disk: bool, own: RabbitServer, ready: Callable[..., Base]
) -> None:
    """With its turns on the disk or without them, each ticket is run once."""
    base, ran = ready(own.url), Ran(0.01)
    serve(base, ran)
    names = [f"{number}" for number in range(200)]
    hand_over(base, *names[:150])
    wait_until(lambda: len(ran.count) > 20)
    own.stop()
    hand_over(base, *names[150:])
    if loses_disk:
        own.forget()
    own.start()
    wait_until(lambda: len(ran.count) == 200)
    if loses_disk:
        wait_until(lambda: is_by_turn(base, ran))
    assert set(ran.count.values()) == {1}


def is_by_turn(base: Base, ran: Ran) -> bool:
    """Whether the broker is in use again: the worker has a turn for what it runs."""
    name = f"{time.monotonic()}"
    hand_over(base, name)
    wait_until(lambda: ran.count[name] == 1)
    return name in ran.by_turn


def test_killed_workers_lose_nothing(shared: str, store: str, tmp_path: Path) -> None:
    """Some jobs are begun twice, and none is finished twice."""
    shop = Shop(store, "rabbitmq", shared)
    chaos(shop, tmp_path, jobs=60, workers=2, kills=2, seconds=0.05)
    shop.jobs.close()
