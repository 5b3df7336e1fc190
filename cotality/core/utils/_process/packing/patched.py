"""Functions that have the name of another, because a test or a tracer put them there.

A function of a module travels by its name, and a worker finds what its own import of
the module has put there. That is something else if the program has patched the module
with a function that claims to be the original (`functools.wraps`, an ``autospec`` of a
mock): pickle sees no difference, and the worker would silently call the original.

A decorator makes such functions too, when the module is imported, and then the worker
has the same one. If nothing in its module explains a function, the worker is told which
code the function has. If it finds other code, it takes the function by value.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from functools import partial, reduce
from importlib import import_module
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.pickling.encode import PROTOCOL, decode

# What tells one code from another, in any process that has the same files.
Print: TypeAlias = tuple[str, int, bytes]

standard: Any = pickle  # Any: typeshed leaves out what is used of it


def sendable(function: object) -> object:
    """*function*, or what becomes the right function in a worker."""
    if type(function) is FunctionType and not is_explained(function):
        return ByName(function)
    if type(function) is MethodType and not is_own(function):
        return Method(function)
    kind: type[object] = type(function)
    if kind is partial and any(map(is_other, parts_of(function))):
        return Partial(function)
    return function


def parts_of(held: Any) -> tuple[object, ...]:  # Any: any `partial`
    return held.func, *held.args, *held.keywords.values()


def is_other(value: object) -> bool:
    """Whether *value* is a function that must not be sent as it is."""
    return type(value) in FUNCTIONS and sendable(value) is not value


def sendable_arguments(
    positional: tuple[Any, ...], named: Mapping[str, Any]
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:  # Any: arguments of any function
    """The same with what becomes the right functions, where they are some themselves.

    What else holds a function is not looked through.
    """
    if not FUNCTIONS.isdisjoint(map(type, positional)):
        positional = tuple(map(sendable, positional))
    if not FUNCTIONS.isdisjoint(map(type, named.values())):
        named = {name: sendable(value) for name, value in named.items()}
    return positional, named


FUNCTIONS = frozenset([FunctionType, MethodType, partial])


def is_own(method: MethodType) -> bool:
    """Whether a worker finds the function of *method* by its name in the class."""
    function, bound = method.__func__, method.__self__
    if type(function) is not FunctionType:
        return True
    kind = bound if isinstance(bound, type) else type(bound)
    for each in kind.__mro__:
        if function.__name__ in vars(each):
            return is_from(function, sys.modules.get(each.__module__))
    return False


def is_explained(function: FunctionType) -> bool:
    """Whether its module will have it in a worker as well, as far as one can see."""
    module = sys.modules.get(module_of(function))
    if module is None or module.__name__ == "__main__":
        return True  # it travels by value in any case
    if function.__globals__ is vars(module):
        return True  # as nearly all are
    if found_by_name(module, function.__qualname__) is not function:
        return True  # it travels by value as well
    return is_from(function, module)


def is_from(function: FunctionType, module: ModuleType | None) -> bool:
    """Whether *function* was made in *module*, or by a decorator that this may have."""
    if module is None or function.__globals__ is vars(module):
        return True
    home = function.__globals__.get("__name__")
    # A copy: another thread may import something into it.
    return any(knows(each, home) for each in list(vars(module).values()) if home)


def module_of(function: FunctionType) -> str:
    """The module that pickle would name."""
    # Of a mock's it is None.
    name: str = function.__module__ or standard.whichmodule(
        function, function.__qualname__
    )
    return name


def found_by_name(module: ModuleType, name: str) -> object:
    try:
        return reduce(getattr, name.split("."), module)
    except AttributeError:
        return None


def knows(thing: object, home: object) -> bool:
    """Whether *thing*, of some module, may have brought a decorator from *home*."""
    if isinstance(thing, ModuleType):
        return f"{home}.".startswith(f"{thing.__name__}.")
    if isinstance(thing, FunctionType):
        # A decorated function is no witness for who has decorated it.
        return thing.__globals__.get("__name__") == thing.__module__ == home
    return home == (thing if isinstance(thing, type) else type(thing)).__module__


def print_of(function: object) -> Print | None:
    code = getattr(function, "__code__", None)
    return code and (code.co_qualname, code.co_firstlineno, code.co_code)


class ByName:
    """Stands for *function* on its way to a worker."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        function = self.function
        try:
            by_value = packed_by_value(function)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            by_value = None  # it may be needed by nobody
        names = module_of(function), function.__qualname__
        return found_or_opened, (*names, print_of(function), by_value)


class Method:
    """Stands for *method* on its way: its function and its object, each by itself."""

    def __init__(self, method: MethodType) -> None:
        self.method = method

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        function = sendable(self.method.__func__)
        return MethodType, (function, self.method.__self__)


class Partial:
    """Stands for a `partial` on its way: for its function, and what it adds."""

    def __init__(self, held: Any) -> None:  # Any: as above
        self.held = held

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        held = self.held
        given = sendable_arguments(held.args, held.keywords)
        return partial_of, (sendable(held.func), *given, vars(held))


def partial_of(
    function: Callable[..., object],
    positional: tuple[Any, ...],  # Any: arguments of any function
    named: dict[str, Any],
    attributes: dict[str, Any],
) -> partial[object]:
    made = partial(function, *positional, **named)
    vars(made).update(attributes)
    return made


def packed_by_value(function: FunctionType) -> bytes:
    from cotality.core.utils._process.pickling.by_value import pickler_by_value

    base: Any = pickler_by_value()  # Any: cloudpickle has no types

    class Pickler(base):  # type: ignore[misc]  # as above
        def reducer_override(self, obj: object) -> Any:  # Any: as pickle wants it
            if obj is function:
                return self._dynamic_function_reduce(obj)
            return base.reducer_override(self, obj)

    with io.BytesIO() as file:
        Pickler(file, PROTOCOL).dump(function)
        return file.getvalue()


def found_or_opened(
    module: str, name: str, expected: Print | None, by_value: bytes | None
) -> object:
    """In a worker: what *name* finds in *module*, if it is what the caller has."""
    found = found_by_name(import_module(module), name)
    if print_of(found) == expected:
        return found
    if by_value is None:
        raise pickle.UnpicklingError(
            f"{module}.{name} is another function in the program than in the worker, "
            f"so the program has patched it, with one that cannot be pickled. A mock "
            f"can stay where it is: run the call with inline=True, or on threads."
        )
    return decode(by_value)
