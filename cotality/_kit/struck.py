"""Whether an exception comes from a signal handler, and so belongs to the caller.

Python runs a signal handler between any two instructions of the main thread, also in
the middle of somebody's ``__str__`` or ``__reduce__``. An exception from there says
nothing about the object: it is a Ctrl-C, a time limit or an order to stop, and has to
go on to whoever made the call. So wherever a failure of the user's code is answered
with a text, with None or with an error of ours::

    except BaseException as broken:
        if is_of_a_signal(broken):
            raise

This module is loaded before anything fails, and imports next to nothing: once
descriptors have run out, or the program is about to end, nothing more can be imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any, TypeAlias, cast

Partial: TypeAlias = "partial[Any]"  # Any: of any function

# Whether all that is raised here belongs to tasks, as it does in a worker of ours.
is_all_of_tasks = False

# What `signal` is made of, which answers fifty times as quickly. Any: it has no types.
signals: Any = __import__("_signal")

# Exceptions and what functions are given may raise when they are asked for anything,
# also for their class. So they are asked for their type, and for this. Any: as above.
TRACEBACK: Any = vars(BaseException)["__traceback__"]

TAKES_MORE = 0x04  # CO_VARARGS: a function with `*args`


def can_be_struck() -> bool:
    """Whether a signal may raise an exception here: it does so in the main thread."""
    if is_all_of_tasks:
        return False
    threading: Any = sys.modules.get("threading")  # Any: perhaps there is but one
    if threading is None:
        return True
    is_main: bool = threading.current_thread() is threading.main_thread()
    return is_main


def is_of_a_signal(error: BaseException) -> bool:
    """Whether *error*, just caught in this thread, was raised by a handler of a signal.

    Its frames tell, as far as nobody has cut them off. An exception that other code has
    raised because of one, as ``raise ... from`` does, is that code's own. Any
    `KeyboardInterrupt` is taken for a Ctrl-C: its handler is written in C and leaves no
    frame.
    """
    try:
        if not can_be_struck():
            return False
        return issubclass(type(error), KeyboardInterrupt) or has_passed_a_handler(error)
    except RecursionError:
        return False  # the stack is full, which is what *error* is about


def is_to_end_caller(error: BaseException) -> bool:
    """Whether *error*, raised while a task ran in this thread, is to end its caller.

    A Ctrl-C is, and so is a `SystemExit` that the handler of a signal has raised: a
    service that is told to stop has to stop. What a handler raises that is an
    `Exception`, such as a time limit, belongs to the task, which may have set it.
    """
    if issubclass(type(error), KeyboardInterrupt):
        return True
    return not issubclass(type(error), Exception) and is_of_a_signal(error)


def has_passed_a_handler(error: BaseException) -> bool:
    handlers = codes_of_handlers()
    return any(
        frame.f_code in handlers or (is_over and was_given_a_signal(frame))
        for frame, is_over in frames_of(error)
    )


def frames_of(error: BaseException) -> Iterator[tuple[FrameType, bool]]:
    """The frames that *error* has passed, and whether each is over.

    The first one has caught it and goes on. Who looks into its variables keeps what
    they hold alive for as long as it does.
    """
    entry, is_over = TRACEBACK.__get__(error), False
    while entry is not None:
        yield entry.tb_frame, is_over
        entry, is_over = entry.tb_next, True


def codes_of_handlers() -> set[CodeType]:
    """The code of each function that handles a signal here."""
    found = (code_of(signals.getsignal(number)) for number in range(1, signals.NSIG))
    return {code for code in found if code is not None}


def code_of(handler: object) -> CodeType | None:
    """What runs when *handler* is called; None if that is not written in Python."""
    if not callable(handler):
        return None
    while isinstance(handler, partial):
        handler = cast("Partial", handler).func
    for each in (handler, type(handler).__call__):
        code = getattr(getattr(each, "__func__", each), "__code__", None)
        if isinstance(code, CodeType):
            return code
    return None


def was_given_a_signal(frame: FrameType) -> bool:
    """Whether it was called as handlers are: with a number, and the frame it struck.

    That is how a handler is known that is none any more, such as one that has restored
    what was before it, or that code in between has.
    """
    struck, code = frame.f_back, frame.f_code
    count = code.co_argcount
    if struck is None or not (count > 1 or code.co_flags & TAKES_MORE):
        return False
    variables = frame.f_locals
    given = [variables.get(name) for name in code.co_varnames[:count]]
    if code.co_flags & TAKES_MORE:
        more = variables.get(code.co_varnames[count + code.co_kwonlyargcount])
        given += more if isinstance(more, tuple) else ()
    return any(
        place is struck and issubclass(type(number), int)
        for number, place in pairwise(given)
    )
