"""Whether the service is about to end, for answers that would delay that.

A server that is told to end waits for its running answers, and tells the application
only afterwards: with a stream that never ends it would wait for ever. So we listen to
the signals ourselves, and pass them on.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Set when the process is told to end, as soon as somebody has called `watch`."""

    event: asyncio.Event

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.loop: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self.passing: dict[int, PassingOn] = {}

    @property
    def is_near(self) -> bool:
        """Whether it was told."""
        return self.event.is_set()

    async def wait(self) -> None:
        """Return when it is told."""
        await self.event.wait()

    def begin(self) -> None:
        """Say that it ends; to be called in the event loop."""
        self.event.set()

    def watch(self) -> None:
        """Listen to the signals, from now on and in this event loop.

        Only where a server has said what they mean: it is told after us.
        """
        loop = asyncio.get_running_loop()
        if self.loop is not None and self.loop() is loop:
            return
        self.loop, self.event = weakref.ref(loop), asyncio.Event()
        if threading.current_thread() is not threading.main_thread():
            return  # others have no signals
        for number in SIGNALS:
            before = signal.getsignal(number)
            if callable(before) and before is not signal.default_int_handler:
                ours = self.passing[number] = PassingOn(before, self.tell)
                signal.signal(number, ours)

    def tell(self) -> None:
        """Say that it ends; to be called in a signal handler."""
        loop = None if self.loop is None else self.loop()
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.begin)

    def forget(self) -> None:
        """Listen no more, unless others have begun to listen after us."""
        for number, ours in self.passing.items():
            is_last = signal.getsignal(number) is ours
            if is_last:
                signal.signal(number, ours.before)
        self.passing.clear()
        self.loop = None


class PassingOn:
    """A signal handler that tells us, and then whom it was for."""

    def __init__(
        self,
        before: Callable[[int, FrameType | None], object],
        tell: Callable[[], None],
    ) -> None:
        self.before, self.tell = before, tell

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """What Python calls with a signal."""
        self.tell()
        self.before(number, frame)
