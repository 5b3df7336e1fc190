"""How a context variable travels, although pickle cannot take it.

It travels as the place from which it can be imported. A variable without such a place,
made in a script or in a function, travels as a number. Each worker makes one variable
for that number, once. Whatever else arrives there and refers to it, such as a function
of the script, gets the same variable.
"""

from __future__ import annotations

import os
import sys
from contextvars import Context, ContextVar
from typing import Any, TypeAlias

from cotality._kit.public import pickled_as

Variable: TypeAlias = ContextVar[Any]  # Any: a variable of any type
Form: TypeAlias = tuple[Any, ...]  # Any: the form that pickle wants


def reduced(variable: Any) -> Form:  # Any: a ContextVar, which no checker can tell
    """How *variable* is pickled."""
    place = place_of(variable)
    if place is not None:
        return imported, place
    number = numbers.get(id(variable)) or numbered_anew(variable)
    try:
        default: tuple[Any, ...] = (Context().run(variable.get),)  # Any: its value
    except LookupError:
        default = ()
    return numbered, (number, variable.name, default)


# Variables without a place, by a number that is the same in every process. They are
# kept for good, so that no other one ever gets the same, nor the same id.
nameless: dict[str, Variable] = {}
numbers: dict[int, str] = {}  # by id


def numbered_anew(variable: Variable) -> str:
    """A number for *variable*; two threads that ask at once get the same."""
    # Not made of a pid and an id: workers of an executor may serve many programs, and
    # in containers all of these have the same pid.
    number = os.urandom(12).hex()
    nameless[number] = variable
    return numbers.setdefault(id(variable), number)


# Of those that were looked for. Each is kept, so that no other one gets its id.
places: dict[int, tuple[Variable, tuple[str, str] | None]] = {}


def place_of(variable: Variable) -> tuple[str, str] | None:
    """The module and the name that *variable* can be imported by, if any."""
    known = places.get(id(variable))
    if known is None or not (known[1] is None or is_at(known[1], variable)):
        known = places[id(variable)] = variable, found_in_modules(variable)
    return known[1]


def is_at(place: tuple[str, str], variable: Variable) -> bool:
    """Whether *variable* is still there: a module may be loaded anew."""
    return getattr(sys.modules.get(place[0]), place[1], None) is variable


def found_in_modules(variable: Variable) -> tuple[str, str] | None:
    main = sys.modules.get("__main__")  # also under other names, and in no worker
    for module_name, module in list(sys.modules.items()):
        if module is main:
            continue
        for name, thing in list(getattr(module, "__dict__", {}).items()):
            if thing is variable:
                return module_name, name
    return None


# On the other side.


@pickled_as("import_context_variable")
def imported(module: str, name: str) -> Variable:
    import importlib

    variable: Variable = getattr(importlib.import_module(module), name)
    return variable


@pickled_as("make_context_variable")
def numbered(number: str, name: str, default: tuple[Any, ...]) -> Variable:
    """The variable with that *number*, made if there is none here yet."""
    if number not in nameless:
        variable: Variable = ContextVar(name)
        if default:
            variable = ContextVar(name, default=default[0])
        variable = nameless.setdefault(number, variable)  # a thread may be faster
        numbers[id(variable)] = number
    return nameless[number]
