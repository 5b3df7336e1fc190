"""The display for terminals if tqdm is installed, and rich is not."""

from __future__ import annotations

from typing import Any, TextIO

import tqdm

from .display_plain import FALLBACK_COLUMNS, columns
from .sentence import titled
from .snapshot import Progress

WITH_TOTAL = "{percentage:3.0f}% |{bar:24}| {desc}"
WITHOUT_TOTAL = "{desc}"
FALLBACK_ROWS = 24

base: Any = tqdm.tqdm  # Any: tqdm has no types


class QuietTqdm(base):  # type: ignore[misc]  # as above
    """Without the thread that tqdm starts to look after bars that stand still."""

    monitor_interval = 0


class TqdmFace:
    """A bar of tqdm, which finds its place below others that stand there."""

    pause = 0.1

    def __init__(self, stream: TextIO) -> None:
        # leave=None: it stays, unless another bar stands above it.
        has_size = columns(stream) > 0  # without one tqdm would draw nothing
        self.bar = QuietTqdm(
            file=stream,
            leave=None,
            ncols=None if has_size else FALLBACK_COLUMNS,
            nrows=None if has_size else FALLBACK_ROWS,
            dynamic_ncols=has_size,
            delay=1,
        )
        self.bar.delay = 0  # it was to keep it from drawing before it has a sentence

    def show(self, progress: Progress) -> None:
        self.set(progress)
        self.bar.refresh()

    def close(self, progress: Progress) -> None:
        self.set(progress)
        # Two calls that end at once must not both take the other for the last one.
        with QuietTqdm.get_lock():
            if len(QuietTqdm._instances) == 1:
                # No other stands any more. tqdm itself would take away one that was
                # below another, and leave what is to be seen of it.
                self.bar.clear()
                self.bar.leave = True
            self.bar.close()

    def set(self, progress: Progress) -> None:
        self.bar.n = progress.done
        self.bar.total = progress.total
        self.bar.bar_format = WITH_TOTAL if progress.total else WITHOUT_TOTAL
        self.bar.set_description_str(titled(progress), refresh=False)
