"""A class whose fields its annotations name, as `dataclasses.dataclass` makes it.

What a program hardly ever asks for (`fields`, ``repr``, ``==``, ``hash``) is that of a
twin, which `dataclasses` makes then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from .late import Late, function_of

# Any in this module: classes and objects with any attributes.

FIELDS = "__quick_fields__"  # where a class of ours keeps them
OF_TWIN = ["__dataclass_fields__", "__dataclass_params__"]
if sys.version_info >= (3, 13):
    OF_TWIN.append("__replace__")


class Field:
    """One field: what `field` was told, and what it is called.

    Attributes:
        is_stored: Whether an object keeps it; otherwise only `__post_init__` gets it.
        is_given: Whether `__init__` takes it.
    """

    __slots__ = ("hint", "is_given", "is_stored", "name", "told")

    def __init__(self, name: str, hint: str, told: dict[str, Any]) -> None:
        self.name = name
        self.hint = hint
        self.told = told
        self.is_stored = not hint.startswith("InitVar")
        self.is_given: bool = told.get("init", True)


class Told:
    """What `field` was told, until the class is there."""

    __slots__ = ("told",)

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told


def field(**told: Any) -> Any:
    """See `dataclasses.field`."""
    return Told(told)


def dataclass(cls: Any = None, /, **options: bool) -> Any:
    """See `dataclasses.dataclass`."""
    return partial(made_of, **options) if cls is None else made_of(cls)


def made_of(
    cls: Any,
    *,
    init: bool = True,
    repr: bool = True,
    eq: bool = True,
    frozen: bool = False,
    kw_only: bool = False,
    slots: bool = False,
    weakref_slot: bool = False,
) -> Any:
    own = list(own_fields(cls, kw_only))
    for each in own:
        settle_default(cls, each, slots and each.is_stored)
    fields = {each.name: each for each in [*inherited_fields(cls), *own]}
    if slots:
        stored = [each.name for each in fields.values() if each.is_stored]
        cls = with_slots(cls, [*stored, *(["__weakref__"] if weakref_slot else [])])
    given = dict(attributes_of(cls))
    setattr(cls, FIELDS, fields)
    if "__match_args__" not in given:
        by_place = [e for e in fields.values() if e.is_given and not e.told["kw_only"]]
        setattr(cls, "__match_args__", tuple(each.name for each in by_place))  # noqa: B010  # mypy takes it for that of this module's
    if init:
        Late(cls, "__init__", lambda: initializer(cls, fields, frozen))
    later = [*OF_TWIN, *(["__repr__"] if repr else []), *(["__eq__"] if eq else [])]
    twin = twin_of(cls, fields, frozen)
    for name in later:
        if name not in given:
            Late(cls, name, partial(of_twin, twin, name))
    if eq and given.get("__hash__") is None:  # also where a class has its own `__eq__`
        if frozen:
            Late(cls, "__hash__", partial(of_twin, twin, "__hash__"))
        else:
            cls.__hash__ = None
    if frozen:
        freeze(cls, fields)
        if slots and "__getstate__" not in given:
            cls.__getstate__, cls.__setstate__ = state_of, set_state
    return cls


def settle_default(cls: Any, each: Field, is_slot: bool) -> None:
    """Let *cls* have the default as its attribute, unless a slot takes that name."""
    if "default" in each.told and not is_slot:
        setattr(cls, each.name, each.told["default"])
    elif each.name in attributes_of(cls):
        delattr(cls, each.name)


def attributes_of(cls: type) -> Mapping[str, Any]:
    """Those of *cls* itself, not of its bases."""
    return vars(cls)


def own_fields(cls: Any, kw_only: bool) -> Iterator[Field]:
    hints: dict[str, str] = attributes_of(cls).get("__annotations__", {})
    for name, hint in hints.items():
        if hint == "KW_ONLY":
            kw_only = True
        elif not hint.startswith("ClassVar"):
            told: dict[str, Any] = {"kw_only": kw_only}
            if name in attributes_of(cls):
                value = attributes_of(cls)[name]
                told |= value.told if isinstance(value, Told) else {"default": value}
            yield Field(name, hint, told)


def inherited_fields(cls: Any) -> Iterator[Field]:
    for base in reversed(cls.__mro__[1:]):
        fields: Mapping[str, Field] = attributes_of(base).get(FIELDS, {})
        yield from fields.values()
        if not fields and OF_TWIN[0] in attributes_of(base):
            raise TypeError(f"{cls.__name__}: its base {base.__name__} is none of ours")


def with_slots(cls: Any, names: list[str]) -> Any:
    """*cls* once more, with slots: a class that is made cannot get any."""
    taken = {name for base in cls.__mro__[1:-1] for name in slots_of(base)}
    space = {
        **attributes_of(cls),
        "__slots__": tuple(n for n in names if n not in taken),
    }
    for name in ("__dict__", "__weakref__"):
        space.pop(name, None)
    made = type(cls)(cls.__name__, cls.__bases__, space)
    made.__qualname__ = cls.__qualname__
    return made


def slots_of(cls: type) -> Iterable[str]:
    slots: str | Iterable[str] = attributes_of(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else slots


def initializer(cls: Any, fields: Mapping[str, Field], frozen: bool) -> Any:
    """``__init__``, which sets the *fields* of a new object."""
    names: dict[str, Any] = {"__set": object.__setattr__, "__nothing": NOTHING}
    by_place: list[str] = []
    by_name: list[str] = []
    checked: list[str] = []
    lines: list[str] = []
    for name, each in fields.items():
        parameter = value = name
        if "default" in each.told:
            names[f"__default_{name}"] = each.told["default"]
            parameter = f"{name}=__default_{name}"
            value = name if each.is_given else f"__default_{name}"
        elif "default_factory" in each.told:
            names[f"__make_{name}"] = each.told["default_factory"]
            parameter = f"{name}=__nothing"
            value = f"__make_{name}()"
            if each.is_given:
                value += f" if {name} is __nothing else {name}"
        elif not each.is_given:
            continue  # it is somebody else's to set
        if each.is_given:
            (by_name if each.told["kw_only"] else by_place).append(parameter)
        if not each.is_stored:
            checked.append(name)
        elif frozen:
            lines.append(f"__set(self, {name!r}, {value})")
        else:
            lines.append(f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append(f"self.__post_init__({', '.join(checked)})")
    parameters = ", ".join(["self", *by_place, *(["*"] if by_name else []), *by_name])
    hints: dict[str, Any] = {n: e.hint for n, e in fields.items() if e.is_given}
    return function_of(
        "\n ".join([f"def made({parameters}):", *(lines or ["pass"])]),
        names,
        cls,
        "__init__",
        {**hints, "return": "None"},
    )


class Nothing:
    """Stands for a default that a function makes, as signatures show it."""

    def __repr__(self) -> str:
        return "<factory>"


NOTHING = Nothing()


def freeze(cls: Any, fields: Mapping[str, Field]) -> None:
    """Let nobody set or delete the *fields*."""
    kind: type[object] = cls

    def set_attribute(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in fields:
            raise frozen_error(f"cannot assign to field {name!r}")
        super(kind, self).__setattr__(name, value)

    def delete_attribute(self: Any, name: str) -> None:
        if type(self) is cls or name in fields:
            raise frozen_error(f"cannot delete field {name!r}")
        super(kind, self).__delattr__(name)

    cls.__setattr__, cls.__delattr__ = set_attribute, delete_attribute


def frozen_error(text: str) -> AttributeError:
    from dataclasses import FrozenInstanceError

    return FrozenInstanceError(text)


def state_of(self: Any) -> list[Any]:
    """What a pickle keeps of a frozen class with slots: the values of its fields."""
    return [getattr(self, name) for name in stored_in(type(self))]


def set_state(self: Any, state: Iterable[Any]) -> None:
    for name, value in zip(stored_in(type(self)), state, strict=False):
        object.__setattr__(self, name, value)


def stored_in(cls: Any) -> list[str]:
    own: Mapping[str, Field] | None = attributes_of(cls).get(FIELDS)
    if own is not None:
        return [each.name for each in own.values() if each.is_stored]
    from dataclasses import fields  # of a class that is derived from one of ours

    return [each.name for each in fields(cls)]


def of_twin(twin: Callable[[], type], name: str) -> Any:
    return vars(twin())[name]


def twin_of(cls: Any, fields: Mapping[str, Field], frozen: bool) -> Callable[[], type]:
    """Makes a data class of the standard library that has the same fields."""

    def twin() -> type:
        import dataclasses

        field: Callable[..., Any] = dataclasses.field
        space: dict[str, Any] = {n: field(**e.told) for n, e in fields.items()}
        space["__annotations__"] = {
            name: each.hint if each.is_stored else dataclasses.InitVar
            for name, each in fields.items()
        }
        space |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        make = dataclasses.dataclass(init=False, frozen=frozen)
        return make(type(cls.__name__, (), space))

    return twin
