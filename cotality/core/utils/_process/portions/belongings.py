"""Recognises the errors of objects that only their own thread may use."""

from __future__ import annotations

import re

from cotality._kit.records import NamedTuple


class Complaint(NamedTuple):
    """What an exception says that is raised in the wrong thread.

    Attributes:
        name: The name of its class, as only that is known without an import.
        says: A pattern that is found in its text.
    """

    name: str
    says: str


COMPLAINTS = tuple(
    Complaint(name, says)
    for name, says in (
        # sqlite3; and the connections of Django.
        ("ProgrammingError", r"objects created in a thread can only be used in that"),
        ("DatabaseError", r"objects created in a thread can only be used in that"),
        ("ValueError", r"^signal only works in main thread"),
        ("ValueError", r"^set_wakeup_fd only works in main thread"),
        ("RuntimeError", r"^There is no current event loop in thread"),
        ("RuntimeError", r"^main thread is not in main loop"),  # tkinter
        ("AttributeError", r"^'(_thread\._local|_?local)' object has no attribute"),
        ("error", r"cannot switch to a different thread"),  # greenlets
    )
)


def belongs_elsewhere(error: BaseException) -> bool:
    """Whether *error* says that what it is about belongs to another thread."""
    names = {each.__name__ for each in type(error).__mro__}
    for complaint in COMPLAINTS:
        if complaint.name in names and re.search(complaint.says, text_of(error)):
            return True
    return False


def text_of(error: BaseException) -> str:
    return str(error.args[0]) if error.args else ""
