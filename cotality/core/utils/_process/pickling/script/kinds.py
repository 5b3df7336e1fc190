"""The functions and classes of a script, and whether they are still what they were."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from cotality.core.utils._process.scripts.forms import NAMED_KINDS
from cotality.core.utils._process.scripts.places import Home

from .parts import objects_in

KINDS = NAMED_KINDS | {FunctionType}


def kinds_of(home: Home) -> dict[str, Any]:  # Any: functions and classes
    """The functions and classes that *home* defines, by their names there."""
    return {
        name: thing
        for name, thing in list(home.names.items())
        if (type(thing) in KINDS or issubclass(type(thing), type))
        and getattr(thing, "__qualname__", name) == name
        and getattr(thing, "__module__", None) == home.names.get("__name__")
    }


def have_changed(home: Home, kinds: dict[str, Any]) -> bool:  # Any: as above
    """Whether *kinds* of *home* are others than those that were defined last.

    What is inside of their attributes does not count: to tell, many would have to be
    packed anew for each call, though hardly any is ever looked up.
    """
    known, definitions, parts = home.kinds
    if kinds.keys() != known.keys() or any(known[n] is not kinds[n] for n in kinds):
        return True
    return any(objects_in(kinds[n]) != parts[n] for n in definitions if n in kinds)
