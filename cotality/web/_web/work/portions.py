"""Results go into the store in portions, as they come, while others are computed.

Methods give items in any order. They are stored in the order of their index, so that
there are no gaps, and a worker that continues after a crash knows where to begin.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from cotality._kit.struck import is_of_a_signal
from cotality.jobs import StoreError
from cotality.web._web.methods.order import Done

from .rows import TaskRow

if TYPE_CHECKING:
    from .results import Results

logger = logging.getLogger("cotality.web")

MOST = 500  # items in a portion
EVERY_S = 0.25  # after which also less is stored
FULL = 20 * MOST  # items that wait to be stored, before who gives them waits
PATIENCE_S = 60.0  # with a store that refuses
PAUSE_S = 0.5


class Portions:
    """Takes the items of one run of a task; used as a context manager of either kind.

    A thread stores them. At the end of the ``with`` all of them are stored.

    Args:
        results: Where to.
        row: The task, as it was when this run began.
        tell: Is called with the task as it is after each portion.
        is_wanted: Whether this run still counts.
    """

    results: Results
    tell: Callable[[TaskRow], None]
    changed: threading.Condition
    thread: threading.Thread
    next: int
    is_over: bool
    is_dropped: bool
    row: TaskRow

    def __init__(
        self,
        results: Results,
        row: TaskRow,
        tell: Callable[[TaskRow], None],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.results, self.row, self.tell = results, row, tell
        self.is_wanted = is_wanted
        self.early: dict[int, Done] = {}  # what comes after one that is missing
        self.line: list[Done] = []  # what can be stored
        self.next = row.done
        self.changed = threading.Condition()  # held while what is above changes
        self.is_over = self.is_dropped = False
        self.error: Exception | None = None
        self.thread = threading.Thread(
            target=self.store_all, name="web-portions", daemon=True
        )

    def __enter__(self) -> Portions:
        self.thread.start()
        return self

    def give(self, done: Done) -> None:
        """Take an item; waits while too many are not stored yet.

        Raises:
            SupersededError: Somebody else is at the task.
            StoreError: The store refuses, for a minute by now.
        """
        with self.changed:
            while len(self.line) >= FULL and self.error is None:
                self.changed.wait()
            self.take(done)

    def take(self, done: Done) -> None:
        if self.error is not None:
            raise self.error
        self.early[done.item] = done
        while (found := self.early.pop(self.next, None)) is not None:
            self.line.append(found)
            self.next += 1
        if len(self.line) >= MOST:
            self.changed.notify_all()

    def give_at_once(self, done: Done) -> bool:
        """Take an item without waiting; False if the next one should wait.

        Raises:
            Exception: As `give`.
        """
        with self.changed:
            self.take(done)
            return len(self.line) < FULL

    def wait_for_room(self) -> None:
        """Return when not too many are there that are not stored yet."""
        with self.changed:
            while len(self.line) >= FULL and self.error is None:
                self.changed.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.finish(kind is not None)
        self.thread.join()
        self.check(error)

    async def __aenter__(self) -> Portions:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.finish(kind is not None)
        await asyncio.to_thread(self.thread.join)
        self.check(error)

    def finish(self, is_dropped: bool) -> None:
        """Nothing more comes."""
        with self.changed:
            self.is_over, self.is_dropped = True, is_dropped
            self.changed.notify_all()

    def check(self, error: BaseException | None) -> None:
        if error is None and self.error is not None:
            raise self.error

    # In the thread.

    def store_all(self) -> None:
        try:
            while (portion := self.next_portion()) is not None:
                self.row = self.stored(portion)
                self.tell(self.row)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def next_portion(self) -> list[Done] | None:
        """What is there after a while, or at once if it is enough; None at the end."""
        with self.changed:
            end = time.monotonic() + EVERY_S
            while not self.is_over and len(self.line) < MOST:
                left = end - time.monotonic()
                if left <= 0:
                    if self.line:
                        break
                    left = EVERY_S
                self.changed.wait(left)
            if self.is_over and not self.line:
                return None
            portion = self.line[:MOST]
            del self.line[:MOST]
            self.changed.notify_all()
            return portion

    def stored(self, portion: list[Done]) -> TaskRow:
        """Store it, as often as it takes: a store that is away for a moment is back."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.results.add_portion(self.row, portion, self.is_wanted)
            except StoreError as error:
                if time.monotonic() > end or self.is_dropped:
                    raise
                logger.error("%s; once more in %g s", error, PAUSE_S)
                time.sleep(PAUSE_S)
