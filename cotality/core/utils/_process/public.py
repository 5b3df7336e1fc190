"""The mark of a public name."""

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
