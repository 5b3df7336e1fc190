"""A bar on standard error: when it is drawn, and what happens if it cannot be."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, TextIO

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.engine.observers import Start
from cotality.core.utils._process.machine.this_process import after_fork

from .output_place import Kind, StandardError
from .reporter import Reporter, logger
from .snapshot import Progress

if TYPE_CHECKING:
    from .choose_display import Face

# A call that is over before anybody could read a bar gets one line at its end. It does
# not pay for importing what draws bars, which takes longer than many a call.
FIRST_AFTER = 0.5  # s
DRAWING_SHARE = 0.01  # of the time may go into drawing
LONGEST_PAUSE = 1.0  # s that a slow terminal may make of a face's own pause

# Those of calls that have begun and not ended. An exception may strike a call where it
# says that it ends; then its bar is gone once that is collected.
running: weakref.WeakSet[Bar] = weakref.WeakSet()

after_fork(running.clear)


class Bar(Reporter):
    """Shows one call of this process."""

    def __init__(
        self,
        clock: Callable[[], float] = perf_counter,
        *,
        title: str = "",
        unit: str = "task",
    ) -> None:
        super().__init__(clock, title=title, unit=unit)
        self.face: Face | None = None
        self.has_shown = False
        self.place = StandardError(Kind.NOWHERE, None)

    def began(self, start: Start) -> None:
        self.place = StandardError.now()
        # The other words are ASCII, which any stream can take.
        self.title = encodable(self.title, self.place.stream)
        self.unit = encodable(self.unit, self.place.stream)
        super().began(start)
        if self.place.stream is not None:
            self.due = start.at + FIRST_AFTER
            running.add(self)

    def show(self, progress: Progress) -> None:
        try:
            if self.face is None:
                self.face = self.new_face()
            before = self.clock()
            if progress.elapsed_seconds < self.face.pause:
                self.due = before + self.face.pause - progress.elapsed_seconds
                return
            self.has_shown = True
            self.face.show(progress)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            self.give_up(progress)
            return
        now = self.clock()
        slow = min((now - before) / DRAWING_SHARE, LONGEST_PAUSE)
        self.due = now + max(self.face.pause, slow)

    def ended(self, error: BaseException | None) -> None:
        try:
            super().ended(error)
        finally:
            running.discard(self)

    def show_last(self, progress: Progress, error: BaseException | None) -> None:
        running.discard(self)
        if self.due == inf or (running and not self.has_shown):
            return  # too short to be seen, and inside or beside another one
        try:
            (self.face or self.closing_face()).close(progress)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            self.give_up(progress)

    def new_face(self) -> Face:
        from .choose_display import face_for

        return face_for(self.place)

    def closing_face(self) -> Face:
        """What shows a call only when it is over."""
        from .display_plain import LogFace

        if self.place.kind is Kind.NOTEBOOK or self.place.stream is None:
            return self.new_face()
        return LogFace(self.place.stream)

    def give_up(self, progress: Progress) -> None:
        """Go on without a bar: standard error was closed, a library has an error.

        That is no reason to end the tasks.
        """
        logger.warning("the bar of progress=True has failed", exc_info=True)
        face, self.face, self.due = self.face, None, inf
        try:
            if face is not None:
                face.close(progress)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            # The same once more; it was said above.


def encodable(text: str, stream: TextIO | None) -> str:
    """*text* as *stream* can write it."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
