"""What an initializer has set in a module, for functions that are no names in it.

A lambda, or a function inside of a function, travels by value, and takes along the
globals that it reads, as they are in the program. It would not see those that an
initializer sets in the worker, which the other functions of its module do. So it gets
the worker's of those that the initializer names.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

from cotality._kit.public import pickled_as
from cotality.core.utils._process.scripts.places import is_script

Form: TypeAlias = Any  # Any: what pickle takes for a function, a tuple of six parts
Names: TypeAlias = dict[str, Any]  # Any: globals of any kind

# What has run here, and by modules the globals that it may have set: their names, each
# with the names that it was set among. None if nobody has asked since.
initializers: list[Callable[..., object]] = []
globals_set: dict[str, dict[str, Names]] | None = None


def note(initializer: Callable[..., object]) -> None:
    """*initializer* runs in this worker."""
    global globals_set
    initializers.append(initializer)
    globals_set = None


def is_of_module(function: FunctionType) -> bool:
    """Whether the globals of *function* are those of a module that can be imported."""
    module = sys.modules.get(function.__module__)
    return (
        module is not None
        and vars(module) is function.__globals__
        and not is_script(function.__module__)
    )


def with_what_is_set(form: Form) -> Form:
    """*form*, so that the function is told what an initializer has set there."""
    *most, state, items, pairs, set_state = form
    return *most, (set_state, state), items, pairs, set_function_state


@pickled_as("set_function_state")
def set_function_state(
    function: FunctionType,
    told: tuple[Callable[[FunctionType, Any], object], Any],  # Any: cloudpickle's
) -> None:
    set_state, state = told
    set_state(function, state)
    if initializers:
        look_up(function)


def look_up(function: FunctionType) -> None:
    """Give *function* the globals of its module that an initializer has set."""
    from cotality.core.utils._process.scripts.needs import names_in_code

    global globals_set
    if globals_set is None:
        globals_set = globals_named_by(initializers)
    places = globals_set.get(function.__module__, {})
    for name in names_in_code(function.__code__) & places.keys():
        if name in places[name]:
            function.__globals__[name] = places[name][name]


def globals_named_by(
    functions: list[Callable[..., object]],
) -> dict[str, dict[str, Names]]:
    """Where the globals are that *functions* name, and those that they call."""
    from cotality.core.utils._process.scripts.needs import names_in_code

    found: dict[str, dict[str, Names]] = defaultdict(dict)
    seen: set[FunctionType] = set()
    waiting: list[object] = list(functions)
    while waiting:
        function = plain(waiting.pop())
        if function is None or function in seen:
            continue
        seen.add(function)
        for name in names_in_code(function.__code__):
            found[function.__module__][name] = function.__globals__
            value = function.__globals__.get(name)
            waiting.append(value)
            if isinstance(value, ModuleType):
                parts = map(vars(value).get, function.__code__.co_names)
                waiting += [part for part in parts if callable(part)]
    return found


def plain(thing: object) -> FunctionType | None:
    """The function that a call of *thing* runs, if it is one."""
    while isinstance(thing, partial | MethodType):
        thing = thing.func if isinstance(thing, partial) else thing.__func__
    return thing if isinstance(thing, FunctionType) else None
