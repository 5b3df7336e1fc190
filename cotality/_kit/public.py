"""The mark of a public name."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FRONT_DOOR = "cotality.core.utils.process"


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
