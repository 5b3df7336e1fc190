"""What an object holds besides what its class declares: all of it is content.

A dataclass may set more attributes in its ``__post_init__``, may have a base class that
is not a dataclass, or may be a dict as well; a named tuple may have a subclass. If the
key of a task did not cover all that the task works with, a run that resumes could give
it the result of another argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cached_property
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, TypeAlias, cast

from .errors import UnstableError
from .values import Content

Part: TypeAlias = Callable[[Any, Content], str]  # Any: each has its own type

IS_MADE_IN_PYTHON = 1 << 9  # of the flags of a type (Py_TPFLAGS_HEAPTYPE)


def state_besides(
    thing: Any, names: set[str], content: Content
) -> str:  # Any: of any class
    """The text of what *thing* holds besides the attributes *names*; mostly empty."""
    return text_of_attributes(thing, names, content) + text_of_base(thing, content)


def text_of_attributes(
    thing: Any, names: set[str], content: Content
) -> str:  # Any: as above
    kind = cast("type[object]", type(thing))
    more: dict[str, Any] = {
        name: value
        for name, value in getattr(thing, "__dict__", {}).items()
        # What it has computed from the rest may be there or not; and what has such a
        # name is Python's, as `__orig_class__` of what is generic.
        if not isinstance(getattr(kind, name, None), cached_property)
        and not (name.startswith("__") and name.endswith("__"))
    }
    for each in kind.__mro__:
        for name, place in vars(each).items():
            if isinstance(place, MemberDescriptorType) and hasattr(thing, name):
                more[name] = getattr(thing, name)
    texts: list[str] = []
    for name in sorted(more.keys() - names):
        try:
            texts.append(f"~{len(name)}:{name}{content.of(more[name])}")
        except UnstableError as error:
            error.steps.append(f".{name}")
            raise
    return "".join(texts)


def text_of_base(thing: Any, content: Content) -> str:  # Any: as above
    """The text of *thing* as the built-in class that it is derived from."""
    base = next(
        each for each in type(thing).__mro__ if not each.__flags__ & IS_MADE_IN_PYTHON
    )
    if base is object:
        return ""
    part = PARTS.get(base)
    if part is None and issubclass(base, BaseException):
        part = PARTS[BaseException]
    if part is None:
        raise UnstableError(f"is a {base.__name__} too, and what that holds is unknown")
    return f"={len(base.__name__)}:{base.__name__}{part(thing, content)}"


def items_of(base: Any) -> Part:  # Any: a class of sequences
    # What a subclass has made of its methods does not matter.
    return lambda thing, content: content.of_items(base.__iter__(thing))


def elements_of(base: Any) -> Part:  # Any: a class of sets
    return lambda thing, content: content.of_elements(base.__iter__(thing))


def pairs_of(base: Any) -> Part:  # Any: a class of mappings
    return lambda thing, content: content.of_pairs(base.items(thing))


PARTS: dict[type, Part] = {
    dict: pairs_of(dict),
    list: items_of(list),
    tuple: items_of(tuple),
    set: elements_of(set),
    frozenset: elements_of(frozenset),
    deque: lambda thing, content: f"{thing.maxlen};{items_of(deque)(thing, content)}",
    str: lambda thing, content: content.of(str.__str__(thing)),
    int: lambda thing, content: content.of(int.__int__(thing)),
    float: lambda thing, content: content.of(float.__float__(thing)),
    bytes: lambda thing, content: content.of(bytes.__getitem__(thing, slice(None))),
    BaseException: lambda thing, content: text_of_exception(thing, content),
}


def text_of_exception(error: BaseException, content: Content) -> str:
    """Its arguments, and whatever else it has been given by now."""
    more: dict[str, Any] = {"__notes__": getattr(error, "__notes__", None)}
    more["__cause__"] = error.__cause__
    for kind in type(error).__mro__:
        if kind in (BaseException, object) or kind.__flags__ & IS_MADE_IN_PYTHON:
            continue
        for name, place in vars(kind).items():
            if isinstance(place, (MemberDescriptorType, GetSetDescriptorType)):
                more[name] = getattr(error, name, None)
    given = {name: value for name, value in more.items() if value is not None}
    return content.of(error.args) + (content.of(given) if given else "")
