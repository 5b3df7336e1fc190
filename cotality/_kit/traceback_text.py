"""Tracebacks as Python prints them, but a signal in somebody's code passes through.

The standard library asks each exception for its text in a bare ``except``: a Ctrl-C or
a time limit that strikes somebody's ``__str__`` there is lost. So this module asks for
that text, and for the notes, itself. It is loaded only after a failure.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from typing import cast

from cotality._kit.safe_text import attribute_or_none, shortened, text_of
from cotality._kit.struck import is_of_a_signal

CAUSE = "The above exception was the direct cause of the following exception:"
CONTEXT = "During handling of the above exception, another exception occurred:"

# Of which Python prints more than a text: a place in a source, members.
SPECIAL = (SyntaxError, BaseExceptionGroup)
# Which it gives a hint, and no code of others a text.
HINTED = (NameError, AttributeError, ImportError, ModuleNotFoundError)

LONGEST_NOTE = 500  # characters, of one that is no text


def traceback_text_of(error: BaseException, *, chain: bool = False) -> str:
    """The traceback of *error* as text.

    Args:
        chain: With those of the exceptions that led to it.
    """
    try:
        return with_those_before(error) if chain else of_one(error)
    except BaseException as broken:
        if is_of_a_signal(broken):
            raise
        return f"<its traceback cannot be shown: {type(broken).__name__}>"


def with_those_before(error: BaseException) -> str:
    """The traceback of *error*, after those of its cause or what it was raised in."""
    parts: list[str] = []
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None:
        seen.add(id(now))
        before, link = what_was_before(now)
        if before is None or id(before) in seen:
            before, link = None, ""
        parts.append((f"\n{link}\n\n" if link else "") + of_one(now))
        now = before
    return "".join(reversed(parts))


def what_was_before(error: BaseException) -> tuple[BaseException | None, str]:
    if error.__cause__ is not None:
        return error.__cause__, CAUSE
    return (None if error.__suppress_context__ else error.__context__), CONTEXT


def of_one(error: BaseException) -> str:
    """The traceback of *error* alone."""
    if issubclass(type(error), SPECIAL) or type(error) in HINTED:
        return "".join(traceback.format_exception(error, chain=False))
    head = "Traceback (most recent call last):\n" if error.__traceback__ else ""
    frames = traceback.format_tb(error.__traceback__)
    return "".join([head, *frames, *last_lines(error)])


def last_lines(error: BaseException) -> Iterator[str]:
    text = text_of(error)
    name = printed_name(type(error))
    yield f"{name}: {text}\n" if text else f"{name}\n"
    notes = attribute_or_none(error, "__notes__")
    given = cast("Sequence[object]", notes) if isinstance(notes, Sequence) else ()
    for note in given:
        yield (note if isinstance(note, str) else shortened(note, LONGEST_NOTE)) + "\n"


def printed_name(kind: type[BaseException]) -> str:
    module = attribute_or_none(kind, "__module__")
    if module in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{module}.{kind.__qualname__}"
