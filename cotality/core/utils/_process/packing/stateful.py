"""Whether a function holds anything that one task could change for the next.

A function holds the object of a bound method, the arguments of a `partial`, the
variables of a closure, or the attributes of a callable object. A worker loads such a
function again for each task. A function that holds nothing, or nothing that can be
changed, is loaded once, which is much quicker. In doubt it is loaded again: that is
never wrong.

The globals of a function belong to its module and do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import EnumType
from functools import partial
from opcode import opmap
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

from cotality.core.utils._process.scripts.inner_codes import with_inner_codes

from .memos import VALUES, Kind, is_found_by_name
from .patched import ByName, Method, Partial

CONSTANTS = VALUES | {type(...), type(NotImplemented), range}
# A pickle that ends like this one is the name of something: nothing of it is packed.
NAME = b"\x93\x94."  # STACK_GLOBAL, MEMOIZE, STOP
# What binds a variable of a closure anew.
BINDING = frozenset([opmap["STORE_DEREF"], opmap["DELETE_DEREF"]])

# What sets an attribute of something.
SETTING = frozenset([opmap["STORE_ATTR"], opmap["DELETE_ATTR"]])
SETTERS = frozenset(["setattr", "delattr", "vars", "__dict__", "__setattr__"])


def holds_state(function: object, data: bytes) -> bool:
    """Whether *function*, of which *data* is the pickle, has to be loaded anew."""
    return not data.endswith(NAME) and not is_constant(function, set())


def is_constant(thing: object, seen: set[int]) -> bool:
    """Whether nobody can change *thing*, nor what it holds."""
    kind: Kind = type(thing)
    if isinstance(thing, BuiltinFunctionType):
        return is_constant(thing.__self__, seen)  # of `len` that is its module
    if kind in CONSTANTS or isinstance(thing, type) or isinstance(kind, EnumType):
        return True
    if id(thing) in seen:
        return True  # what it holds is being looked at
    seen.add(id(thing))
    if isinstance(thing, ByName):
        return is_constant_by_value(thing.function, seen)
    if isinstance(thing, FunctionType):
        return is_found_by_name(thing) or is_constant_by_value(thing, seen)
    parts = parts_of(thing)
    return parts is not None and are_constant(parts, seen)


def parts_of(thing: Any) -> Iterable[object] | None:  # Any: what a function may hold
    """What *thing* holds, if it cannot be changed itself."""
    if type(thing) in (tuple, frozenset):
        return list(thing)
    if isinstance(thing, Method):
        thing = thing.method
    elif isinstance(thing, Partial):
        thing = thing.held
    if isinstance(thing, MethodType):
        return thing.__func__, thing.__self__
    if type(thing) is partial and not vars(thing):
        # What is called gets a copy of the dictionary.
        return thing.func, *thing.args, *thing.keywords.values()
    return None


def is_constant_by_value(function: FunctionType, seen: set[int]) -> bool:
    codes = list(with_inner_codes(function.__code__))
    if function.__closure__ and any(map(binds, codes)):
        return False
    # Also functions have attributes. Which thing an attribute is set of, nobody knows:
    # itself, or another function that it, or what holds it, has in a closure.
    is_inside = len(seen) > 1
    if (is_inside or has_things(function)) and any(map(sets_attributes, codes)):
        return False
    return not vars(function) and are_constant(values_of(function), seen)


def has_things(function: FunctionType) -> bool:
    """Whether a variable of its closure may be of something that has attributes."""
    return any(type(each) not in CONSTANTS for each in cells_of(function))


def values_of(function: FunctionType) -> Iterator[object]:
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from cells_of(function)


def cells_of(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            pass  # nothing is in it


def are_constant(things: Iterable[object], seen: set[int]) -> bool:
    return all(is_constant(thing, seen) for thing in things)


def binds(code: CodeType) -> bool:
    """Whether it may bind a variable of a closure; it need not be the function's."""
    return not BINDING.isdisjoint(code.co_code[::2])


def sets_attributes(code: CodeType) -> bool:
    opcodes = code.co_code[::2]
    return not (SETTING.isdisjoint(opcodes) and SETTERS.isdisjoint(code.co_names))
