"""A note for those whose function wants several arguments, and is given one tuple."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from cotality._kit.safe_text import attribute_or_none, text_of
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.tasks.task import Task, name_of_function

# Any: arguments of any function.
Parts: TypeAlias = tuple[Any, ...] | list[Any] | Mapping[str, Any]

# What Python says when a function is called with too few arguments, or too many.
ARGUMENTS = re.compile(
    r"\bmissing\b.*\bargument|\btakes\b.*\bargument|\bexpected\b.*\bargument"
    r"|\brequired argument|\bargument\(s\)"
)
# And what a function says that takes a tuple for something else.
ATTRIBUTE = re.compile(r"^'(tuple|list|dict)' object has no attribute '(\w+)'")
MOST_PARTS = 5  # a guess: arguments of a call are few, the items of data many


def unpack_hint(error: BaseException, task: Task[Any], *, of_items: bool) -> str | None:
    """What *task*, which failed with *error*, is likely to lack; None if nothing.

    Args:
        of_items: Whether it was made of an item of some data.
    """
    if type(error) not in (TypeError, AttributeError) or task.arguments:
        return None
    if len(task.positional) != 1:
        return None
    item = parts_of(task.positional[0])
    if item is None:
        return None
    text = text_of(error)
    pattern = ARGUMENTS if type(error) is TypeError else ATTRIBUTE
    found = pattern.search(text)
    if not found:
        return None
    name = name_of_function(task.callback_function)
    kind = type(task.positional[0]).__name__
    if would_fit(task.callback_function, item):
        stars = "**" if isinstance(item, Mapping) else "*"
        way = f"Task.of({name}, {stars}item)"
        if of_items:
            way = f"unpack=True calls {name}({stars}item)"
        return f"Its only argument is a {kind}: to give its parts one by one, {way}."
    if pattern is ATTRIBUTE and (place := place_of_part(item, found[2])) is not None:
        part = type(item[place]).__name__
        way = f"Task.of({name}, item[{place!r}])"
        if of_items:
            way = f"(item[{place!r}] for item in items)"
        return (
            f"Its only argument is a {kind}, and item[{place!r}], a {part}, has "
            f"{found[2]!r}: to give only that, {way}."
        )
    return None


def place_of_part(item: Parts, attribute: str) -> Any:  # Any: an index or a key
    """Where the only part of *item* is that has *attribute*; None if it is not one.

    A group of a data frame comes with its key.
    """
    if len(item) > MOST_PARTS:
        return None
    places: Any = item if isinstance(item, Mapping) else range(len(item))  # Any: above
    found = [
        place
        for place in places
        if attribute_or_none(item[place], attribute) is not None
    ]
    return found[0] if len(found) == 1 else None


def parts_of(item: object) -> Parts | None:
    """*item*, if it has parts that may be arguments."""
    if isinstance(item, tuple | list | Mapping):
        return cast("Parts", item)
    return None


def would_fit(
    function: Callable[..., Any],  # Any: any function
    item: Parts,
) -> bool:
    """Whether *function* can be called with the parts of *item*, as far as it says."""
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return attribute_or_none(function, "__text_signature__") is None
    try:
        if isinstance(item, Mapping):
            signature.bind(**item)
        else:
            signature.bind(*item)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return False
    return True
