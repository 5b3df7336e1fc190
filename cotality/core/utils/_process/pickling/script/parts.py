"""What tells cheaply whether a definition of the script is still what was packed.

A class is changed in place: by a patch of a method, by a new value of an attribute, or
somewhere inside of what it holds. So what is listed here are the objects that a
definition consists of, down to those that nobody can change. If one of them can be
changed without a trace, there is no list, and only to pack the definition again tells.
"""

from __future__ import annotations

import abc
import sys
from enum import Enum
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, NewType, TypeVar, cast

from cotality.core.utils._process.machine.object_size import ATOMS, are_atoms
from cotality.core.utils._process.scripts.forms import type_of
from cotality.core.utils._process.scripts.places import is_script

# What nobody can change.
UNCHANGED = ATOMS | {
    *(WrapperDescriptorType, MethodDescriptorType),
    *(MemberDescriptorType, GetSetDescriptorType, NewType, TypeVar),
}
# What Python and its library keep in a class for themselves.
OF_CLASSES = frozenset(
    f"__{name}__"
    for name in (
        *("annotations", "dataclass_fields", "dataclass_params", "match_args"),
        *("parameters", "orig_bases", "abstractmethods", "static_attributes"),
        *("type_params", "required_keys", "optional_keys", "total", "dict"),
        *("weakref", "firstlineno", "annotations_cache", "protocol_attrs"),
        *("non_callable_proto_members", "slotnames"),
    )
)
# They wrap the `__repr__` of a data class, and note which of them is under way.
OF_DATA_CLASSES = ("dataclasses", "reprlib")


class Same(tuple[object, ...]):
    """Equal to another one of the very same objects: 1 is not True here."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # nobody looks for it

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Same) or len(self) != len(other):
            return False
        return all(mine is its for mine, its in zip(self, other, strict=True))


def parts_of(thing: Any) -> Same | None:  # Any: globals of any kind
    """What tells whether the definition of *thing* still holds.

    None if nothing does but to pickle it again: something in it can be changed, or may
    be held by other globals too, and has to be packed together with these.
    """
    if type_of(thing) is FunctionType and not is_plain(thing):
        return None
    looking = Looking()
    looking.add(thing)
    return None if looking.has_more else Same(looking.parts)


def objects_in(kind: Any) -> Same:  # Any: a function, a class, a cache
    """What *kind* consists of at first sight; not what is inside of that."""
    if isinstance(kind, type):
        own = vars(kind)
        return Same((*kind.__bases__, *own, *own.values()))
    if type_of(kind) is FunctionType:
        return Same((kind.__code__, *given_to(kind)))
    return Same()


def is_plain(function: FunctionType) -> bool:
    """Whether it holds nothing that another function may hold as well."""
    if function.__closure__ or function.__dict__:
        return False
    return are_atoms(given_to(function))


def given_to(function: FunctionType) -> list[object]:
    """The values of its parameters that have one."""
    named: dict[str, object] = function.__kwdefaults__ or {}
    return [*(function.__defaults__ or ()), *named.values()]


class Looking:
    """Lists the parts of one thing.

    Attributes:
        has_more: Whether something can be changed that is not among them.
    """

    def __init__(self) -> None:
        self.parts: list[object] = []
        self.seen: set[int] = set()  # of what lives as long as the thing
        self.has_more = False

    def add(self, thing: Any) -> None:  # Any: whatever a class may hold
        self.parts.append(thing)
        kind = type_of(thing)
        if self.has_more or kind in UNCHANGED or id(thing) in self.seen:
            return
        self.seen.add(id(thing))
        if kind is FunctionType:
            self.add_function(thing)
        elif issubclass(kind, type):
            if len(self.seen) == 1 or is_part_of_another(thing):
                self.add_class(thing)
        elif kind in (staticmethod, classmethod):
            self.add(thing.__func__)
        elif kind is property:
            self.add_all(thing.fget, thing.fset, thing.fdel)
        elif kind is tuple:
            self.add_all(*thing)
        elif kind is BuiltinFunctionType:  # it may be the method of a list
            self.add(thing.__self__)
        elif kind is not ModuleType or sys.modules.get(thing.__name__) is not thing:
            self.has_more = True

    def add_all(self, *things: object) -> None:
        for thing in things:
            self.add(thing)

    def add_function(self, function: FunctionType) -> None:
        self.parts += (function.__code__, function.__doc__)
        is_wrapper = function.__globals__.get("__name__") in OF_DATA_CLASSES
        if is_wrapper and "__wrapped__" in function.__dict__:
            self.add(function.__dict__["__wrapped__"])
            return
        self.add_all(*given_to(function))
        for name, value in function.__dict__.items():
            self.add_all(name, value)
        for cell in function.__closure__ or ():
            self.add_cell(cell)

    def add_cell(self, cell: CellType) -> None:
        try:
            self.add(cell.cell_contents)
        except ValueError:
            self.parts.append(None)  # nothing is in it

    def add_class(self, kind: type[Any]) -> None:  # Any: attributes of any class
        self.parts += kind.__bases__
        is_enum = issubclass(kind, Enum)
        for name, value in list(vars(kind).items()):
            self.parts.append(name)
            if name == "_abc_impl":
                self.parts += registered_with(kind)
            elif name in OF_CLASSES:
                self.add_own(value)
            elif not is_enum or type(value) is FunctionType:
                self.add(value)
            else:
                self.parts.append(value)
        if is_enum:
            for member in kind.__members__.values():  # what it says of itself, and more
                for value in vars(member).values():
                    self.add(value)

    def add_own(self, value: object) -> None:
        if isinstance(value, dict):
            given = cast("dict[object, object]", value)
            self.parts += (*given.keys(), *given.values())
        else:
            self.parts.append(value)


def is_part_of_another(kind: type[Any]) -> bool:  # Any: as above
    """Whether it travels with what holds it, and is not found by a name of its own."""
    return "." in kind.__qualname__ and is_script(kind.__module__)


def registered_with(kind: Any) -> list[object]:  # Any: an abstract base class
    dump: Any = getattr(abc, "_get_dump")  # noqa: B009  # Any: no checker knows it
    return [reference() for reference in dump(kind)[0]]
