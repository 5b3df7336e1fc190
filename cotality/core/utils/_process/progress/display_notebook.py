"""The display for notebooks: an output of its own, which is replaced.

It needs no widgets. So it works in every front end, it is still there when the notebook
is opened again, and what tasks print meanwhile has its own place.
"""

from __future__ import annotations

import importlib
from html import escape
from typing import Any

from .sentence import titled
from .snapshot import Progress


class NotebookFace:
    """A line, with the browser's own bar."""

    pause = 0.2  # each drawing is a message to the browser

    def __init__(self) -> None:
        self.output: Any = None  # Any: a display handle of IPython, which has no types

    def show(self, progress: Progress) -> None:
        display: Any = importlib.import_module("IPython.display")  # Any: as above
        text = titled(progress)
        content = {"text/plain": text, "text/html": f"{bar(progress)} {escape(text)}"}
        if self.output is None:
            self.output = display.display(content, raw=True, display_id=True)
        else:
            self.output.update(content, raw=True)

    def close(self, progress: Progress) -> None:
        self.show(progress)


def bar(progress: Progress) -> str:
    """The bar as HTML; one without a value, for an unknown total, moves by itself."""
    if progress.total is None and not progress.finished:
        return "<progress></progress>"
    return f'<progress value="{progress.done}" max="{progress.total or 1}"></progress>'
