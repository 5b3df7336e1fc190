"""Functions of scikit-learn that are the same, and made anew for each task.

It wraps the function of each task in an object that brings its settings along. All of a
call wrap the same function with the same settings, and to pack such an object takes as
long as to pack all the rest of a task. So it is packed once for the call.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.hosting import encode

if TYPE_CHECKING:  # no worker should import joblib for this
    from .theirs import Call

MODULE = "sklearn.utils.parallel"
MOST = 64 * 1024  # bytes; what is larger has better ways to travel
Function = Callable[..., Any]  # Any: of any task


class Alike:
    """Remembers the functions of one call."""

    def __init__(self) -> None:
        self.known: dict[tuple[object, ...], tuple[Function, Function]] = {}

    def calls(self, calls: list[Call]) -> list[Call]:
        """*calls*, where the same object stands for functions that are the same."""
        if type(calls[0][0]).__module__ != MODULE:
            return calls
        return [(self.sent(function), *given) for function, *given in calls]  # type: ignore[misc]  # of two

    def sent(self, function: Function) -> Function:
        """What is sent for all functions that hold the very same objects as this."""
        held: dict[str, object] | None = getattr(function, "__dict__", None)
        if type(function).__module__ != MODULE or held is None:
            return function
        key = (type(function), *held, *map(id, held.values()))
        if key not in self.known:
            # It is kept, and so is what it holds: no other gets these ids.
            self.known[key] = function, packed(function)
        return self.known[key][1]


def packed(function: Function) -> Function:
    """What stands for *function* on its way; that itself if it cannot be packed."""
    try:
        data = encode(function)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        return function  # the task is blamed, in words that say why
    return function if len(data) > MOST else Packed(function, data)


def unpacked(data: bytes) -> Function:
    function: Function = pickle.loads(data)
    return function


class Packed:
    """A function that is packed already, and is itself again where it arrives.

    Attributes:
        func: The function, by whose name messages call this; as of a partial.
    """

    # No dictionary: the core looks into that for what may have changed.
    __slots__ = ("form", "func")

    def __init__(self, function: Function, data: bytes) -> None:
        self.func = function
        # Always the same object, which says that nothing has changed.
        self.form = unpacked, (data,)

    def __call__(self, *positional: Any, **named: Any) -> Any:  # Any: of any function
        return self.func(*positional, **named)

    def __reduce__(self) -> Any:  # Any: the form that pickle wants
        return self.form
