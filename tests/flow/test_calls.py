"""What a call of a flow comes to, in the program that runs it."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    TaskNotPicklableError,
    TaskTimeoutError,
    WorkerCrashedError,
    WorkerStartError,
)
from cotality.flow import (
    ConnectionLostError,
    DeadlineError,
    Flow,
    FlowStoppedError,
    HandlerError,
    QueueFullError,
    Step,
    StepDownError,
)
from tests.flow import handlers
from tests.flow.handlers import notes, wait_for_notes
from tests.flow.limits import patient as patient  # for all tests of this file
from tests.kit.limits import LONG_S, POLL_S

pytestmark = pytest.mark.one_python


async def until(condition: Any) -> None:
    """Return once *condition* holds; fail if it never does."""
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(POLL_S)


async def errors_of(*calls: Any) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


# What comes back.


def test_items_pass_all_steps_and_each_caller_gets_his_own() -> None:
    """A thousand calls at once, from coroutines and threads, get what is theirs."""

    async def run() -> None:
        async with Flow(
            Step(handlers.Doubles, batch_size=8), Step(handlers.double, workers=2)
        ) as flow:
            results = await asyncio.gather(*[flow(number) for number in range(1000)])
            assert results == [4 * number for number in range(1000)]
            in_thread = await asyncio.gather(
                *[asyncio.to_thread(flow.call, number) for number in range(20)]
            )
            assert in_thread == [4 * number for number in range(20)]

    asyncio.run(run())


def test_calls_that_come_while_a_loop_connects_share_its_connection() -> None:
    """One in each turn of the loop; the last of them after the first has its answer."""

    async def run() -> None:
        async with Flow(Step(handlers.double)) as flow:
            calls = [asyncio.ensure_future(flow(0))]
            while not calls[0].done():
                calls.append(asyncio.ensure_future(flow(len(calls))))
                await asyncio.sleep(0)
            assert await asyncio.gather(*calls) == [2 * n for n in range(len(calls))]
            assert (await flow.status_async()).connections == 1

    asyncio.run(run())


def test_a_flow_runs_in_a_script_without_a_loop() -> None:
    """``with flow:`` and ``flow.call`` are all that it takes."""
    with Flow(Step(handlers.double)) as flow:
        assert flow.call(21) == 42
        assert flow.status().ready

    with pytest.raises(FlowStoppedError, match="not running"):
        flow.call(1)


def test_many_items_come_back_in_order_or_as_outcomes() -> None:
    """`map` waits for room by itself; `outcomes` has each failure in its place."""

    async def run() -> None:
        async with Flow(Step(handlers.double), queue_size=16) as flow:
            assert await flow.map(range(500)) == [2 * n for n in range(500)]
            with pytest.raises(TypeError):
                await flow.map([1, None, 3])
            mixed = await flow.map([1, None], on_error="return")  # type: ignore[list-item]
            assert mixed[0] == 2
            assert isinstance(mixed[1], TypeError)
            seen = [outcome async for outcome in flow.outcomes([1, 2, 3])]
            assert [outcome.index for outcome in seen] == [0, 1, 2]
            assert [outcome.unwrap() for outcome in seen] == [2, 4, 6]

    asyncio.run(run())


def test_conditions_and_sizes_decide_where_an_item_goes(tmp_path: Path) -> None:
    """An item passes by what is not for it; a batch holds what its sizes allow."""

    async def run() -> None:
        async with Flow(
            Step(handlers.negative, when=handlers.is_even),
            Step(handlers.double, when=handlers.is_odd),
        ) as flow:
            assert await flow.map([1, 2, 3]) == [2, -2, 6]
            assert flow.call(4) == -4
        async with Flow(Step(handlers.negative, when=handlers.is_even)) as flow:
            assert await flow.map([1, 2]) == [1, -2]
            assert flow.call(3) == 3
        sized = Step(
            handlers.batch_of,
            batch_size=5,
            batch_wait=LONG_S,
            size=handlers.of_that_size,
        )
        async with Flow(sized) as flow2:
            together = await asyncio.gather(
                *[flow2(size, timeout=1.0) for size in (2, 3, 7)]
            )
            assert together == [[2, 3], [2, 3], [7]]

    asyncio.run(run())


# Failures.


def test_an_item_that_fails_fails_alone_with_its_own_traceback(tmp_path: Path) -> None:
    """`Failed` fails one of a batch; what a handler raises has the worker's frames."""

    async def run() -> None:
        async with Flow(Step(handlers.FailsOn(3), batch_size=8)) as flow:
            results = await errors_of(*[flow(number) for number in range(6)])
            assert [each for each in results if not isinstance(each, KeyError)] == [
                *(0, 1, 2, 4, 5)
            ]
            assert isinstance(results[3], KeyError)
        async with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow2:
            with pytest.raises(ValueError, match="broken") as caught:
                await flow2(("raise", "broken"))
            frames = traceback.extract_tb(caught.value.__traceback__)
            assert frames[-1].name == "obey"
            assert await flow2(("return", 1)) == 1

    asyncio.run(run())


def test_a_batch_that_raises_fails_as_a_whole_unless_it_is_isolated(
    tmp_path: Path,
) -> None:
    """By default it is run once; with ``isolate`` once more, item by item."""

    async def run(isolate: bool) -> list[Any]:
        step = Step(
            handlers.RaisesOn(2, str(tmp_path)),
            batch_size=4,
            batch_wait=LONG_S,
            isolate=isolate,
        )
        async with Flow(step) as flow:
            return await errors_of(*[flow(number) for number in range(4)])

    whole = asyncio.run(run(False))
    assert [type(each) for each in whole] == [KeyError] * 4
    assert "batch of 4 items" in whole[0].__notes__[0]
    assert notes(tmp_path) == ["4"]

    alone = asyncio.run(run(True))
    assert [type(each) for each in alone] == [int, int, KeyError, int]
    assert notes(tmp_path) == ["4", "4", "1", "1", "1", "1"]


def test_a_handler_that_does_not_keep_to_its_part_is_told_so() -> None:
    """The wrong number of results fails the items that were to have them."""
    with (
        Flow(Step(handlers.one_too_few, batch_size=4)) as flow,
        pytest.raises(HandlerError, match="one result for each of its 1 items"),
    ):
        flow.call(1)


def test_what_cannot_be_pickled_is_named(tmp_path: Path) -> None:
    """An item, a result and a handler: each error says where the culprit is."""
    with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow:
        with pytest.raises(TaskNotPicklableError, match=r"item\['a'\] is a _thread"):
            flow.call({"a": threading.Lock()})
        with pytest.raises(TaskNotPicklableError, match=r"result\['inner'\] is a"):
            flow.call(("lock", None))
        assert flow.call(("return", 1)) == 1
    holder = handlers.Obeys(threading.Lock())  # type: ignore[arg-type]
    with pytest.raises(TaskNotPicklableError, match=r"handler\.folder is a _thread"):
        Flow(Step(holder)).start()


def test_a_worker_that_dies_costs_what_it_was_at(tmp_path: Path) -> None:
    """One error that says how; the others have their results, each handled once."""

    async def run() -> None:
        async with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow:
            orders = [("return", number) for number in range(40)]
            orders[10], orders[30] = ("exit", 7), ("kill", 0)
            results = await errors_of(*[flow(order) for order in orders])
            crashes = [each for each in results if isinstance(each, Exception)]
            assert [type(each) for each in crashes] == [WorkerCrashedError] * 2
            assert crashes[0].exit_code == 7
            assert crashes[1].signal_name == "SIGKILL"
            assert [each for each in results if each not in crashes] == [
                number for number in range(40) if number not in (10, 30)
            ]
            assert flow.status().steps[0].restarts == 2
        assert len(notes(tmp_path)) == len(set(notes(tmp_path))) == 40

    asyncio.run(run())


def test_a_handler_that_takes_too_long_loses_its_worker(tmp_path: Path) -> None:
    """Its item fails with the limit in the message; the next one is answered."""
    with Flow(Step(handlers.Obeys(str(tmp_path)), timeout=0.2)) as flow:
        with pytest.raises(TaskTimeoutError, match=r"limit of 0\.2 s"):
            flow.call(("sleep", LONG_S), timeout=None)
        assert flow.call(("return", 1)) == 1
        assert flow.status().steps[0].restarts == 1


# Starting.


def test_a_flow_that_cannot_start_says_why() -> None:
    """The error of the handler is the cause, and nothing is left running."""
    with pytest.raises(
        WorkerStartError, match=r"'CannotStart' could not.*no model"
    ) as e:
        Flow(Step(handlers.CannotStart)).start()
    assert isinstance(e.value.__cause__, RuntimeError)
    with pytest.raises(WorkerStartError, match="exit code 3"):
        Flow(Step(handlers.DiesAtStart)).start()


def test_handlers_start_and_stop_once(tmp_path: Path) -> None:
    """Around all items of a worker."""
    with Flow(Step(handlers.Notes(str(tmp_path)))) as flow:
        flow.call("item")
    assert notes(tmp_path) == ["start", "item", "stop"]


# Time, room and order.


def test_a_deadline_ends_an_item_that_waits_and_no_handler_sees_it(
    tmp_path: Path,
) -> None:
    """Also one that is next in the worker's own hands."""

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow:
            first = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            results = await errors_of(
                *[flow(("return", number), timeout=0.05) for number in range(3)]
            )
            assert [type(each) for each in results] == [DeadlineError] * 3
            assert "has not seen it" in str(results[0])
            gate.touch()
            await first
            assert await flow(("return", 9)) == 9
        assert notes(tmp_path)[1:] == ["return:9"]

    asyncio.run(run())


def test_what_is_cancelled_is_never_handled(tmp_path: Path) -> None:
    """Of items that wait just those are handled that somebody waits for."""

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow:
            first = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            tasks = [
                asyncio.ensure_future(flow(("return", number))) for number in range(100)
            ]
            await until(lambda: flow.status().in_flight == 101)
            for task in tasks[::2]:
                task.cancel()
            await until(lambda: flow.status().in_flight == 51)
            gate.touch()
            await first
            results = await errors_of(*tasks)
            assert results[1::2] == list(range(1, 100, 2))
        assert sorted(notes(tmp_path)[1:]) == sorted(
            f"return:{number}" for number in range(1, 100, 2)
        )

    asyncio.run(run())


def test_more_than_may_wait_is_refused_at_once(tmp_path: Path) -> None:
    """Those that are refused know it while the others still wait."""

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(Step(handlers.Obeys(str(tmp_path))), queue_size=10) as flow:
            first = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            tasks = [
                asyncio.ensure_future(flow(("return", number))) for number in range(30)
            ]
            await until(lambda: sum(task.done() for task in tasks) == 20)
            patient = asyncio.ensure_future(flow(("return", 99), wait_for_room=True))
            await asyncio.sleep(0)
            gate.touch()
            results = await errors_of(*tasks)
            refused = [each for each in results if isinstance(each, QueueFullError)]
            assert len(refused) == 20
            assert results[:10] == list(range(10))
            assert await patient == 99
            assert flow.status().outcomes["full"] >= 20
            await first

    asyncio.run(run())


def test_larger_priorities_go_first(tmp_path: Path) -> None:
    """Within one priority, who came first."""

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(
            Step(handlers.Obeys(str(tmp_path))), priorities=3, age_after=LONG_S
        ) as flow:
            first = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            calls = [
                asyncio.ensure_future(flow(("return", (level, number)), priority=level))
                for number, level in enumerate([0, 1, 2, 0, 1, 2])
            ]
            await until(lambda: flow.status().in_flight == 7)
            gate.touch()
            await asyncio.gather(first, *calls)
            with pytest.raises(ValueError, match="from 0 to 2, got 3"):
                await flow(("return", 0), priority=3)
        assert notes(tmp_path)[1:] == [
            *("return:(2,_2)", "return:(2,_5)", "return:(1,_1)", "return:(1,_4)"),
            *("return:(0,_0)", "return:(0,_3)"),
        ]

    asyncio.run(run())


def test_a_free_worker_gets_what_waits_behind_a_slow_item(tmp_path: Path) -> None:
    """Whatever was handed out in portions, one long item keeps nobody else waiting."""

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(Step(handlers.Obeys(str(tmp_path)), workers=2)) as flow:
            await flow.map([("return", number) for number in range(200)])  # quick
            tasks = [
                asyncio.ensure_future(flow(("return", number), timeout=None))
                for number in range(20)
            ]
            tasks.insert(
                10, asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            )
            await until(lambda: sum(task.done() for task in tasks) == 20)
            gate.touch()
            await asyncio.gather(*tasks)

    asyncio.run(run())


def test_what_is_behind_a_slow_item_goes_to_a_worker_that_is_never_free(
    tmp_path: Path,
) -> None:
    """It has waited longer than what comes all the time, so it has its turn first."""

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(Step(handlers.Obeys(str(tmp_path)), workers=2)) as flow:
            is_over = False

            async def caller() -> None:
                while not is_over:
                    await flow(("sleep", 0.002), timeout=LONG_S)

            callers = [asyncio.ensure_future(caller()) for _ in range(12)]
            await asyncio.to_thread(wait_for_notes, tmp_path, 200)
            orders: list[Any] = [("return", number) for number in range(20)]
            orders.insert(10, ("wait", str(gate)))
            tasks = [asyncio.ensure_future(flow(each, timeout=None)) for each in orders]
            await until(lambda: sum(task.done() for task in tasks) == 20)
            is_over = True
            gate.touch()
            await asyncio.gather(*tasks, *callers)

    asyncio.run(run())


def test_a_batch_waits_for_others_from_its_oldest_item_on() -> None:
    """Until it is full, and no longer than a deadline allows."""

    async def run() -> None:
        step = Step(handlers.batch_of, batch_size=3, batch_wait=LONG_S)
        async with Flow(step) as flow:
            assert await asyncio.gather(flow(1), flow(2), flow(3)) == [[1, 2, 3]] * 3
            assert await flow(4, timeout=0.5) == [4]

    asyncio.run(run())


# The end.


def test_drain_does_what_was_taken_and_takes_nothing_more(tmp_path: Path) -> None:
    """Every call that was accepted has its result."""

    async def run() -> None:
        gate = tmp_path / "gate"
        flow = Flow(Step(handlers.Obeys(str(tmp_path))))
        await flow.start_async()
        first = asyncio.ensure_future(flow(("wait", str(gate))))
        others = [asyncio.ensure_future(flow(("return", n))) for n in range(5)]
        await until(lambda: flow.status().in_flight == 6)
        drained = asyncio.ensure_future(flow.drain(grace=LONG_S))
        await until(lambda: flow.status().is_draining)
        with pytest.raises(FlowStoppedError, match="drained"):
            await flow(("return", 9))
        gate.touch()
        assert await asyncio.gather(*others) == [0, 1, 2, 3, 4]
        await asyncio.gather(first, drained)
        with pytest.raises(FlowStoppedError):
            await flow(("return", 9))

    asyncio.run(run())


def test_stop_ends_what_waits_and_lets_what_runs_end(tmp_path: Path) -> None:
    """What waits fails at once; what runs has the grace."""

    async def run() -> None:
        gate = tmp_path / "gate"
        flow = Flow(Step(handlers.Obeys(str(tmp_path))))
        await flow.start_async()
        first = asyncio.ensure_future(flow(("wait", str(gate))))
        await asyncio.to_thread(wait_for_notes, tmp_path, 1)
        other = asyncio.ensure_future(flow(("return", 1)))
        await until(lambda: flow.status().in_flight == 2)
        stopped = asyncio.ensure_future(flow.stop(grace=LONG_S))
        with pytest.raises(FlowStoppedError):
            await other
        gate.touch()
        assert await first == str(gate)
        await stopped

    asyncio.run(run())


def test_reload_replaces_workers_without_an_error() -> None:
    """Calls go on all the time; afterwards other processes answer."""

    async def run() -> None:
        async with Flow(Step(handlers.pid, workers=2)) as flow:
            before = set(await flow.map(range(100)))
            is_over = False

            async def caller() -> int:
                count = 0
                while not is_over:
                    await flow(count)
                    count += 1
                return count

            callers = [asyncio.ensure_future(caller()) for _ in range(8)]
            await flow.reload()
            is_over = True
            assert all(count > 0 for count in await asyncio.gather(*callers))
            after = set(await flow.map(range(100)))
            assert not before & after
            with pytest.raises(ValueError, match="no step 'other'"):
                await flow.reload("other")

    asyncio.run(run())


def test_a_reload_imports_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler of a module is the new one in new workers."""
    module = tmp_path / "changing_handler.py"
    module.write_text("def handle(item):\n    return 'old'\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    changing: Any = importlib.import_module(module.stem)

    async def run() -> None:
        async with Flow(Step(changing.handle)) as flow:
            assert await flow(1) == "old"
            module.write_text("def handle(item):\n    return 'newer'\n", "utf-8")
            await flow.reload()
            assert await flow(1) == "newer"

    asyncio.run(run())


# What happens to the processes.


def test_a_router_that_is_killed_is_started_again(tmp_path: Path) -> None:
    """Calls on their way fail, and later ones are answered by a new one."""

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow:
            waiting = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            router = flow.status().pid
            os.kill(router, signal.SIGKILL)
            with pytest.raises(ConnectionLostError):
                await waiting
            assert await flow(("return", 4), timeout=LONG_S) == 4
            assert flow.status().pid != router

    asyncio.run(run())


def test_a_step_whose_workers_cannot_live_is_down_and_comes_back(
    tmp_path: Path,
) -> None:
    """Three deaths in a row, and calls fail at once; a new worker is tried."""

    async def run() -> None:
        async with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow:
            for _ in range(3):
                with pytest.raises(WorkerCrashedError):
                    await flow(("exit", 1))
            await until(lambda: flow.status().steps[0].is_down)
            assert not flow.status().ready
            with pytest.raises(StepDownError, match="'Obeys' is down"):
                await flow(("return", 1))
            await until(lambda: flow.status().ready)
            assert await flow(("return", 1)) == 1

    asyncio.run(run())


def test_threads_that_call_at_once_get_what_is_theirs() -> None:
    """Also with answers that are longer than one read."""

    def call(flow: Flow[bytes, bytes], number: int) -> bool:
        sent = bytes([number]) * (1000 if number % 2 else 300_000)
        return all(flow.call(sent) == sent for _ in range(20))

    with (
        Flow(Step(handlers.same, workers=2)) as flow,
        ThreadPoolExecutor(16) as threads,
    ):
        assert all(threads.map(lambda number: call(flow, number), range(32)))


def test_what_is_too_long_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large goes another way than a frame; if it cannot, it is not sent."""
    with Flow(Step(handlers.times_a_million)) as flow:
        assert len(flow.call(b"x" * 70, timeout=LONG_S)) == 70_000_000
        monkeypatch.setattr("cotality.flow._flow.clients.packing.LONGEST", 1000)
        with pytest.raises(ValueError, match=r"the item has 2,0.. bytes when it is"):
            flow.call(b"x" * 2_000)


def test_what_waits_for_room_is_cancelled_wherever_it_is(tmp_path: Path) -> None:
    """Refused, sent again, or waiting: no handler sees what nobody waits for."""

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(Step(handlers.Obeys(str(tmp_path))), queue_size=2) as flow:
            first = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            tasks = [
                asyncio.ensure_future(flow(("return", n), wait_for_room=True))
                for n in range(6)
            ]
            await until(lambda: flow.status().outcomes["full"] == 4)
            for number in (0, 3, 5):
                tasks[number].cancel()
            await until(lambda: flow.status().in_flight == 3)
            late = flow(("return", 9), wait_for_room=True, timeout=0.05)
            with pytest.raises(DeadlineError):
                await late
            gate.touch()
            await first
            results = await errors_of(*tasks)
            assert [r for r in results if isinstance(r, int)] == [1, 2, 4]
        assert sorted(notes(tmp_path)[1:]) == ["return:1", "return:2", "return:4"]

    asyncio.run(run())
