"""One contender in a program of its own: ``python -m benchmarks.flow_driver``.

It reads what to measure, a line of JSON for each time, and answers with the figures. So
all contenders are there all the time, and only the one that is measured does anything;
and none has to live with what another one has started, or left behind.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any

import psutil

from benchmarks import flow_work
from benchmarks.flow_contenders import CONTENDERS, ON_UVLOOP, Call

LEAST_CALLS = 20


async def closed_loop(
    call: Call, callers: int, items: Iterable[Any], seconds: float
) -> dict[str, float]:
    """Calls by so many callers, each of which waits for its answer."""
    times: list[float] = []
    source = iter(items)
    cpu, began = cpu_of_all(), perf_counter()
    end = began + seconds

    async def caller() -> None:
        while perf_counter() < end or len(times) < LEAST_CALLS:
            item = next(source)
            sent = perf_counter()
            await call(item)
            times.append(perf_counter() - sent)

    await asyncio.gather(*[caller() for _ in range(callers)])
    took = perf_counter() - began
    return figures(times, took, cpu_of_all() - cpu)


def figures(times: list[float], took: float, cpu: float) -> dict[str, float]:
    times.sort()
    return {
        "per_second": len(times) / took,
        "p50_ms": 1e3 * times[len(times) // 2],
        "p99_ms": 1e3 * times[int(0.99 * (len(times) - 1))],
        "cpu_us": 1e6 * cpu / len(times),
        "calls": len(times),
    }


def cpu_of_all() -> float:
    """The CPU time (s) that this program and all that it has started have had."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def items_of(work: str, loops: int) -> Iterable[Any]:
    if work == "first":
        import numpy

        return itertools.repeat(numpy.zeros(flow_work.MEGABYTE))
    if work == "wait":
        return itertools.cycle(flow_work.pareto_times(2000))
    return itertools.repeat(loops if work == "burn" else 1)


async def drive(name: str, work: str, workers: int, loops: int) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        make = CONTENDERS[name]
        call = await stack.enter_async_context(make(getattr(flow_work, work), workers))
        items = items_of(work, loops)
        await closed_loop(call, 16, items, 0.3)
        say({"ready": True})
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            wanted = json.loads(line)
            say(await closed_loop(call, wanted["callers"], items, wanted["seconds"]))


def say(told: dict[str, Any]) -> None:
    sys.__stdout__.write(json.dumps(told) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def main() -> None:
    name, work, workers, loops = sys.argv[1:]
    if name.startswith("HTTP"):
        from benchmarks.flow_http import drive_http

        asyncio.run(drive_http(name))
        return
    running = drive(name, work, int(workers), int(loops))
    if name == ON_UVLOOP:
        import uvloop

        uvloop.run(running)
    else:
        asyncio.run(running)


if __name__ == "__main__":
    main()
