"""What classes an annotation speaks of: those that a value may be made of.

A store never says which class to make. The annotation of the function does, and what
stands in the store only chooses among the classes it names.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any

from cotality._kit.struck import is_of_a_signal

Hint = Any  # Any: what stands behind a parameter's colon
ANY = object()  # nothing is said


def hints_of(function: Callable[..., Any]) -> dict[str, Hint]:
    """The annotations of *function*, and of its result as ``return``.

    One that cannot be evaluated is left out, as if it had not been written.
    """
    raw = dict(getattr(function, "__annotations__", {}))
    names: dict[str, Any] = dict(getattr(function, "__globals__", {}))  # Any: as there
    names |= names_around(function)
    found: dict[str, Hint] = {}
    for name, hint in raw.items():
        try:
            found[name] = evaluated(hint, names)
        except Exception as error:
            if is_of_a_signal(error):
                raise
    return found


def names_around(function: Callable[..., Any]) -> dict[str, Any]:
    """What *function* sees of the function it was made in."""
    try:
        return dict(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):
        return {}


def evaluated(hint: Hint, names: dict[str, Any]) -> Hint:
    holder = type("Holder", (), {"__annotations__": {"it": hint}})
    return typing.get_type_hints(holder, names, names, include_extras=False)["it"]


def classes_in(hint: Hint) -> dict[str, type]:
    """The classes of people that *hint* names, by their names, and those in them."""
    found: dict[str, type] = {}
    collect(hint, found)
    return found


def collect(hint: Hint, found: dict[str, type]) -> None:
    for inner in typing.get_args(hint):
        collect(inner, found)
    origin: Any = hint  # Any: a class, or anything
    if typing.get_args(hint):
        origin = typing.get_origin(hint)
    if not is_made_of_parts(origin) or found.get(origin.__qualname__) is origin:
        return
    found[origin.__qualname__] = origin
    for inner in hints_of_class(origin).values():
        collect(inner, found)


def is_made_of_parts(thing: Any) -> bool:  # Any: a class, or anything
    """Whether it is a class whose objects are stored by their parts."""
    return inspect.isclass(thing) and (
        dataclasses.is_dataclass(thing)
        or issubclass(thing, enum.Enum)
        or is_named_tuple(thing)
        or is_model(thing)
    )


def is_named_tuple(kind: type[Any]) -> bool:  # Any: of any class
    return hasattr(kind, "_fields") and issubclass(kind, tuple)


def is_model(kind: type[Any]) -> bool:  # Any: likewise
    """Whether it is a model of pydantic, which is not imported for that."""
    pydantic = sys.modules.get("pydantic")
    base = getattr(pydantic, "BaseModel", None)
    return base is not None and issubclass(kind, base)


def hints_of_class(kind: type) -> dict[str, Hint]:
    module = sys.modules.get(kind.__module__)
    names = dict(vars(module)) if module is not None else {}
    found: dict[str, Hint] = {}
    for base in reversed(kind.__mro__):
        for name, hint in vars(base).get("__annotations__", {}).items():
            try:
                found[name] = evaluated(hint, names)
            except Exception as error:
                if is_of_a_signal(error):
                    raise
    return found
