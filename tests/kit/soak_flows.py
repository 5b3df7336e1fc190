"""Minutes of faults around a flow that web workers share; then a look at what is left.

Run by ``nox -s soak``, or ``python tests/kit/soak_flows.py --seconds 60``. Two web
workers send items all the time. Each round does something to the flow, its workers or
its clients, and checks exactly what comes of it. At the end no process of the service
may have more descriptors or threads than at the start, there may be no more processes,
and the memory of each must be flat. The exit status is 1 if something was left over.
"""

from __future__ import annotations

import os
import sys

# A script finds what lies beside it first, and `tests/typing` is not what it wants.
# ruff: noqa: E402  # so the path comes before the imports
sys.path[0] = os.path.abspath(f"{__file__}/../../..")

import argparse
import asyncio
import json
import platform
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from cotality.core.utils.process import TaskTimeoutError, WorkerCrashedError
from cotality.flow import Flow, FlowClient, FlowServer, FlowStatus, Step
from tests.flow.handlers import (
    ObeysQuietly,
    is_other_order,
    is_sleepy,
    notes,
    wait_for_notes,
)
from tests.flow.test_aqueduct import ask, free_port, running, write_service
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import GONE_S, GUARD_S, POLL_S
from tests.kit.soak import entries, mappings

LONG_S = 2 * GUARD_S  # that a step of a round may take, beside ten other programs
WARM_UP = 0.2  # of the time, after which memory should no longer grow
GROWTH = 20_000_000  # bytes that the memory of a process may grow from there to the end
TIME_LIMIT = 0.5  # s
CALLERS = 64
LOAD = 8  # callers of each web worker that sends items all the time
WORKERS = 2
ALL_BLOCKED = WORKERS + 2 * LOAD  # calls on their way while all workers are kept busy

Client = FlowClient[Any, Any]  # Any: orders, and what they come to


@dataclass
class Service:
    """The flow, and who uses it."""

    folder: Path
    server: FlowServer[Any, Any]
    client: Client
    dice: random.Random
    web_workers: list[subprocess.Popen[str]] = field(default_factory=list)
    crashes: int = 0  # that somebody may have seen
    gates: int = 0

    async def status(self) -> FlowStatus:
        return await self.client.status_async()

    async def until(self, condition: Callable[[FlowStatus], bool]) -> FlowStatus:
        end = time.monotonic() + LONG_S
        while not condition(status := await self.status()):
            assert time.monotonic() < end, status
            await asyncio.sleep(POLL_S)
        return status

    async def send(self, orders: list[Any]) -> list[Any]:
        """What all of them come to, so many at a time."""
        results: list[Any] = [None] * len(orders)
        numbers = iter(range(len(orders)))

        async def caller() -> None:
            for number in numbers:
                try:
                    results[number] = await self.client(orders[number], timeout=LONG_S)
                except Exception as error:
                    results[number] = error

        await asyncio.gather(*[caller() for _ in range(CALLERS)])
        return results

    def web_worker(self, callers: int, orders: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.flow.web_worker", str(self.server.path)]
        process = subprocess.Popen(
            [*command, str(callers), json.dumps(orders)],
            env=environment_of_scripts(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def forget_notes(self) -> None:
        (self.folder / "notes").unlink(missing_ok=True)

    def gate(self) -> Path:
        self.gates += 1
        return self.folder / f"gate {self.gates}"


def is_crash(result: object) -> bool:
    return isinstance(result, WorkerCrashedError)


# The rounds. Each checks what it gets.


async def guide(service: Service) -> None:
    """1: the guide of another system under gunicorn, which is asked to end."""
    await asyncio.to_thread(serve_guide, service.dice.randint(10, 200))


def serve_guide(count: int) -> None:
    with TemporaryDirectory() as folder, TemporaryDirectory(prefix="flow-") as runtime:
        write_service(Path(folder), is_shared=True)
        port = free_port()
        command = ["gunicorn", "-c", "gunicorn_config.py"]
        with running(command, Path(folder), Path(runtime), port, LONG_S) as server:
            assert ask(port, count) == ["done"] * count
            family = server.children(recursive=True)
            server.terminate()
            server.wait(LONG_S)
            _, left = psutil.wait_procs(family, LONG_S)
            assert not left
        assert not list(Path(runtime).rglob("*.sock"))


async def exits(service: Service) -> None:
    """3: some items end their worker; each is handled once."""
    service.forget_notes()
    before = (await service.status()).steps[1].restarts
    bad = service.dice.randint(1, 10)
    orders = [("note", number) for number in range(40 * bad)]
    for number in range(bad):
        # Three of them in a row, and the step would be down.
        position = 40 * number + service.dice.randrange(10, 20)
        orders[position] = ("note and exit", position)
    service.crashes += bad
    results = await service.send(orders)
    for (what, number), result in zip(orders, results, strict=True):
        assert is_crash(result) if "exit" in what else result == number, result
    handled = Counter(notes(service.folder))
    assert len(handled) == sum(handled.values()) == len(orders)
    await service.until(lambda now: now.steps[1].restarts == before + bad)


async def kills(service: Service) -> None:
    """4: a worker is killed under load; what it was at is one item at most."""
    pid = service.dice.choice((await service.status()).steps[1].pids)
    orders = [("return", number) for number in range(500)]
    sent = asyncio.ensure_future(service.send(orders))
    await asyncio.sleep(service.dice.random() * 0.05)
    os.kill(pid, signal.SIGKILL)
    service.crashes += 1
    results = await sent
    assert sum(map(is_crash, results)) <= 1
    assert all(is_crash(each) or each == n for n, each in enumerate(results))
    await service.until(lambda now: pid not in now.steps[1].pids)


async def hangs(service: Service) -> None:
    """6: a handler hangs; its item fails, and others go on."""
    orders: list[Any] = [("return", number) for number in range(60)]
    for number in service.dice.sample(range(60), 2):
        orders[number] = ("sleep", 10 * LONG_S)
    results = await service.send(orders)
    for (what, number), result in zip(orders, results, strict=True):
        late = isinstance(result, TaskTimeoutError)
        assert late if what == "sleep" else result == number, result


async def blocked(service: Service) -> Callable[[], Awaitable[None]]:
    """Keep all workers of the step busy; what lets them go on."""
    service.forget_notes()
    gate = service.gate()
    calls: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(service.client(("wait", str(gate)), timeout=None))
        for _ in range(WORKERS)
    ]
    await asyncio.to_thread(wait_for_notes, service.folder, WORKERS)

    async def go_on() -> None:
        gate.touch()
        await asyncio.gather(*calls)
        gate.unlink()

    return go_on


async def cancels(service: Service) -> None:
    """8: half of a hundred items that wait are cancelled; the other half is handled."""
    go_on = await blocked(service)
    before = (await service.status()).outcomes["cancelled"]
    tasks = [
        asyncio.ensure_future(service.client(("note", f"{n}"), timeout=LONG_S))
        for n in range(100)
    ]
    await service.until(lambda now: now.in_flight == ALL_BLOCKED + 100)
    gone = set(service.dice.sample(range(100), 50))
    for number in gone:
        tasks[number].cancel()
    await service.until(lambda now: now.outcomes["cancelled"] == before + 50)
    await go_on()
    await asyncio.gather(*tasks, return_exceptions=True)
    handled = [int(each) for each in notes(service.folder) if each.isdigit()]
    assert sorted(handled) == sorted(set(range(100)) - gone)


async def dying_web_worker(service: Service) -> None:
    """12: a web worker is killed with a hundred items on their way."""
    go_on = await blocked(service)
    before = (await service.status()).outcomes["cancelled"]
    dying = await asyncio.to_thread(service.web_worker, 100, [["note", "no"]] * 100)
    await service.until(lambda now: now.in_flight == ALL_BLOCKED + 100)
    dying.kill()
    await asyncio.to_thread(dying.communicate)
    await service.until(lambda now: now.outcomes["cancelled"] == before + 100)
    await go_on()
    assert "no" not in notes(service.folder)


async def large_items(service: Service) -> None:
    """What travels by descriptor, both ways, in memory that is used again."""
    for size in (100_000, 3_000_000):
        data = os.urandom(1) * size
        results = await service.send([("return", data)] * 8)
        assert results == [data] * 8


async def reloads(service: Service) -> None:
    """All workers are replaced under load, which costs nothing."""
    before = set((await service.status()).steps[1].pids)
    orders = [("return", number) for number in range(500)]
    sent = asyncio.ensure_future(service.send(orders))
    await service.client.reload()
    assert await sent == list(range(500))
    assert not before & set((await service.status()).steps[1].pids)


Round = Callable[[Service], Awaitable[None]]
ROUNDS: tuple[Round, ...] = (
    guide,
    exits,
    kills,
    hangs,
    cancels,
    dying_web_worker,
    large_items,
    reloads,
)
WEIGHTS = [1, *[6] * (len(ROUNDS) - 1)]


# What there is to leave over.


async def family(service: Service) -> dict[str, psutil.Process]:
    """The processes that live as long as the service."""
    return {
        "this program": psutil.Process(),
        "supervisor": psutil.Process(service.server.pid),
        "router": psutil.Process((await service.status()).pid),
        **{
            f"web worker {number}": psutil.Process(each.pid)
            for number, each in enumerate(service.web_workers, 1)
        },
    }


async def settled(service: Service) -> None:
    """Return once all that is about to end has ended."""
    await service.until(
        lambda now: all(len(each.pids) == each.ready == WORKERS for each in now.steps)
    )
    await asyncio.sleep(1.0)


async def census(service: Service) -> dict[str, int]:
    """How many there are of the things that could be left over."""
    found: dict[str, int] = {}
    for name, process in (await family(service)).items():
        found[f"descriptors of {name}"] = process.num_fds()
        found[f"threads of {name}"] = process.num_threads()
    pids = [pid for step in (await service.status()).steps for pid in step.pids]
    found["descriptors of a worker, at most"] = max(
        psutil.Process(pid).num_fds() for pid in pids
    )
    found["processes"] = len(psutil.Process().children(recursive=True))
    found["files in /dev/shm"] = entries("/dev/shm")
    found["anonymous shared files here"] = mappings("/memfd:")
    found["temporary files"] = entries(os.environ["TMPDIR"])
    return found


async def settled_census(service: Service, most: dict[str, int]) -> dict[str, int]:
    """The census, as soon as nothing is beyond *most* any more."""
    end = time.monotonic() + GONE_S
    while True:
        await settled(service)
        found = await census(service)
        if found.keys() == most.keys() and not beyond(found, most):
            return found
        if time.monotonic() > end:
            return found


def beyond(found: dict[str, int], most: dict[str, int]) -> list[str]:
    return [name for name in found if found[name] > most.get(name, 0)]


async def memory(service: Service) -> dict[str, int]:
    """Bytes that each process has in memory."""
    return {
        name: int(process.memory_info().rss)
        for name, process in (await family(service)).items()
    }


# The run.


async def soak(service: Service, seconds: float) -> Counter[str]:
    """Rounds in random order for so long; how many there were of each kind."""
    done: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        (kind,) = service.dice.choices(ROUNDS, WEIGHTS)
        try:
            await kind(service)
        except BaseException:
            print(f"failed after {done.total()} rounds: {kind.__name__}", flush=True)
            raise
        done[kind.__name__] += 1
    return done


async def run(service: Service, seconds: float) -> bool:
    """Soak, print the tables, and say whether nothing was left over."""
    for kind in ROUNDS:  # what stays until the end of the program is there from now on
        await kind(service)
    before = await settled_census(service, {})
    done = await soak(service, seconds * WARM_UP)
    memory_before = await memory(service)
    done += await soak(service, seconds * (1 - WARM_UP))
    after = await settled_census(service, before)
    memory_after = await memory(service)
    load = await asyncio.to_thread(end_of_load, service)
    print_rounds(done, load)
    print_census(before, after, memory_before, memory_after)
    leaks = beyond(after, before)
    leaks += [
        f"memory of {name}"
        for name, size in memory_after.items()
        if size > memory_before[name] + GROWTH
    ]
    print(f"\nLeft over: {', '.join(leaks) or 'nothing'}.")
    return not leaks


def end_of_load(service: Service) -> Counter[str]:
    """What came of all that the web workers have sent all the time."""
    load: Counter[str] = Counter()
    for each in service.web_workers:
        output, _ = each.communicate(timeout=LONG_S)
        load += Counter(json.loads(output.splitlines()[-1]))
    assert load.keys() <= {"1", "WorkerCrashedError"}, load
    assert load["WorkerCrashedError"] <= service.crashes
    return load


def print_rounds(done: Counter[str], load: Counter[str]) -> None:
    print("\n| what was done | times |\n| --- | ---: |")
    for kind in ROUNDS:
        print(f"| {kind.__name__.replace('_', ' ')} | {done[kind.__name__]} |")
    print(f"| all | {done.total()} |")
    print(f"\nThe web workers had {load['1']:,} answers", end=", and ")
    print(f"{load['WorkerCrashedError']} of their items ended with a worker.")


def print_census(
    before: dict[str, int],
    after: dict[str, int],
    memory_before: dict[str, int],
    memory_after: dict[str, int],
) -> None:
    print("\n| what | at the start | at the end |\n| --- | ---: | ---: |")
    for name in before:
        print(f"| {name} | {before[name]} | {after[name]} |")
    for name, size in memory_before.items():
        start, end = size / 1e6, memory_after[name] / 1e6
        print(
            f"| memory of {name}, after {WARM_UP:.0%} of the time "
            f"| {start:.1f} MB | {end:.1f} MB |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(
        f"soak of flows: {given.seconds:g} s, seed {given.seed}, Python "
        f"{platform.python_version()}, {platform.system()}, {os.cpu_count()} CPUs",
        flush=True,
    )
    with TemporaryDirectory(prefix="soak-") as folder:
        os.environ["TMPDIR"] = folder  # what is left there is ours
        fine = serve_and_soak(Path(folder), given.seconds, random.Random(given.seed))
    assert threading.active_count() == 1
    sys.exit(0 if fine else 1)


def serve_and_soak(folder: Path, seconds: float, dice: random.Random) -> bool:
    handler = ObeysQuietly(str(folder))
    flow = Flow(
        Step(handler, name="late", when=is_sleepy, workers=2, timeout=TIME_LIMIT),
        Step(handler, when=is_other_order, workers=WORKERS),
    )
    with FlowServer.serve(flow, folder / "own" / "s") as server, ExitStack() as stack:

        async def all_of_it() -> bool:
            async with server.client() as client:
                service = Service(folder, server, client, dice)
                for _ in range(2):
                    worker = service.web_worker(LOAD, 0)
                    stack.callback(worker.kill)
                    service.web_workers.append(worker)
                return await run(service, seconds)

        return asyncio.run(all_of_it())


if __name__ == "__main__":
    main()
