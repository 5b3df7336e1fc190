"""Chooses the display that suits the place where standard error leads."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Protocol, TextIO

from . import output_place
from .output_place import Kind, StandardError
from .snapshot import Progress


class Face(Protocol):
    """Shows one call.

    Attributes:
        pause: Seconds between two drawings, at least.
    """

    pause: float

    def show(self, progress: Progress) -> None: ...

    def close(self, progress: Progress) -> None:
        """Leave *progress*, the last one, to be read, and the terminal as it was."""


def face_for(place: StandardError) -> Face:
    """The best face that *place* can show with what is installed."""
    from . import display_notebook, display_plain

    assert place.stream is not None
    if place.kind is Kind.NOTEBOOK:
        return display_notebook.NotebookFace()
    if place.kind is Kind.LOG:
        return display_plain.LogFace(place.stream)
    return terminal_face(place.stream)


def terminal_face(stream: TextIO) -> Face:
    from . import display_plain

    if not output_place.has_display:
        if hasattr(stream, "rich_proxied_file"):
            # Somebody's own live display of rich stands there. It has the terminal,
            # and lines that are written to what stands for the stream appear above it.
            return display_plain.LogFace(stream)
        if bars_of_tqdm_stand() or not is_installed("rich"):
            return tqdm_or_plain(stream)
    from . import display_rich

    return display_rich.RichFace(stream)


def tqdm_or_plain(stream: TextIO) -> Face:
    from . import display_plain

    if is_installed("tqdm"):
        from . import display_tqdm

        return display_tqdm.TqdmFace(stream)
    return display_plain.LineFace(stream)


def bars_of_tqdm_stand() -> bool:
    """Whether the user's loop has a bar of tqdm already: then one below is right."""
    tqdm: Any = sys.modules.get("tqdm")  # Any: it may not be installed
    return bool(getattr(getattr(tqdm, "tqdm", None), "_instances", None))


def is_installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
