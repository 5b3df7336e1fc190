"""How soon a flow is over what happens to it: ``nox -s bench -- drills``.

That it comes out right is tested (`tests/flow/test_drills.py`). This takes the time, on
a machine that does nothing else, and says how long each may take.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from cotality.core.utils.process import TaskNotPicklableError, TaskTimeoutError
from cotality.flow import (
    ConnectionLostError,
    DeadlineError,
    Flow,
    FlowClient,
    FlowServer,
    QueueFullError,
    Step,
)
from cotality.flow._flow.wire.frames import HEAD, VERSION, Kind
from tests.flow.handlers import ObeysQuietly, notes
from tests.kit.helpers import environment_of_scripts

CALLERS = 64
LONG = 30.0  # s that a call may take which is not to fail for its time


@dataclass(frozen=True)
class Found:
    """How long something took, in seconds."""

    what: str
    took: float
    limit: float
    least: float = 0.0

    def __str__(self) -> str:
        limit = f"{self.limit:g} s"
        if self.least:
            limit = f"{self.least:g} to {limit}"
        verdict = "yes" if self.least <= self.took <= self.limit else "no"
        return f"| {self.what} | {1000 * self.took:,.1f} ms | {limit} | {verdict} |"


@dataclass
class Place:
    """A flow that is served for one drill."""

    folder: Path
    server: FlowServer[Any, Any]

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    async def blocked(self, client: FlowClient[Any, Any]) -> list[asyncio.Future[Any]]:
        """Keep both workers busy."""
        calls: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(client(("wait", str(self.gate)), timeout=None))
            for _ in range(2)
        ]
        while len(notes(self.folder)) < len(calls):
            await asyncio.sleep(0.001)
        return calls

    @contextmanager
    def web_workers(self, orders: Any) -> Iterator[None]:
        command = [sys.executable, "-m", "tests.flow.web_worker", str(self.server.path)]
        processes = [
            subprocess.Popen(
                [*command, str(CALLERS // 2), json.dumps(orders)],
                env=environment_of_scripts(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                process.stdout.readline()
            yield
        finally:
            for process in processes:
                process.kill()
                process.communicate()


async def errors(*calls: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


async def router_killed(place: Place) -> list[Found]:
    """5: all calls fail, and clients find the next router."""
    async with place.server.client() as client:
        calls = await place.blocked(client)
        calls += [
            asyncio.ensure_future(client(("return", number), timeout=None))
            for number in range(CALLERS - 2)
        ]
        router = (await client.status_async()).pid
        began = perf_counter()
        os.kill(router, signal.SIGKILL)
        results = await errors(*calls)
        failed = perf_counter() - began
        assert {type(each) for each in results} == {ConnectionLostError}
        while True:
            try:
                assert await client(("return", 1)) == 1
                break
            except ConnectionLostError:
                await asyncio.sleep(0.001)
        return [
            Found("5: the router is killed; all calls have failed", failed, 0.2),
            Found("5: the first call is answered again", perf_counter() - began, 2.0),
        ]


async def handler_hangs(place: Place) -> list[Found]:
    """6: the time limit of a step."""
    async with place.server.client() as client:
        began = perf_counter()
        (error,) = await errors(client(("sleep", 100), timeout=LONG))
        assert isinstance(error, TaskTimeoutError)
        took = perf_counter() - began
        return [Found("6: a handler hangs with a limit of 1 s", took, 1.2, 1.0)]


async def deadline(place: Place) -> list[Found]:
    """7: the time limit of a call."""
    async with place.server.client() as client:
        calls = await place.blocked(client)
        began = perf_counter()
        (error,) = await errors(client(("note", "never"), timeout=0.3))
        took = perf_counter() - began
        assert isinstance(error, DeadlineError)
        place.gate.touch()
        await asyncio.gather(*calls)
        assert "never" not in notes(place.folder)
        return [Found("7: an item with 0.3 s behind a long one", took, 0.4, 0.3)]


async def overload(place: Place) -> list[Found]:
    """10: what is too much is refused."""
    flood = {"items": [["return", 1]], "times": 10_000, "timeout": None}
    async with place.server.client() as client:
        calls = await place.blocked(client)
        with place.web_workers(flood):
            took: list[float] = []
            while len(took) < 200:
                began = perf_counter()
                (error,) = await errors(client(("return", 1), timeout=0.01))
                if isinstance(error, QueueFullError):
                    took.append(perf_counter() - began)
            place.gate.touch()
            await asyncio.gather(*calls)
            median = statistics.median(took)
            return [Found("10: a refusal, the median of 200", median, 0.005)]


async def reload(place: Place) -> list[Found]:
    """11: workers are replaced under load."""
    with place.web_workers(0):
        async with place.server.client() as client:
            times = [perf_counter()]
            is_over = False

            async def caller() -> None:
                while not is_over:
                    assert await client(("return", 1), timeout=LONG) == 1
                    times.append(perf_counter())

            callers = [asyncio.ensure_future(caller()) for _ in range(8)]
            await asyncio.sleep(0.5)
            await client.reload()
            await asyncio.sleep(0.5)
            is_over = True
            await asyncio.gather(*callers)
            gap = max(after - before for before, after in pairwise(times))
            return [Found("11: the longest gap in answers at a reload", gap, 0.1)]


async def nonsense(place: Place) -> list[Found]:
    """13: clients that do not keep to the format."""
    ends = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for end, data in zip(
        ends,
        (
            os.urandom(1000),
            HEAD.pack(VERSION, Kind.HELLO, 0, 0, 2**31, 0, 0.0, 0),
            HEAD.pack(VERSION, Kind.HELLO, 0, 0, 0, 0, 0.0, 0)[:10],
        ),
        strict=True,
    ):
        end.connect(str(place.server.path))
        end.sendall(data)
    began = perf_counter()
    status = await asyncio.to_thread(place.server.client().status)
    took = perf_counter() - began
    assert status.live
    for end in ends:
        end.close()
    return [Found("13: how it is, amid nonsense and half a frame", took, 0.05)]


async def unpicklable(place: Place) -> list[Found]:
    """14: what cannot be sent."""
    async with place.server.client() as client:
        found: list[Found] = []
        for what, order in (
            ("item", ("return", threading.Lock())),
            ("result", ("lock", None)),
        ):
            await client(("return", 1))
            began = perf_counter()
            (error,) = await errors(client(order))
            took = perf_counter() - began
            assert isinstance(error, TaskNotPicklableError)
            found.append(Found(f"14: an unpicklable {what}", took, 0.05))
        return found


DRILLS: dict[Callable[[Place], Awaitable[list[Found]]], dict[str, Any]] = {
    router_killed: {},
    handler_hangs: {"timeout": 1.0},
    deadline: {},
    overload: {},
    reload: {},
    nonsense: {},
    unpicklable: {},
}


def main(arguments: list[str]) -> int:
    """Print one table."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    print("| drill | took | may take | kept |\n| --- | ---: | ---: | --- |")
    for drill, options in DRILLS.items():
        with TemporaryDirectory(prefix="drill-") as made:
            folder = Path(made)
            flow = Flow(Step(ObeysQuietly(made), workers=2, **options))
            with FlowServer.serve(flow, folder / "own" / "s") as server:
                for found in asyncio.run(run(drill, Place(folder, server))):
                    print(found, flush=True)
    return 0


async def run(
    drill: Callable[[Place], Awaitable[list[Found]]], place: Place
) -> list[Found]:
    return await drill(place)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
