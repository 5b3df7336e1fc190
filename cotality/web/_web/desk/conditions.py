"""The state of each part of the service; a part that does not answer delays nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.web._web.models.health import Condition, Health, Part
from cotality.web._web.parts.cache import settings as settings_of_cache
from cotality.web._web.parts.database import Measurements
from cotality.web._web.settings.settings import Settings
from cotality.web._web.work.functions import TaskJobs
from cotality.web._web.work.queues import COMPARISONS, TASKS

ANSWER_S = 2.0  # that a part may take
FRESH_S = 0.5  # for which an answer is given again
LONGEST = 300  # characters of what is wrong


class Conditions:
    """Asks the parts, each in a thread of its own, and no more than once at a time."""

    settings: Settings
    tasks: TaskJobs
    measurements: Measurements
    threads: ThreadPoolExecutor
    is_closed: bool

    def __init__(self, settings: Settings, tasks: TaskJobs) -> None:
        self.settings, self.tasks = settings, tasks
        self.measurements = Measurements(settings.database)
        self.threads = ThreadPoolExecutor(3, "web-health")
        self.asked: dict[str, asyncio.Future[tuple[Part, Any]]] = {}
        self.told: tuple[float, Health] | None = None
        self.is_closed = False

    async def health(self) -> Health:
        """The service and its parts."""
        if self.told is None or time.monotonic() - self.told[0] > FRESH_S:
            self.told = (time.monotonic(), await self.found())
        return self.told[1]

    async def found(self) -> Health:
        (store, counts), (database, _), (cache, _) = await asyncio.gather(
            self.ask("store", self.store),
            self.ask("database", self.database),
            self.ask("cache", self.cache),
        )
        workers, pending, running = counts or (0, 0, 0)
        parts = [store, worker_part(workers, self.settings.workers), database, cache]
        return Health(
            status=worst(parts),
            is_ready=all(part.status != Condition.DOWN for part in parts),
            parts=parts,
            pending=pending,
            running=running,
        )

    async def ask(self, name: str, how: Callable[[], Any]) -> tuple[Part, Any]:
        """How a part is, with what else it says."""
        asked = self.asked.get(name)
        if asked is None or asked.done():
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self.threads, partial(answer, name, how))
            self.asked[name] = asked
        done, _ = await asyncio.wait([asked], timeout=ANSWER_S)
        if done:
            return asked.result()
        text = f"has not answered within {ANSWER_S:g} s"
        return Part(name=name, status=Condition.DOWN, detail=text), None

    # In threads.

    def store(self) -> tuple[str, tuple[int, int, int]]:
        queues = (TASKS, COMPARISONS)
        stats = self.tasks.jobs.stats(queues=queues)
        found = {each.queue: each for each in stats if each.queue in queues}
        waiting = sum(each.waiting for each in found.values())
        running = sum(each.running for each in found.values())
        return "", (found[TASKS].workers, waiting, running)

    def database(self) -> tuple[str, None]:
        try:
            self.measurements.total(0)
        finally:
            if self.is_closed:  # while it was asked
                self.measurements.close()
        return "", None

    def cache(self) -> tuple[str, None]:
        url = self.settings.redis_url
        if url is None:
            return "in each process", None
        import redis

        client: Any = redis.Redis  # Any: as in `RedisCache`
        server: Any = client.from_url(url, **settings_of_cache())
        try:
            server.ping()
        except (redis.RedisError, OSError) as error:
            raise DegradedError(
                f"{shown(error)}; each process has a cache of its own until it is back"
            ) from error
        finally:
            server.close()
        return "", None

    def close(self) -> None:
        """Wait for no part that does not answer."""
        self.is_closed = True
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.measurements.close()


class DegradedError(RuntimeError):
    """A part is gone that the others can do without."""


def answer(
    name: str, how: Callable[[], tuple[str, Any]]
) -> tuple[Part, Any]:  # Any: what else a part says
    try:
        detail, more = how()
    except DegradedError as error:
        return Part(name=name, status=Condition.DEGRADED, detail=f"{error}"), None
    except Exception as error:
        if is_of_a_signal(error):
            raise
        return Part(name=name, status=Condition.DOWN, detail=shown(error)), None
    return Part(name=name, status=Condition.OK, detail=detail), more


def shown(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST]


def worker_part(workers: int, where: str) -> Part:
    if workers:
        return Part(name="worker", status=Condition.OK, detail=f"{workers} alive")
    how = (
        "the service starts one when the last one has ended, or is silent for a minute"
        if where == "inside"
        else "run python -m cotality.jobs worker cotality.web.work:jobs"
    )
    text = f"no worker has given a sign of life lately, so tasks wait: {how}"
    return Part(name="worker", status=Condition.DOWN, detail=text)


def worst(parts: list[Part]) -> Condition:
    found = {part.status for part in parts}
    for each in (Condition.DOWN, Condition.DEGRADED):
        if each in found:
            return each
    return Condition.OK
