"""Jobs that do what people's jobs do by mistake, or at a bad moment."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cotality.jobs import Jobs, Rate, Retry, current_job
from tests.jobs.shop import note
from tests.kit.helpers import Gate, Marks
from tests.kit.limits import POLL_S


def held(folder: str, name: str) -> str:
    """Waits, on a thread, until the gate of its name is open."""
    Marks(Path(folder)).leave(name)
    gate = Path(folder) / f"{name}.gate"
    while not gate.exists():
        time.sleep(POLL_S)
    return f"result of {name}"


def first_spins(folder: str) -> int:
    """The first run would not end; the second waits for a gate."""
    mark = Path(folder) / "pids"
    with mark.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if len(mark.read_text().splitlines()) == 1:
        while True:
            time.sleep(POLL_S)
    Gate(Path(folder) / "second.gate").wait()
    return 2


async def exits() -> None:
    """A task of it ends the event loop, if that lets it."""

    async def leave() -> None:
        sys.exit(3)

    await asyncio.gather(leave())


async def answers() -> int:
    return 1


async def awaits_what_is_cancelled(folder: str) -> None:
    note(folder, "run")
    task = asyncio.create_task(asyncio.sleep(9))
    task.cancel()
    await task


async def blocks(folder: str) -> None:
    """Holds the event loop."""
    Marks(Path(folder)).leave("blocks")
    time.sleep(60)


def noted(folder: str, seconds: float) -> None:
    note(folder, "begin")
    time.sleep(seconds)


def always_fails(folder: str) -> None:
    note(folder, "begin")
    raise ConnectionError("away")


def goes_elsewhere(url: str, number: int) -> str:
    """Enqueues another one in a folder of its own."""
    os.chdir(tempfile.mkdtemp(dir=Path(url).parent))
    return attacked.answers_too.enqueue_sync(number).id


def answers_too(number: int) -> int:
    return number


def says_what_is_no_text() -> int:
    current_job().progress(1, 2, os.fsdecode(b"caf\xe9 \0.txt"))
    return 7


class Attacked:
    """These jobs, in the store at *url*."""

    def __init__(self, url: str) -> None:
        self.jobs = jobs = Jobs(url)
        self.held = jobs.job(runs_on="threads")(held)
        self.first_spins = jobs.job(first_spins)
        self.exits, self.answers = jobs.job(exits), jobs.job(answers)
        self.awaits = jobs.job(retries=Retry(2, backoff=0.01, jitter=False))(
            awaits_what_is_cancelled
        )
        self.blocks = jobs.job(blocks)
        self.slow = jobs.job(queue="slow")(noted)
        self.quick = jobs.job(name="quick", queue="quick")(noted)
        self.paced = jobs.job(name="paced", queue="paced")(noted)
        self.on_thread = jobs.job(name="on_thread", runs_on="threads", queue="threads")(
            noted
        )
        self.always_fails = jobs.job(
            queue="paced", runs_on="threads", retries=Retry(2, backoff=0.05)
        )(always_fails)
        self.goes_elsewhere = jobs.job(goes_elsewhere)
        self.answers_too = jobs.job(answers_too)
        self.says = jobs.job(says_what_is_no_text)
        jobs.queue("paced", rate=Rate(1, per=1.5))


URL = os.environ.get("COTALITY_JOBS_URL")
# Only in a worker, and in what it starts.
attacked: Any = Attacked(URL) if URL else None  # Any: None, where nobody asks
jobs = attacked.jobs if attacked else None
