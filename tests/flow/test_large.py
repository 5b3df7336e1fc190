"""Large items and results travel by descriptor, and no descriptor is left anywhere."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from cotality.core.utils.process import WorkerCrashedError
from cotality.flow import DeadlineError, Flow, FlowServer, QueueFullError, Step
from tests.flow import handlers
from tests.flow.handlers import wait_for_notes
from tests.flow.limits import patient as patient  # for all tests of this file
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S

numpy = pytest.importorskip("numpy")

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets"),
    pytest.mark.one_python,
]

MILLION = 1_000_000


def test_arrays_pass_several_steps_and_come_back() -> None:
    """Each handler gets memory of its own; the sender's array stays as it was."""
    sent = numpy.arange(MILLION, dtype=numpy.float64)

    async def run() -> None:
        async with Flow(
            Step(handlers.add_one_in_place, workers=2), Step(handlers.add_one_in_place)
        ) as flow:
            results = await flow.map([sent] * 20, timeout=LONG_S)
            assert all((result == sent + 2).all() for result in results)
            assert (sent == numpy.arange(MILLION)).all()
            results[0][:] = 0.0  # it is the caller's own
            in_thread = await asyncio.to_thread(flow.call, sent, timeout=LONG_S)
            assert (in_thread == sent + 2).all()
            assert await flow(numpy.zeros(3)) == pytest.approx([2, 2, 2])

    asyncio.run(run())


def test_large_bytes_and_lists_do_too() -> None:
    """Whatever is large; in one batch with what is small."""
    with Flow(Step(handlers.Echo, batch_size=8)) as flow:
        for item in (b"x" * MILLION, list(range(200_000)), "y" * MILLION, b"small"):
            assert flow.call(item, timeout=LONG_S) == item


def more_than(before: list[int], now: list[int]) -> bool:
    """Whether one of them has more; fewer it may have, of what was there before."""
    return any(new > old for new, old in zip(now, before, strict=True))


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    """Neither of items that are answered, nor of those that nobody waits for."""
    sent = numpy.zeros(MILLION)

    async def run(flow: Any) -> None:
        gate = tmp_path / "gate"
        status = flow.status()
        processes = [
            psutil.Process(),
            psutil.Process(status.pid),
            psutil.Process(status.steps[0].pids[0]),
        ]
        # As many at once as later: so many regions are kept, and have descriptors.
        await flow.map([("return", sent)] * 50, timeout=LONG_S)
        before = [each.num_fds() for each in processes]
        await flow.map([("return", sent)] * 50, timeout=LONG_S)
        blocked = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
        await asyncio.to_thread(wait_for_notes, tmp_path, 101)
        waiting = [
            asyncio.ensure_future(flow(("return", sent), timeout=0.2)) for _ in range(8)
        ]
        waiting += [asyncio.ensure_future(flow(("return", sent))) for _ in range(8)]
        results = await asyncio.gather(*waiting[:8], return_exceptions=True)
        assert [type(each) for each in results] == [DeadlineError] * 8
        for task in waiting[8:]:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        gate.touch()
        await blocked
        del results, waiting
        end = time.monotonic() + LONG_S
        while more_than(before, [each.num_fds() for each in processes]):
            assert time.monotonic() < end
            gc.collect()
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow:
            await run(flow)

    asyncio.run(main())


def test_an_item_that_a_dead_worker_had_not_begun_is_sent_again(
    tmp_path: Path,
) -> None:
    """With its memory; through a socket as well."""
    sent = numpy.arange(MILLION)
    flow = Flow(Step(handlers.Obeys(str(tmp_path))))
    with FlowServer.serve(flow, tmp_path / "s" / "s") as server:

        async def run() -> None:
            async with server.client() as client:
                orders: list[Any] = [("return", sent)] * 3
                await asyncio.gather(*[client(each, timeout=LONG_S) for each in orders])
                first = asyncio.ensure_future(client(("sleep", LONG_S), timeout=None))
                await asyncio.to_thread(wait_for_notes, tmp_path, 4)
                calls = [
                    asyncio.ensure_future(client(each, timeout=LONG_S))
                    for each in orders
                ]
                await asyncio.sleep(0)
                status = await client.status_async()
                os.kill(status.steps[0].pids[0], signal.SIGKILL)
                with pytest.raises(WorkerCrashedError):
                    await first
                for result in await asyncio.gather(*calls):
                    assert (result == sent).all()

        asyncio.run(run())
        client = server.client()
        wait_until(lambda: client.status().ready)
        client.close()


def test_what_waits_may_have_so_many_bytes(tmp_path: Path) -> None:
    """Beyond these calls are refused, or wait for room: large items and small ones."""

    async def run(item: object, count: int) -> None:
        gate = tmp_path / "gate"
        gate.unlink(missing_ok=True)
        (tmp_path / "notes").unlink(missing_ok=True)
        flow = Flow(Step(handlers.Obeys(str(tmp_path))), queue_bytes=4_000_000)
        async with flow:
            first = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            calls = [
                asyncio.ensure_future(flow(("return", item), timeout=LONG_S))
                for _ in range(count)
            ]
            while not any(call.done() for call in calls):
                await asyncio.sleep(0.01)
            refused = [call for call in calls if call.done()]
            for call in refused:
                with pytest.raises(QueueFullError, match=r"more than 4,000,000 may be"):
                    await call
            patient = asyncio.ensure_future(
                flow(("return", item), timeout=LONG_S, wait_for_room=True)
            )
            await asyncio.sleep(0)
            gate.touch()
            results = await asyncio.gather(
                first, patient, *calls, return_exceptions=True
            )
            errors = [each for each in results if isinstance(each, QueueFullError)]
            assert 0 < len(errors) < count
            assert len(results[1]) == len(item)  # type: ignore[arg-type]
            assert await flow(("return", item), timeout=LONG_S) == item

    asyncio.run(run(b"x" * 1_000_000, 12))
    asyncio.run(run("x" * 50_000, 200))
