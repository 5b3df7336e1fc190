"""What a person sees who has pressed Ctrl-C: their own lines, and one of ours.

The signal mostly strikes deep inside of the engine, where the call waits. Whoever reads
the traceback wants to know which of their calls that was, and, if a task ran in their
own thread, where that was.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from cotality.core.utils._process.tasks.tracebacks import field_of, set_field

OURS = "cotality."
# What the engine waits with. A frame of these is not of interest below one of ours.
WAITS_WITH = {"threading", "queue", "selectors", "contextlib", "_queue", "socket"}
WAITS_IN = ("concurrent.futures", "multiprocessing", "asyncio")
UNKNOWN_LINE = -1  # what a traceback is made with that is to say None again


def hide_engine(struck: BaseException) -> None:
    """Leave only frames of others in the traceback of *struck*, if it is a Ctrl-C.

    To be called where it is caught, and raised again by a bare ``raise``: then it has
    no frame of the function that calls this either.
    """
    if isinstance(struck, KeyboardInterrupt):
        leave_frames_of_others(struck)


def leave_frames_of_others(struck: BaseException) -> None:
    """The same for what a Ctrl-C becomes elsewhere, as in an event loop."""
    kept: list[TracebackType] = []
    entry: TracebackType | None = field_of(struck, "__traceback__")
    is_below = False  # below a frame of ours, with nothing of others in between
    while entry is not None:
        name = entry.tb_frame.f_globals.get("__name__") or ""
        is_below = name.startswith(OURS) or (is_below and is_of_engine(name))
        if not is_below:
            kept.append(entry)
        entry = entry.tb_next
    chain: TracebackType | None = None
    for each in reversed(kept):
        chain = TracebackType(chain, each.tb_frame, each.tb_lasti, line_of(each))
    set_field(struck, "__traceback__", chain)


def line_of(entry: Any) -> int:  # Any: typeshed does not know that it may be None
    """With which a traceback is made that says the same as *entry*."""
    line: int | None = entry.tb_lineno
    # None: an instruction that belongs to no line, as the first ones of a function.
    return UNKNOWN_LINE if line is None else line


def is_of_engine(module: str) -> bool:
    return module in WAITS_WITH or module.startswith(WAITS_IN)
