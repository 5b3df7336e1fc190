"""How fast a flow is: ``python tests/benchmarks/run.py flow --help``.

All contenders take turns in each round, because a machine is never the same for long;
the table has the medians of all rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from cotality.flow import Flow, FlowServer, Step
from tests.benchmarks.flow_work import burn, first, loops_in_a_millisecond, same

Call = Callable[[Any], Awaitable[Any]]  # Any: an item, and what becomes of it
CALLERS = (1, 8, 64, 256, 1024)
CALLS = {1: 1000, 8: 4000, 64: 8000, 256: 8000, 1024: 8000}
MEGABYTE = 131_072  # numbers of 8 bytes


async def closed_loop(call: Call, callers: int, items: list[Any]) -> dict[str, float]:
    """Calls by so many callers, each of which waits for its answer."""
    left = iter(items)
    times: list[float] = []

    async def caller() -> None:
        for item in left:
            began = perf_counter()
            await call(item)
            times.append(perf_counter() - began)

    began = perf_counter()
    await asyncio.gather(*[caller() for _ in range(callers)])
    seconds = perf_counter() - began
    times.sort()
    return {
        "per_second": len(items) / seconds,
        "p50_ms": 1e3 * times[len(times) // 2],
        "p99_ms": 1e3 * times[int(0.99 * (len(times) - 1))],
    }


@asynccontextmanager
async def own_flow(function: Any, workers: int) -> AsyncIterator[Call]:
    async with Flow(Step(function, workers=workers), queue_size=4096) as flow:
        yield lambda item: flow(item, timeout=60)


@asynccontextmanager
async def served_flow(function: Any, workers: int) -> AsyncIterator[Call]:
    with tempfile.TemporaryDirectory(prefix="flow-") as folder:
        flow = Flow(Step(function, workers=workers), queue_size=8192)
        path = Path(folder) / "own" / "s"
        server = await asyncio.to_thread(FlowServer.serve, flow, path)
        try:
            async with server.client() as client:
                yield lambda item: client(item, timeout=60)
        finally:
            await asyncio.to_thread(server.stop)


@asynccontextmanager
async def pool(function: Any, workers: int) -> AsyncIterator[Call]:
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(workers) as executor:
        yield lambda item: loop.run_in_executor(executor, function, item)


CONTENDERS = {
    "Flow": own_flow,
    "FlowServer and FlowClient": served_flow,
    "ProcessPoolExecutor": pool,
}


def bare(loops: int, count: int) -> float:
    """How much two processes do in a second that do nothing else."""
    code = (
        "from time import perf_counter\n"
        "from tests.benchmarks.flow_work import burn\n"
        "began = perf_counter()\n"
        f"for _ in range({count}): burn({loops})\n"
        f"print({count} / (perf_counter() - began))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment
        )
        for _ in range(2)
    ]
    return sum(float(each.communicate()[0]) for each in both)


Figures = dict[tuple[str, str], list[dict[str, float]]]


async def trivial(figures: Figures, rounds: int) -> None:
    """A handler that does nothing."""
    async with AsyncExitStack() as stack:
        calls = {
            name: await stack.enter_async_context(make(same, 1))
            for name, make in CONTENDERS.items()
        }
        for call in calls.values():
            await closed_loop(call, 64, [1] * 2000)
        for _ in range(rounds):
            for callers in CALLERS:
                for name, call in calls.items():
                    found = await closed_loop(call, callers, [1] * CALLS[callers])
                    add(figures, f"trivial, {callers} callers", name, found)


async def one_millisecond(figures: Figures, rounds: int) -> None:
    """A handler that computes for 1 ms, on two workers, for 64 callers."""
    loops = loops_in_a_millisecond()
    async with AsyncExitStack() as stack:
        calls = {
            name: await stack.enter_async_context(make(burn, 2))
            for name, make in CONTENDERS.items()
        }
        for _ in range(rounds):
            per_second = await asyncio.to_thread(bare, loops, 1000)
            add(figures, CPU, "two bare processes", {"per_second": per_second})
            for name, call in calls.items():
                add(figures, CPU, name, await closed_loop(call, 64, [loops] * 2000))


CPU = "1 ms of computing, 2 workers, 64 callers"


async def megabyte(figures: Figures, rounds: int) -> None:
    """An array of 1 MB there, a number back."""
    import numpy

    array = numpy.zeros(MEGABYTE)
    async with AsyncExitStack() as stack:
        calls = {
            name: await stack.enter_async_context(make(first, 1))
            for name, make in CONTENDERS.items()
        }
        for _ in range(rounds):
            for callers, count in ((1, 200), (16, 1000)):
                for name, call in calls.items():
                    found = await closed_loop(call, callers, [array] * count)
                    add(figures, f"1 MB array, {callers} callers", name, found)


def add(figures: Figures, case: str, name: str, found: dict[str, float]) -> None:
    figures.setdefault((case, name), []).append(found)


def medians(figures: Figures) -> list[dict[str, Any]]:
    return [
        {"case": case, "contender": name, "rounds": len(found)}
        | {each: statistics.median(one[each] for one in found) for each in found[0]}
        for (case, name), found in figures.items()
    ]


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| case | contender | per second | p50 ms | p99 ms |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        times = [
            f"{row[each]:.3g}" if each in row else "" for each in ("p50_ms", "p99_ms")
        ]
        lines.append(
            f"| {row['case']} | {row['contender']} | {row['per_second']:,.0f} | "
            f"{times[0]} | {times[1]} |"
        )
    return "\n".join(lines)


CASES = {"trivial": trivial, "cpu": one_millisecond, "megabyte": megabyte}


def main(arguments: list[str]) -> int:
    """Measure, print the table, and write the figures if wanted."""
    parser = argparse.ArgumentParser(prog="run.py flow", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=5, help="5 by default")
    parser.add_argument("--json", help="where to write the figures")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    figures: Figures = {}
    for name in given.cases or CASES:
        measured: Figures = {}
        asyncio.run(CASES[name](measured, given.rounds))
        print(table(medians(measured)), end="\n\n", flush=True)
        figures |= measured
    rows = medians(figures)
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1), "utf-8")
    return 0
