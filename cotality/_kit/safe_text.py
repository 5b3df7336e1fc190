"""Text about objects of the user's classes, which may do anything when asked."""

from __future__ import annotations

import reprlib

from cotality._kit.struck import is_of_a_signal

# What is caught below is BaseException: a __str__ that calls sys.exit must not end a
# worker, or hide the failure that is being described. Only what a signal raises passes.


def printable(text: str, *, lines: bool = False) -> str:
    """*text* for a terminal or a log, where what is not a visible character is obeyed.

    A label, an argument or the text of an exception may come from anybody. An escape
    sequence in it would move the cursor, a line end begin a line that seems to be
    ours, a sign that turns the direction of writing show something else than it says.
    All of these are replaced by what `repr` writes for them.

    Args:
        lines: Leave line ends and tabs as they are, for a text of several lines.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(
        each if each.isprintable() or each in kept else repr(each)[1:-1]
        for each in text
    )


def text_of(error: BaseException) -> str:
    """``str(error)``."""
    try:
        return str(error)
    except BaseException as broken:
        if is_of_a_signal(broken):
            raise
        return f"<no text: its __str__ raised {type(broken).__name__}>"


def class_and_text(error: BaseException) -> str:
    """The class of *error* and its text, as the last line of a traceback has them."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Short(reprlib.Repr):
    """It passes on what a signal raises in a ``__repr__``."""

    def repr_instance(self, x: object, level: int) -> str:
        try:
            text = repr(x)
        except Exception as broken:
            if is_of_a_signal(broken):
                raise
            return f"<{type(x).__name__} instance at {id(x):#x}>"
        if len(text) <= self.maxother:
            return text
        begin = max(0, (self.maxother - 3) // 2)
        return text[:begin] + "..." + text[len(text) - (self.maxother - 3 - begin) :]


def shortened(value: object, limit: int) -> str:
    """``repr(value)`` in at most *limit* characters, on one line.

    Costs what the repr costs for the types that :mod:`reprlib` does not know.
    """
    if type(value) is bytes or type(value) is bytearray:
        value = value[: limit + 1]  # which `reprlib` does not know, and may be large
    short = Short()
    short.maxstring = short.maxother = short.maxlong = limit
    try:
        text = short.repr(value)
    except BaseException as broken:
        if is_of_a_signal(broken):
            raise
        text = f"<{type(value).__name__} whose repr raised {type(broken).__name__}>"
    # A class of somebody else's may have given it; what `repr` makes of texts is fine.
    return printable(clipped(text, limit))


def clipped(text: str, limit: int) -> str:
    """*text* in at most *limit* characters; dots at its end say if it was longer."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def on_one_line(text: str, limit: int) -> str:
    """*text* without its line ends, and :func:`clipped`."""
    return clipped(" ".join(text.split()), limit)


def attribute_or_none(thing: object, name: str) -> object:
    """``getattr(thing, name, None)``, also of one whose ``__getattr__`` fails."""
    try:
        return getattr(thing, name, None)
    except BaseException as raised:
        if is_of_a_signal(raised):
            raise
        return None


def said_by_system(error: OSError) -> str:
    """*error* in one sentence, the same for all command lines; printable."""
    file: object = error.filename
    name = shortened(file if isinstance(file, str) else str(file), 300)
    if isinstance(error, FileNotFoundError) and file is not None:
        return printable(f"there is no file {name}")
    if file is None or error.strerror is None:
        return printable(str(error), lines=True)
    return printable(f"{name}: {error.strerror}")
