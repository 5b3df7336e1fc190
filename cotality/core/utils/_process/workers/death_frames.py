"""The frames of a worker when it crashed, from what `faulthandler` wrote.

It writes the innermost frame first, at most a hundred of them, and letters outside
ASCII as numbers.
"""

from __future__ import annotations

import re
from itertools import dropwhile

from cotality.core.utils._process.portions.chunk import OURS
from cotality.core.utils._process.tasks.frames_of_text import places_of
from cotality.core.utils._process.tasks.tracebacks import PackedFrame

from . import host, worker_main

TITLE = re.compile(r"^Fatal Python error: ", re.MULTILINE)
# By the signal that ended it. "Floating point exception" has two spellings.
TITLES = {
    "SIGABRT": "Aborted",
    "SIGBUS": "Bus error",
    "SIGFPE": "Floating",
    "SIGILL": "Illegal instruction",
    "SIGSEGV": "Segmentation fault",
}
# Python 3.14 goes on with a stack of C, whose lines are none of these.
STACK = re.compile(r"^(?:Stack|Current thread .*) \(most recent call first\):$")
FRAME = re.compile(r'^  File "(.+)", line (\d{1,9}) in (.+)$')
NUMBER = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U000[0-9a-f]{5})")


def read_end(
    text: str, signal_name: str | None, *, is_known: bool
) -> tuple[str, list[PackedFrame]]:
    """What of *text* is about the end of a worker, and the places that it names."""
    stack = stack_at_end(text, signal_name, is_known=is_known)
    return stack, places_at_end(stack) if stack else []


def stack_at_end(text: str, signal_name: str | None, *, is_known: bool) -> str:
    """What of *text* is about the end of a worker; nothing if it is about others.

    A process that was forked by a task writes to the same place as its worker.

    Args:
        signal_name: What ended the worker.
        is_known: Whether that is known.
    """
    titles = list(TITLE.finditer(text))
    if not titles:
        return ""
    last = titles[-1]
    if is_known:
        title = TITLES.get(signal_name or "")
        if title is None or not text.startswith(title, last.end()):
            return ""
    return text[last.start() :]


def places_at_end(stack: str) -> list[PackedFrame]:
    """The places that the thread which crashed was at, from the task's function on."""
    return of_task(places_of(traceback_lines(stack)))


def traceback_lines(stack: str) -> list[str]:
    """The lines of a traceback, outermost first, that *stack* is in other words."""
    lines = dropwhile(lambda line: not STACK.match(line), stack.split("\n"))
    next(lines, None)
    found: list[str] = []
    for line in lines:
        if not line.startswith("  "):
            break
        frame = FRAME.match(line)
        if frame is not None:
            file, number, function = frame.groups()
            found.append(
                f'  File "{with_letters(file)}", line {number}, '
                f"in {with_letters(function)}"
            )
    return found[::-1]


def with_letters(name: str) -> str:
    """*name* as it is in the program, but for letters that nobody could see."""
    return NUMBER.sub(letter, name)


def letter(number: re.Match[str]) -> str:
    found = chr(int(number.group()[2:], 16))
    return found if found.isprintable() else number.group()


def of_task(places: list[PackedFrame]) -> list[PackedFrame]:
    """*places* without those that lead to the task, which are the same for all tasks.

    All of them if there are no others, or if they are those of a thread of its own.
    """
    main = worker_main.__name__
    inner = list(dropwhile(lambda place: not is_in(place, main), places))
    task = dropwhile(lambda place: any(is_in(place, ours) for ours in OURS), inner)
    return list(task) or of_hosted(places)


def of_hosted(places: list[PackedFrame]) -> list[PackedFrame]:
    """The same for a process of another floor, whose modules lead to what it runs.

    They are wherever it has all of this package from.
    """
    main = host.__name__
    inner = list(dropwhile(lambda place: not is_in(place, main), places))
    if not inner:
        return places
    folder = inner[0].file[: -len(main.partition(".")[2]) - len(".py")]
    task = dropwhile(lambda place: place.file.startswith(folder), inner)
    return list(task) or places


def is_in(place: PackedFrame, module: str) -> bool:
    """Whether *place* is in a module of ours, wherever its worker has it from."""
    file = f"/{place.file}".replace("\\", "/")
    return file.endswith(f"/{module.replace('.', '/')}.py")
