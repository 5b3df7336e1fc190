"""The display for notebooks: an output of its own, which is replaced.

It needs no widgets. So it works in every front end, it is still there when the notebook
is opened again, and what tasks print meanwhile has its own place.
"""

from __future__ import annotations

import importlib
from typing import Any

from .sentence import in_html, titled
from .snapshot import Progress


class NotebookFace:
    """A line, with the browser's own bar."""

    pause = 0.2  # each drawing is a message to the browser

    def __init__(self) -> None:
        self.output: Any = None  # Any: a display handle of IPython, which has no types

    def show(self, progress: Progress) -> None:
        display: Any = importlib.import_module("IPython.display")  # Any: as above
        content = {"text/plain": titled(progress), "text/html": in_html(progress)}
        if self.output is None:
            self.output = display.display(content, raw=True, display_id=True)
        else:
            self.output.update(content, raw=True)

    def close(self, progress: Progress) -> None:
        self.show(progress)
