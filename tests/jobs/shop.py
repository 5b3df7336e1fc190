"""A module with jobs, as workers of tests import it, and tests that enqueue them."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotality.jobs import Jobs, Rate, Retry, current_job
from cotality.jobs._jobs.engines.choosing import EngineName
from tests.kit.helpers import Gate, Marks
from tests.kit.limits import POLL_S

QUICK = Retry(2, backoff=0.05, jitter=False)


@dataclass(frozen=True)
class Order:
    """Something of people's own that is an argument."""

    number: int
    lines: tuple[str, ...]


def add(a: int, b: int) -> int:
    return a + b


def double(order: Order) -> Order:
    return Order(2 * order.number, order.lines * 2)


def unstorable() -> object:
    return threading.Lock()


def fail(text: str) -> None:
    raise ValueError(text)


def fail_until(folder: str, attempts: int) -> int:
    """Fails until it has been run so often; each run leaves the time of its begin."""
    note(folder)
    if current_job().attempt < attempts:
        raise ConnectionError(f"attempt {current_job().attempt}")
    return current_job().attempt


def kill_self(folder: str) -> None:
    note(folder)
    os.kill(os.getpid(), signal.SIGSEGV)


def spin(folder: str) -> None:
    """Takes a CPU until somebody ends it."""
    note(folder)
    while True:
        pass


def hold(marks: str, gate: str, name: str) -> str:
    """Says that it has begun, then waits for the gate."""
    Marks(Path(marks)).leave(name)
    Gate(Path(gate)).wait()
    return name


def held_on_thread(marks: str, name: str) -> str:
    """Waits until it is cancelled."""
    Marks(Path(marks)).leave(name)
    while not current_job().is_cancelled:
        time.sleep(POLL_S)
    Marks(Path(marks)).leave(f"{name}-ended")
    return name


async def wait_for(gate: str, value: int) -> int:
    while not Path(gate).exists():
        await asyncio.sleep(POLL_S)
    assert current_job().attempt == 1
    return value


async def sleep_for(seconds: float) -> None:
    await asyncio.sleep(seconds)


def work(seconds: float, number: int) -> int:
    """What most jobs are: they take a while, and give something."""
    time.sleep(seconds)
    return number


def noted(folder: str, number: int) -> int:
    """Leaves the time at which it began."""
    note(folder, f"{number}")
    return number


def timed(folder: str, number: int, seconds: float) -> int:
    """Leaves when it began, and when it ended."""
    note(folder, f"begin {number}")
    time.sleep(seconds)
    note(folder, f"end {number}")
    return number


def report(count: int) -> int:
    """Says often how far it is."""
    for number in range(count):
        current_job().progress(number + 1, count, f"item {number}")
    return count


def report_and_hold(gate: str) -> None:
    current_job().progress(3, 10, "three")
    Gate(Path(gate)).wait()


def pid() -> int:
    return os.getpid()


def thread_name() -> str:
    time.sleep(0.05)
    return f"{os.getpid()} {threading.current_thread().name}"


def needs_two(a: int, b: int) -> int:
    return a + b


def note(folder: str, text: str = "") -> None:
    """A line with the time, which survives whatever ends this process."""
    line = f"{time.time():.4f} {text}\n".encode()
    fd = os.open(Path(folder) / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


class Shop:
    """The jobs of this module, in the store at *url*."""

    def __init__(self, url: str, engine: EngineName = "tables") -> None:
        self.jobs = jobs = Jobs(url, modules=["tests.jobs.broken"], engine=engine)
        self.add = jobs.job(add)
        self.double = jobs.job(double)
        self.unstorable = jobs.job(unstorable)
        self.fail = jobs.job(fail)
        self.fail_until = jobs.job(retries=Retry(4, backoff=2, jitter=False))(
            fail_until
        )
        self.kill_self = jobs.job(retries=QUICK)(kill_self)
        self.spin = jobs.job(spin)
        self.spin_briefly = jobs.job(name="spin_briefly", timeout=0.3)(spin)
        self.hold = jobs.job(hold)
        self.held_on_thread = jobs.job(runs_on="threads")(held_on_thread)
        self.wait_for = jobs.job(wait_for)
        self.sleep_for = jobs.job(timeout=0.2)(sleep_for)
        self.work = jobs.job(retries=2, runs_on="threads")(work)
        self.noted = jobs.job(queue="one", runs_on="threads")(noted)
        self.paced = jobs.job(name="paced", queue="paced", runs_on="threads")(noted)
        self.timed = jobs.job(queue="two", runs_on="threads")(timed)
        self.report = jobs.job(report)
        self.report_and_hold = jobs.job(report_and_hold)
        self.pid = jobs.job(pid)
        self.thread_name = jobs.job(runs_on="auto")(thread_name)
        self.needs_two = jobs.job(needs_two)
        jobs.queue("two", concurrency=2)
        jobs.queue("paced", rate=Rate(3, per=2))


URL = os.environ.get("COTALITY_JOBS_URL")
ENGINE: Any = os.environ.get("ENGINE_OF_TESTS", "tables")  # Any: an EngineName
# Only in a worker: elsewhere each test has a store of its own.
shop: Any = Shop(URL, ENGINE) if URL else None  # Any: None, where nobody asks
jobs = shop.jobs if shop else None
