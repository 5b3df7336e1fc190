"""What once went wrong in a flow: answers that were lost, ends that were no ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from cotality.core.hosting import Arena
from cotality.core.utils.process import TaskTimeoutError, WorkerCrashedError
from cotality.flow import (
    ConnectionLostError,
    Flow,
    FlowError,
    FlowStoppedError,
    HandlerError,
    Step,
    StepStatus,
)
from cotality.flow._flow.clients.blocking import BlockingConnection
from cotality.flow._flow.clients.in_loop import LoopConnection
from cotality.flow._flow.clients.packing import pack_item, result_in
from cotality.flow._flow.flows import many
from cotality.flow._flow.router.desk import MOST_LARGE, Desk
from cotality.flow._flow.router.guest import Guest
from cotality.flow._flow.router.hall import MOST_KEPT, Doors, Hall
from cotality.flow._flow.router.loop import Loop
from cotality.flow._flow.router.router import seconds_in
from cotality.flow._flow.router.timers import Timers
from cotality.flow._flow.serving import command_line
from cotality.flow._flow.serving.listener import Listener
from cotality.flow._flow.steps.plan import plan_of
from cotality.flow._flow.wire import notes
from cotality.flow._flow.wire.frames import (
    FROM_CLIENT,
    FROM_ROUTER,
    BadFrameError,
    Kind,
    Why,
    frame,
)
from cotality.flow._flow.wire.notes import Welcome
from cotality.flow._flow.wire.pipe import Frame, Pipe
from cotality.flow.asgi import CancelOnDisconnect
from tests.flow import handlers
from tests.flow.limits import patient as patient  # for all tests of this file
from tests.kit.limits import LONG_S, POLL_S

ARENA = Arena()

pytestmark = pytest.mark.one_python

WELCOME = Welcome(
    connection=7, pid=1, levels=1, share=8, steps=("one",), entry=b""
).packed()


async def until(condition: Callable[[], bool]) -> None:
    """Return once *condition* holds; fail if it never does."""
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(POLL_S)


class MadeUpRouter:
    """The router's end of one connection, for whoever asks for an entrance."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.pipe = Pipe(self.ours, FROM_CLIENT)
        self.say(frame(Kind.WELCOME, WELCOME, number=7))

    def connect(self) -> socket.socket:
        return self.theirs

    def describe(self) -> str:
        return "a made-up router"

    def say(self, *frames: bytes) -> None:
        self.ours.sendall(b"".join(frames))

    def next(self) -> Frame:
        """What the client sends next, and nothing besides."""
        while not (frames := self.pipe.read()):
            pass
        (only,) = frames
        return only

    def close(self) -> None:
        self.pipe.close()
        self.theirs.close()


@pytest.fixture
def made_up() -> Iterator[MadeUpRouter]:
    router = MadeUpRouter()
    yield router
    router.close()


# Answers.


def test_room_that_comes_along_with_the_refusal_is_taken(made_up: MadeUpRouter) -> None:
    """A thread that waits for room is told of it, also in the same write."""
    connection = BlockingConnection.open(made_up, LONG_S)
    assert made_up.next().kind == Kind.HELLO
    full = bytes([Why.FULL]) + b"full"
    made_up.say(
        frame(Kind.REFUSED, full, serial=1, number=7),
        frame(Kind.ROOM, serial=1, number=7),
        frame(Kind.VALUE, pack_item("mine", ARENA)[0], serial=2, number=7),
    )

    answer = connection.call(pack_item("x", ARENA), 1 << 8, LONG_S, 0, is_patient=True)

    assert result_in(*answer) == "mine"
    assert connection.is_usable()


def test_nothing_is_sent_on_a_connection_that_has_ended(made_up: MadeUpRouter) -> None:
    """A call that comes just after its end fails at once, and does not wait."""

    async def run() -> None:
        connection = await LoopConnection.open(made_up, LONG_S)
        connection.lose()
        for send in (
            lambda: connection.ask(b"{}"),
            lambda: connection.call(pack_item(1, ARENA), 1, None, 0, is_patient=False),
        ):
            with pytest.raises(ConnectionLostError, match="was not sent"):
                send()

    asyncio.run(run())


def test_an_answer_that_is_struck_ends_its_connection(made_up: MadeUpRouter) -> None:
    """What a handler of a signal raises amid it may have cost another call its own."""

    async def run() -> None:
        struck: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: struck.append(told["exception"]))
        connection = await LoopConnection.open(made_up, LONG_S)
        call = connection.call(pack_item(1, ARENA), 1 << 8, None, 0, is_patient=False)

        def strike(frames: list[Frame]) -> None:
            raise TimeoutError("of a signal")

        connection.take = strike  # type: ignore[method-assign]
        made_up.say(frame(Kind.VALUE, pack_item(1, ARENA)[0], serial=1, number=7))
        with pytest.raises(ConnectionLostError):
            await call.future
        assert connection.is_lost

    asyncio.run(run())


def call_for_ever(flow: Flow[int, int]) -> None:
    while True:
        assert flow.call(1, timeout=None) == 1


def struck_after(seconds: float, call: Callable[[], object]) -> None:
    """Make *call*, which a signal strikes; at once, perhaps, where CPUs are busy."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    call()


# Struck just where it was made, before anybody could close it: it is, when dropped.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_what_handlers_of_signals_raise_comes_out_of_a_call() -> None:
    """As it is, whatever its class; and the next call gets its own answer."""

    def strike(number: int, place: FrameType | None) -> None:
        raise raised[-1]

    raised: list[BaseException] = []
    before = signal.signal(signal.SIGALRM, strike)
    try:
        with Flow(Step(handlers.same, workers=2)) as flow:
            for kind in (
                TimeoutError,
                ConnectionError,
                OSError,
                ValueError,
                SystemExit,
            ):
                raised.append(kind("mine"))
                with pytest.raises(kind) as caught:
                    struck_after(POLL_S, lambda: call_for_ever(flow))
                assert caught.value is raised[-1]
                assert flow.call(1) == 1
    finally:
        signal.signal(signal.SIGALRM, before)


# What is asked for.


def test_a_priority_that_is_no_number_is_refused_before_anything_is_sent() -> None:
    """With a `TypeError` that names it, also for many items."""

    async def run() -> None:
        async with Flow(Step(handlers.same), priorities=2) as flow:
            assert await flow(1, priority=1) == 1
            wrong: Any
            for wrong in (0.5, 1.0, "1", None):
                with pytest.raises(TypeError, match="priority must be a whole number"):
                    await flow(1, priority=wrong)
                with pytest.raises(TypeError, match="priority must be a whole number"):
                    flow.call(1, priority=wrong)
                with pytest.raises(TypeError, match="priority must be a whole number"):
                    await flow.map([1], priority=wrong)
            with pytest.raises(ValueError, match="from 0 to 1, got 2"):
                await flow.map([1], priority=2)
            connection = flow._connections().of_this_loop()  # pyright: ignore[reportPrivateUsage]
            assert connection is not None
            assert not connection.calls

    asyncio.run(run())


def test_no_question_ends_the_router() -> None:
    """Neither JSON that goes too deep nor numbers that are none."""

    async def run() -> None:
        async with Flow(Step(handlers.same)) as flow:
            connection = await flow._connections().open(LONG_S)  # pyright: ignore[reportPrivateUsage]
            before = (await flow.status_async()).pid
            for body in (
                b"[" * 100_000,
                b'{"what": "reload", "step": {}}',
                b'{"what": ' + b"1" * 400 + b"}",
                b"\xff\xfe",
            ):
                _, answer, _ = await connection.ask(body)
                assert "error" in notes.read(answer)
            assert (await flow.status_async()).pid == before

    asyncio.run(run())
    assert seconds_in(10**400) == seconds_in(float("inf")) == 24 * 3600
    assert seconds_in(float("nan")) == 5.0
    assert seconds_in(-1) == 0


def test_a_refusal_says_what_there_is_too_much_of() -> None:
    """Whether that is items, those of one connection, bytes or large ones."""
    desk = Desk(plan_of([Step(handlers.same)], 10, 1, 1.0), Timers())
    desk.waiting = 3
    assert "3 items of this connection wait, and no more than 3" in desk.words(
        Why.FULL, 0, 3, 3
    )
    desk.large = MOST_LARGE
    assert desk.is_crammed
    assert "256 large items" in desk.words(Why.FULL, 0, 3, 5)
    desk.memory = desk.queue_bytes
    assert "items on their way have 536,870,912 bytes" in desk.words(Why.FULL, 0, 3, 5)
    desk.waiting = 10
    assert "10 items wait, and no more than 10" in desk.words(Why.FULL, 0, 3, 5)


# Many items.


def test_large_items_of_many_are_sent_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as have so many bytes together, since somebody has to keep these."""
    monkeypatch.setattr(many, "MOST_BYTES", 3_000_000)
    read: list[int] = []

    def items() -> Iterator[bytearray]:
        for number in range(10):
            read.append(number)
            yield bytearray(1_000_000)

    async def run() -> None:
        async with Flow(Step(handlers.size_of)) as flow:
            most = 0
            async for outcome in flow.outcomes(items()):
                most = max(most, len(read) - outcome.index)
                assert outcome.unwrap() == 1_000_000
            assert most == 3

    asyncio.run(run())


def test_the_seconds_of_an_outcome_end_with_its_answer() -> None:
    """However long it takes whoever reads the outcomes."""

    async def run() -> None:
        async with Flow(Step(handlers.same)) as flow:
            stream = flow.outcomes(range(2))
            first = await anext(stream)
            await asyncio.sleep(0.5)
            second = await anext(stream)
            assert first.seconds > 0
            assert 0 < second.seconds < first.seconds + 0.5

    asyncio.run(run())


# Starts and ends.


def names_of_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_a_start_that_is_given_up_leaves_nothing_behind() -> None:
    """Whenever that is; and the flow can be started again at once."""

    async def run() -> None:
        flow = Flow(Step(handlers.same))
        for turns in range(4):
            start = asyncio.ensure_future(flow.start_async())
            for _ in range(turns):
                await asyncio.sleep(0)
            start.cancel()
            with pytest.raises(asyncio.CancelledError):
                await start
        await asyncio.gather(flow.start_async(), flow.start_async())
        assert await flow(1) == 1
        assert flow.status().ready
        await flow.stop()

    asyncio.run(run())
    for thread in threading.enumerate():
        if thread.name.startswith("cotality-flow"):
            thread.join(LONG_S)
    assert not [name for name in names_of_threads() if name.startswith("cotality-flow")]


def test_who_stops_a_flow_twice_stops_no_other_one() -> None:
    """A drain that is overtaken by a stop and a new start leaves that alone."""

    async def run() -> None:
        flow = Flow(Step(handlers.same))
        await flow.start_async()
        drain = asyncio.ensure_future(flow.drain())
        await asyncio.sleep(0)
        await flow.stop(0.0)
        await flow.start_async()
        await drain
        assert await flow(2) == 2
        await asyncio.gather(flow.drain(), flow.stop(), flow.stop(0.0))
        with pytest.raises(FlowStoppedError):
            await flow(3)

    asyncio.run(run())


def test_calls_that_meet_the_stop_fail_with_an_error_of_the_flow() -> None:
    """Also those that are just about to connect; none seems to be cancelled."""

    async def run() -> None:
        flow = Flow(Step(handlers.same))
        for turns in (0, 3):
            await flow.start_async()
            calls = [asyncio.ensure_future(flow(number)) for number in range(3)]
            for _ in range(turns):
                await asyncio.sleep(0)
            stop = asyncio.ensure_future(flow.stop())
            for number, call in enumerate(calls):
                try:
                    assert await call == number
                except FlowError:
                    pass
            await stop

    asyncio.run(run())


def test_a_drain_does_not_wait_for_batches_that_nobody_can_fill(
    tmp_path: Path,
) -> None:
    """What has been taken is done at once."""

    async def run() -> None:
        step = Step(handlers.batch_of, batch_size=4, batch_wait=LONG_S)
        flow = Flow(step)
        await flow.start_async()
        call = asyncio.ensure_future(flow(1, timeout=None))
        while not flow.status().steps[0].depth:
            await asyncio.sleep(POLL_S)
        await flow.drain(LONG_S)
        assert await call is not None

    asyncio.run(run())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
def test_a_fork_that_leaves_the_with_stops_nothing() -> None:
    """The flow is its parent's, and goes on."""
    pid = 0
    with Flow(Step(handlers.same)) as flow:
        pid = os.fork()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
            assert flow.call(1) == 1
    if not pid:
        os._exit(0)


# Handlers.


def test_no_result_and_no_exception_of_a_handler_costs_its_worker() -> None:
    """What is no list of results is said to be none; what takes no note has none."""

    async def run() -> None:
        step = Step(handlers.oddly, batch_size=2, batch_wait=LONG_S, timeout=LONG_S)
        async with Flow(step) as flow:

            async def both(what: str) -> Any:
                calls = flow(what), flow(what)
                found = await asyncio.gather(*calls, return_exceptions=True)
                assert type(found[0]) is type(found[1])
                return found[0]

            assert isinstance(await both("no note"), handlers.TakesNoNoteError)
            assert isinstance(await both("odd notes"), handlers.OddNotesError)
            for what, said in {
                "bytearray": "returned a bytearray",
                "frozenset": "returned a frozenset",
                "ordered": "returned a OrderedDict",
                "number": "returned a int",
                "endless": "returned more",
            }.items():
                error = await both(what)
                assert isinstance(error, HandlerError)
                assert said in str(error)
            assert await both("generator") == "generator"
            found = [await both("again") for _ in range(3)]
            assert {len(error.__notes__) for error in found} == {1}
            depths = [len(traceback.extract_tb(error.__traceback__)) for error in found]
            assert len(set(depths)) == 1
            assert flow.status().steps[0].restarts == 0

    asyncio.run(run())


def test_a_data_frame_is_no_list_of_results_and_no_list_of_items() -> None:
    """Looping over it gives the names of its columns, which nobody means."""
    one = "Send it as one item"
    pd = pytest.importorskip("pandas")

    async def run() -> None:
        async with Flow(Step(handlers.framed, batch_size=2)) as flow:
            with pytest.raises(HandlerError, match=r"a DataFrame, .*its columns.*rows"):
                await flow(1)
            frame = pd.DataFrame({"a": [1], "b": [2]})
            given: list[tuple[Any, str]] = [
                (frame, f"(?s)a DataFrame, .*would be the names of its columns. {one}"),
                ({"a": 1}, f"a mapping, got .* would be its keys. {one}"),
                ("ab", f"a text, got 'ab': .* would be single characters. {one}"),
                (5, "items must be an iterable, got 5"),
            ]
            for items, said in given:
                with pytest.raises(TypeError, match=said):
                    await flow.map(items)
                with pytest.raises(TypeError, match=said):
                    flow.outcomes(items)  # by the call itself
            assert (await flow.status_async()).outcomes["failure"] == 1

    asyncio.run(run())


def test_data_frames_pass_a_flow_as_items_and_as_results() -> None:
    """They have no truth value, and nobody asks for it."""
    pd = pytest.importorskip("pandas")
    small, long = pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [*range(100_000)]})

    async def run() -> None:
        async with Flow(
            Step(handlers.doubled, when=handlers.is_long),
            Step(handlers.all_doubled, batch_size=2, size=handlers.size_of),
        ) as flow:
            assert (await flow(small)).equals(2 * small)
            assert (await asyncio.to_thread(flow.call, long)).equals(4 * long)
            assert [each.size for each in await flow.map([small, long])] == [1, 100_000]
            mixed: list[Any] = [small, None, long]
            found = await flow.map(mixed, on_error="return")
            assert isinstance(found[1], TypeError)
            assert found[2].equals(4 * long)
            stream = flow.outcomes([small, long], ordered=False)
            outcomes = {each.index: each async for each in stream}
            assert outcomes[1].ok
            assert outcomes[1].unwrap().equals(4 * long)
        many = Step(handlers.doubled, name="doubled", when=handlers.are_long)
        async with Flow(Step(handlers.same), many) as flow:
            said = r"when= of step 'doubled' .* gave a DataFrame, which is neither"
            with pytest.raises(HandlerError, match=said):
                await flow(small)  # asked in a worker
        async with Flow(many) as flow:
            with pytest.raises(HandlerError, match=said):
                flow.call(small)  # asked here
        only = Flow(Step(handlers.doubled, when=handlers.is_long))
        async with only as flow:
            assert await flow(small) is small  # no step is for it
            assert await asyncio.to_thread(flow.call, small) is small
            (outcome,) = [each async for each in flow.outcomes([small])]
            assert outcome.unwrap() is small
        async with Flow(Step(handlers.frame_of)) as made:
            assert (await made({"a": [1]})).equals(small)

    asyncio.run(run())


def test_what_packs_a_result_has_the_time_limit_of_its_step() -> None:
    """It is the user's code as well, and may hang as a handler may."""
    with Flow(Step(handlers.oddly, batch_size=1, timeout=0.3)) as flow:
        with pytest.raises(TaskTimeoutError):
            flow.call("hangs", timeout=None)
        assert flow.call("fine") == "fine"


# Reloads.


def test_reloads_that_fail_leave_the_flow_as_it_was(tmp_path: Path) -> None:
    """They say why, leave no worker too many, and do not bring the step down."""
    orders = tmp_path / "orders"

    async def run() -> None:
        async with Flow(Step(handlers.StartsAsTold(str(orders)), workers=2)) as flow:

            def step() -> StepStatus:
                return flow.status().steps[0]

            await until(lambda: step().ready == 2)
            old = set(step().pids)
            for _ in range(4):
                orders.write_text("fail")
                with pytest.raises(ValueError, match=r"not reloaded: .* no model"):
                    await flow.reload()
            assert await flow(1) in old
            await until(lambda: set(step().pids) == old)
            orders.write_text("one")
            (tmp_path / "orders.first").touch()
            with pytest.raises(ValueError, match="no second model"):
                await flow.reload()
            await until(lambda: (len(step().pids), step().ready) == (2, 2))
            orders.write_text("")
            await asyncio.gather(*[flow.reload() for _ in range(5)])
            await until(lambda: (len(step().pids), step().ready) == (2, 2))
            assert not old & set(step().pids)

    orders.write_text("")
    asyncio.run(run())


def test_a_reload_of_a_step_that_is_down_says_so_or_brings_it_up(
    tmp_path: Path,
) -> None:
    """It does not wait for a worker that never comes."""
    orders = tmp_path / "orders"

    async def run() -> None:
        async with Flow(Step(handlers.StartsAsTold(str(orders)))) as flow:
            orders.write_text("fail")
            with pytest.raises(WorkerCrashedError):
                await flow("exit")
            await until(lambda: flow.status().steps[0].is_down)
            with pytest.raises(ValueError, match=r"not reloaded: .* no model"):
                await flow.reload()
            assert "no model" in flow.status().steps[0].reason
            orders.write_text("")
            await flow.reload()
            assert await flow(1) > 0
            assert not flow.status().steps[0].is_down

    orders.write_text("")
    asyncio.run(run())


# Figures.


def test_figures_of_the_last_seconds_are_of_these_whoever_asks_when() -> None:
    """The first look does not take all that there ever was for the last moment's."""

    async def run() -> None:
        async with Flow(Step(handlers.same)) as flow:
            await flow.map(range(1000))
            await asyncio.sleep(0.3)
            (step,) = flow.status().steps
            assert step.items == 1000
            assert step.rate <= 1000 / 0.3

    asyncio.run(run())


# Web applications.


def test_what_follows_a_complete_answer_is_not_cancelled() -> None:
    """A server says that the client has gone, too, once it has its answer."""
    done: list[str] = []

    async def run() -> None:
        answered = asyncio.Event()
        requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert (await receive())["type"] == "http.request"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send(
                {"type": "http.response.body", "body": b"part", "more_body": True}
            )
            await send({"type": "http.response.body", "body": b"end"})
            done.extend([(await receive())["type"] for _ in range(2)])
            await asyncio.sleep(POLL_S)
            done.append("in the background")

        async def receive() -> Any:
            for request in requests:
                return request
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and "more_body" not in message:
                answered.set()

        await CancelOnDisconnect(app)({"type": "http"}, receive, send)

    asyncio.run(run())
    assert done == ["http.disconnect", "http.disconnect", "in the background"]


# The router by itself.


def bytes_for(guest: Guest) -> bytes:
    return b""


def test_who_does_not_read_his_answers_is_not_heard() -> None:
    """Until he has read most of them: so what is kept for him is bounded."""
    loop = Loop()
    desk = Desk(plan_of([Step(handlers.same)], 10, 1, 1.0), Timers())
    house: Any = SimpleNamespace()
    hall = Hall(Doors(None, None, ()), desk, loop, house, print)
    house.has_to_send = hall.to_flush.append
    house.welcome = bytes_for
    ours, theirs = socket.socketpair()
    hall.invite(theirs, 10)
    (guest,) = hall.guests
    guest.send(Kind.VALUE, 1, bytes(2 * MOST_KEPT))
    hall.flush_one(guest)
    ours.sendall(frame(Kind.HELLO))
    loop.look()
    known = [guest.is_known]
    while not known[-1]:
        assert ours.recv(1024 * 1024)
        loop.look()
        known.append(guest.is_known)
    assert len(known) > 1
    assert guest.pipe.size <= MOST_KEPT + 100
    hall.lose(guest)
    ours.close()
    loop.selector.close()


def test_a_descriptor_that_there_was_no_room_for_costs_one_frame() -> None:
    """Whoever reads what belongs to it learns that there were too many open files."""
    ours, theirs = socket.socketpair()
    pipe = Pipe(ours, FROM_ROUTER)
    pipe.are_cut = True  # as the system says it
    theirs.sendall(frame(Kind.VALUE, b"1", fds=1) + frame(Kind.VALUE, b"2"))
    first, second = pipe.read()
    assert first.fds is not None
    assert first.fds.take() == [-1]
    assert second.fds is None
    theirs.sendall(frame(Kind.VALUE, b"3", fds=1))
    with pytest.raises(BadFrameError, match="missing"):
        pipe.read()
    pipe.close()
    theirs.close()


def test_a_path_that_is_too_long_leaves_no_folder(tmp_path: Path) -> None:
    """It is refused before anything is made."""
    folder = tmp_path / ("long" * 25)
    with pytest.raises(ValueError, match="may have 100 bytes"):
        Listener(folder / "flow.sock")
    assert not folder.exists()


# Copies of connections.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
def test_a_call_that_is_struck_leaves_though_a_fork_has_its_connection(
    tmp_path: Path,
) -> None:
    """And what a closed loop has left goes when the next one comes."""
    gate = str(tmp_path / "gate")
    children: list[int] = []

    def strike(number: int, place: FrameType | None) -> None:
        children.append(os.fork())
        if not children[-1]:
            time.sleep(LONG_S)
            os._exit(0)
        raise KeyError("struck")

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with Flow(Step(handlers.wait_for)) as flow:

            def await_in_flight(count: int) -> None:
                end = time.monotonic() + LONG_S
                while flow.status().in_flight != count:
                    assert time.monotonic() < end
                    time.sleep(POLL_S)

            with pytest.raises(KeyError, match="struck"):
                struck_after(0.1, lambda: flow.call(gate, timeout=None))
            await_in_flight(0)

            async def begin() -> list[asyncio.Task[str]]:
                tasks = [asyncio.ensure_future(flow(gate, timeout=None))]
                await asyncio.sleep(0.1)
                return tasks

            loop = asyncio.new_event_loop()
            (pending,) = loop.run_until_complete(begin())
            await_in_flight(1)
            loop.close()
            asyncio.run(flow.status_async())
            await_in_flight(0)
            pending._log_destroy_pending = False  # type: ignore[attr-defined]
            Path(gate).touch()
    finally:
        signal.signal(signal.SIGALRM, before)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


# What newcomers do.


async def is_awaited(item: int) -> int:
    return item


class IsAwaited:
    async def handle(self, items: list[int]) -> list[int]:
        return items


def test_a_handler_that_is_a_coroutine_is_refused_at_once() -> None:
    """And not by each of its items, which could not send what it returns."""
    handler: Any
    for handler in (is_awaited, IsAwaited, IsAwaited()):
        with pytest.raises(TypeError, match="is a coroutine"):
            Step(handler)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "made_up:flo"], "made_up has no 'flo': did you mean 'flow'?"),
        (["serve", "made_up.py:flow"], "given by its name: made_up"),
        (["serve", "mad_up:flow"], "No module named 'mad_up'. It was looked for in"),
        (["status", "--socket", "/no/where"], "nobody answers at /no/where"),
    ],
)
def test_commands_say_what_is_wrong_with_what_they_were_given(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """And not only that something is."""
    (tmp_path / "made_up.py").write_text("flow = None\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert command_line.main(arguments) == 1
    sys.modules.pop("made_up", None)
    told = capfd.readouterr()
    assert said in told.out + told.err
