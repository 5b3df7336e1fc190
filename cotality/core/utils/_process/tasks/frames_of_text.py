"""Makes a traceback that Python can show from the text of a traceback.

`tblib` reads the lines. The frames are made like those of an exception from a worker,
see `tracebacks`: the frames of `tblib` (3.2) keep the callers of whoever made them
alive, and mark columns that do not belong to the line.

The text may come from a file, and be about anything. Lines that are not about a frame
are skipped, and of very many frames only the innermost are used.

Python shows the line that a file has today. If the text shows another one, the name of
the file says so, and no line is shown.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator
from itertools import pairwise
from types import TracebackType
from typing import Any

from cotality._kit.safe_text import printable
from cotality._kit.struck import is_of_a_signal

from .tracebacks import PackedFrame, unpack_frames

MAX_FRAMES = 200  # of one text; Python's own limit makes some 1,000 of them
LONGEST_LINE = 2000  # characters
HEADER = "Traceback (most recent call last):"
MARGINS = {HEADER: "", f"  + Exception Group {HEADER}": "  | "}  # by the first line


def frames_of_traceback(text: str) -> TracebackType | None:
    """The frames of the traceback that *text* begins with; None if there are none."""
    return frames_of(text.split("\n"))


def frames_of_last_error(text: str, words: str) -> TracebackType | None:
    """The frames of the last exception of a chain, whose traceback *text* is.

    Args:
        words: The end of the class of that exception and its message. Whatever looks
            like a traceback from there on was in its message or its notes.
    """
    end = text.rfind(words)
    lines = text[:end].split("\n") if end >= 0 else text.split("\n")
    starts = [number for number, line in enumerate(lines) if line in MARGINS]
    return frames_of(lines[starts[-1] :] if starts else [])


def frames_of(lines: list[str]) -> TracebackType | None:
    """The frames of the traceback that *lines* begin with."""
    places = places_of(line for line, _ in frame_lines(lines))
    return unpack_frames(as_they_were(places, "\n".join(lines)))


def shortened_traceback(text: str, limit: int) -> str:
    """The traceback *text* in at most *limit* characters, which may cut its frames.

    What was raised, and the frames next to it, stay as far as there is room.
    """
    first, *lines = text.split("\n")
    margin = MARGINS.get(first)
    if len(text) <= limit or margin is None:
        return text[-limit:]
    is_inner = [line.startswith(f"{margin}  ") for line in (*lines, "")]
    end = is_inner.index(False)
    words = "\n".join(["", *lines[end:]])[: limit // 2]
    room = limit - len(first) - len(words)
    frames = "\n".join(["", *lines[:end]])[-room:]
    cut = max(0, frames.find(f'\n{margin}  File "'))
    return f"{first}{frames[cut:]}{words}"


def frame_lines(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Those of *lines* that name a frame, and the code that is shown of it, if any.

    The first line begins the traceback.
    """
    margin = MARGINS.get(lines[0]) if lines else None
    if margin is None:
        return
    for line, below in pairwise([*lines[1:], ""]):
        if not line.startswith(f"{margin}  "):
            return
        # Lines of code stand further to the right, and may look like anything. The
        # place of a SyntaxError is no frame: it names no function.
        if line.startswith(f'{margin}  File "') and ", in " in line:
            is_code = below.startswith(f"{margin}    ")
            yield line[len(margin) :], below[len(margin) :].strip() if is_code else ""


def places_of(lines: Iterable[str]) -> list[PackedFrame]:
    """The places that *lines* of a traceback name, in their order."""
    fit = [printable(line) for line in lines if len(line) <= LONGEST_LINE]
    try:
        import tblib  # only failures need it

        reader: Any = tblib.Traceback  # Any: it has no types
        read = reader.from_string("\n".join(fit[-MAX_FRAMES:]), strict=False)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # Nothing of it is a frame; or a file of the user's is called tblib.py. Words
        # are left in either case, and a traceback is worth less than its exception.
        return []
    places: list[PackedFrame] = []
    while read is not None:
        code, line = read.tb_frame.f_code, read.tb_lineno
        places.append(
            PackedFrame(code.co_filename, code.co_name, "?", line, line, 0, 0)
        )
        read = read.tb_next
    return places


# Files that have changed.


def as_they_were(places: list[PackedFrame], text: str) -> list[PackedFrame]:
    """*places*, those marked whose line is not what their traceback *text* shows."""
    shown = {
        (place.file, place.line): code
        for line, code in frame_lines(text.split("\n"))
        for place in places_of([line])
    }
    return [
        place if is_as_shown(place, shown) else place._replace(file=of_then(place.file))
        for place in places
    ]


def of_then(file: str) -> str:
    return f"{file} (as it was then)"


def is_as_shown(place: PackedFrame, shown: dict[tuple[str, int], str]) -> bool:
    """Whether the line of *place* is still the one *shown*, or no longer there."""
    code = shown.get((place.file, place.line))
    return code is None or line_now(place.file, place.line) in ("", code)


def line_now(file: str, number: int) -> str:
    """What Python would show of a line; nothing if there is none."""
    try:
        linecache.checkcache(file)
        return linecache.getline(file, number).strip()
    except ValueError:
        return ""  # no file can have such a name
