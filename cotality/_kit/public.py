"""Marks names that are known outside: public ones, and those in pickles."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FRONT_DOOR = "cotality.core.utils.process"
PICKLED = "cotality.core.utils.pickled"


def public(thing: T) -> T:
    """Give *thing* the module path people import it from.

    Tracebacks, ``repr`` and pickles then show the front door, and the inside of
    the package can move without breaking a pickle.
    """
    thing.__module__ = FRONT_DOOR
    return thing


def public_in(module: str) -> Callable[[T], T]:
    """Likewise, for what people import from another *module* than the front door."""

    def mark(thing: T) -> T:
        thing.__module__ = module
        return thing

    return mark


def pickled_as(name: str) -> Callable[[T], T]:
    """Let pickles name something by its *name* in `pickled`, which is for good."""

    def mark(thing: T) -> T:
        marked: Any = thing  # Any: a function or a class
        marked.__module__ = PICKLED
        marked.__name__ = marked.__qualname__ = name
        return thing

    return mark
