"""Waits for changes of tasks: one query to the store serves all who wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from cotality._kit.struck import is_of_a_signal
from cotality.jobs import StoreError

from .standing import Standing

logger = logging.getLogger("cotality.web")

# Seconds between two looks: soon after somebody has come, as most tasks are short, and
# later on.
QUICK_S, SLOW_S = 0.03, 0.2
QUICK_LOOKS = 30
AWAY_S = 1.0  # where the store refuses

Look: TypeAlias = Callable[[Iterable[str]], Awaitable[Mapping[str, Standing]]]


class Seen:
    """How a task stands, for one who waits; whoever is slow misses what is past."""

    def __init__(self) -> None:
        self.is_known = False
        self.now: Standing | None = None  # None: there is no such task
        self.has_changed = asyncio.Event()

    def tell(self, now: Standing | None) -> None:
        if not self.is_known or now != self.now:
            self.is_known, self.now = True, now
            self.has_changed.set()

    async def next(self) -> Standing | None:
        await self.has_changed.wait()
        self.has_changed.clear()
        return self.now


class Watching:
    """Looks at tasks as long as somebody waits for one; all in one event loop."""

    came: asyncio.Event
    quick: int
    is_closed: asyncio.Event

    def __init__(self, look: Look) -> None:
        self.look = look
        self.watchers: dict[str, set[Seen]] = {}
        self.came = asyncio.Event()
        self.quick = 0  # looks that come soon
        self.task: asyncio.Task[None] | None = None
        self.is_closed = asyncio.Event()

    async def watch(self, task_id: str) -> AsyncGenerator[Standing | None]:
        """How it stands now, and each change of that; None if there is no such task.

        It ends when this is closed.
        """
        if self.is_closed.is_set():
            return
        seen = Seen()
        self.watchers.setdefault(task_id, set()).add(seen)
        self.quick = QUICK_LOOKS
        self.came.set()
        if self.task is None:
            self.task = asyncio.create_task(self.run())
        try:
            while True:
                now = await seen.next()
                if self.is_closed.is_set():
                    return
                yield now
        finally:
            others = self.watchers[task_id]
            others.discard(seen)
            if not others:
                del self.watchers[task_id]

    async def run(self) -> None:
        while True:
            if not self.watchers:
                self.came.clear()
                await self.came.wait()
            await self.pause(await self.tell())

    async def tell(self) -> float:
        """Tell all who wait how their tasks stand; seconds until the next look."""
        asked = [*self.watchers]
        try:
            found = await self.look(asked)
        except StoreError as error:
            logger.error("%s", error)
            return AWAY_S
        except Exception as error:
            if is_of_a_signal(error):
                raise
            # Those who wait should not wait for ever because of one look.
            logger.exception("tasks could not be looked at")
            return AWAY_S
        for task_id in asked:
            for seen in self.watchers.get(task_id, ()):
                seen.tell(found.get(task_id))
        self.quick = max(0, self.quick - 1)
        return QUICK_S if self.quick else SLOW_S

    async def pause(self, seconds: float) -> None:
        """Less if somebody comes meanwhile."""
        self.came.clear()
        try:
            async with asyncio.timeout(seconds):
                await self.came.wait()
        except TimeoutError:
            pass  # nobody has

    async def close(self) -> None:
        """All who wait hear nothing more."""
        self.is_closed.set()
        for several in self.watchers.values():
            for seen in several:
                seen.has_changed.set()
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None
