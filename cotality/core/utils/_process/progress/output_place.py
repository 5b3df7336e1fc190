"""Where standard error leads: a terminal, a notebook, a file, or nowhere."""

from __future__ import annotations

import os
import sys
from enum import Enum
from typing import Any, TextIO

from cotality._kit.imported import imported
from cotality._kit.records import dataclass


class Kind(Enum):
    """What can be done with what was written: rewrite it, replace it, add to it."""

    TERMINAL = "terminal"
    NOTEBOOK = "notebook"
    LOG = "log"
    NOWHERE = "nowhere"


# Whether a display of ours stands in the terminal; who makes it says so. To ask that
# module would take rich.
has_display = False


@dataclass(frozen=True, slots=True)
class StandardError:
    """Standard error as it was when a call began."""

    kind: Kind
    stream: TextIO | None

    @classmethod
    def now(cls) -> StandardError:
        stream: TextIO | None = sys.stderr  # None in a Windows program without console
        if stream is None:
            return cls(Kind.NOWHERE, None)
        if is_live_terminal(stream):
            return cls(Kind.TERMINAL, stream)
        return cls(Kind.NOTEBOOK if is_notebook(stream) else Kind.LOG, stream)


def is_live_terminal(stream: TextIO) -> bool:
    """Whether a line there can be rewritten, and somebody is there to see it."""
    if os.environ.get("TERM") in ("dumb", "unknown") or runs_in_ci():
        return False
    if type(stream).__module__.startswith("idlelib"):
        return False  # IDLE says that it is a terminal, and shows \r as a character
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # somebody's own object; a closed file
        return False


def runs_in_ci() -> bool:
    """Whether a CI service runs this: some give their jobs a terminal, and log it."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def is_notebook(stream: TextIO) -> bool:
    """Whether *stream* is that of a notebook's kernel.

    In a notebook, but not if the user has sent standard error elsewhere.
    """
    ipython: Any = imported("IPython")  # Any: it may not be installed
    shell = ipython and ipython.get_ipython()
    return (
        getattr(shell, "kernel", None) is not None
        and type(stream).__module__ == "ipykernel.iostream"
    )
