"""What a worker keeps of a call to give each task a copy of it.

It is kept when it comes for the second time. No task ever sees what is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cotality.core.utils._process.packing.argument_copies import Key, here

KEPT = 64
KEPT_BYTES = 256 * 1024 * 1024


def copy_of(
    key: Key,
    make: Callable[[], Any],  # Any: a thing of any library
    copy: Callable[[Any], Any],
) -> Any:
    """The thing that is called *key*: what *make* makes, or a *copy* of that."""
    things = here.things
    is_new = key not in things
    thing = things.pop(key, None)
    if thing is None:
        thing = make()
        if is_new:
            remember(key, None)
            return thing
    remember(key, thing)
    return copy(thing)


def remember(key: Key, thing: Any) -> None:  # Any: as above
    things = here.things
    things[key] = thing
    size = sum(map(size_of, things.values()))
    for oldest in list(things)[:-1]:
        if len(things) <= KEPT and size <= KEPT_BYTES:
            return
        size -= size_of(things.pop(oldest))


def size_of(thing: Any) -> int:  # Any: as above
    """The bytes of an array or of a frame of polars; nothing if there is none."""
    if thing is None:
        return 0
    asked = getattr(thing, "estimated_size", None)
    return int(thing.nbytes if asked is None else asked())
