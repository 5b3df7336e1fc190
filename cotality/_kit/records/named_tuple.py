"""A tuple whose items have names, as `typing.NamedTuple`."""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from .late import Late, function_of

# Any in this module: tuples with any items.

new: Any = getattr(tuple, "__new__")  # noqa: B009  # so that checkers ask no more
# What `collections.namedtuple` uses, where it is: it takes half the time of a property.
quick_getter: Callable[[int, None], Any] | None = getattr(
    collections, "_tuplegetter", None
)


class Kind(type):
    """The class of `NamedTuple`; those of its subclasses are plain ones."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        if not bases:
            return super().__new__(cls, name, bases, space)
        hints: dict[str, Any] = space.get("__annotations__", {})
        names = tuple(hints)
        given = {
            "__slots__": (),
            "__match_args__": names,
            "_fields": names,
            "_field_defaults": {each: space[each] for each in names if each in space},
        }
        items = {each: item_at(at) for at, each in enumerate(names)}
        made = type(name, (tuple,), {**METHODS, **space, **given, **items})
        Late(made, "__new__", lambda: staticmethod(constructor(made, hints)))
        return made


class NamedTuple(metaclass=Kind):
    """Its subclasses are tuples; see `typing.NamedTuple`."""


def item_at(at: int) -> Any:
    """An attribute that is item number *at*."""
    return property(itemgetter(at)) if quick_getter is None else quick_getter(at, None)


def constructor(kind: Any, hints: dict[str, Any]) -> Any:
    names, defaults = kind._fields, kind._field_defaults
    parameters = [f"{n}=defaults[{n!r}]" if n in defaults else n for n in names]
    return function_of(
        f"def made(_cls, {', '.join(parameters)}):\n"
        f" return new(_cls, ({''.join(f'{name}, ' for name in names)}))",
        {"new": new, "defaults": defaults},
        kind,
        "__new__",
        hints,
    )


def make(kind: Any, values: Iterable[Any]) -> Any:
    """One with *values*."""
    made = new(kind, values)
    if len(made) != len(kind._fields):
        raise TypeError(f"Expected {len(kind._fields)} arguments, got {len(made)}")
    return made


WRONG_NAME = TypeError if sys.version_info >= (3, 13) else ValueError


def replace(self: Any, /, **changes: Any) -> Any:
    """Another one, with *changes*."""
    made = self._make(map(changes.pop, self._fields, self))
    if changes:
        raise WRONG_NAME(f"Got unexpected field names: {list(changes)!r}")
    return made


def as_dict(self: Any) -> dict[str, Any]:
    """Its items, by name."""
    return dict(zip(self._fields, self, strict=True))


def as_tuple(self: Any) -> tuple[Any, ...]:
    """What `new` takes, for pickles and copies."""
    return tuple(self)


def shown(self: Any) -> str:
    items = (f"{name}={item!r}" for name, item in as_dict(self).items())
    return f"{type(self).__name__}({', '.join(items)})"


METHODS: dict[str, Any] = {
    "_make": classmethod(make),
    "_replace": replace,
    "__replace__": replace,
    "_asdict": as_dict,
    "__repr__": shown,
    "__getnewargs__": as_tuple,
}
