"""Takes apart what a script defines, and puts it together in another process.

Functions get the one dictionary of their script's namespace there as their globals. A
class is made without running any code of the user: no ``__init_subclass__`` and no
metaclass is called a second time, because what they have done is part of what is sent.
"""

from __future__ import annotations

import functools
import sys
import typing
from abc import ABCMeta
from collections.abc import Callable, Iterable
from enum import Enum
from types import FunctionType, MemberDescriptorType
from typing import Any, TypeAlias, cast

from cotality._kit.public import pickled_as
from cotality._kit.struck import is_of_a_signal

from . import places
from .tokens import tokens

Form: TypeAlias = Any  # Any: a tuple of two to six parts, or NotImplemented
type_of: Callable[[Any], type[Any]] = type  # Any: spares checkers a type of Unknown
Parts: TypeAlias = tuple[Any, ...]  # Any: the arguments of any maker


def form_of(pickler: Any, thing: Any) -> Form:  # Any: cloudpickle has no types
    """How *thing*, which a script has defined, is pickled by value.

    NotImplemented for what pickles well by itself.
    """
    kind = type_of(thing)
    if kind is FunctionType:
        if thing.__code__ is DISPATCHING_CODE:
            return form_of_dispatcher(thing)
        return form_of_function(pickler, thing)
    if issubclass(kind, type):
        return form_of_class(thing)
    way = FORMS.get(kind)
    return NotImplemented if way is None else way(thing)


# Functions.


def form_of_function(pickler: Any, function: FunctionType) -> Form:  # Any: as above
    place = place_of_globals(function)
    _, given, state, *rest = pickler._dynamic_function_reduce(function)
    if place is None:  # its globals are nobody's: they are sent along, as they are
        return NotImplemented
    code, _, name, defaults, closure = given
    if not pickler.looks_inside:
        # The globals go beside the pickle, see `pickling.script.definitions`.
        state[1]["__globals__"] = {}
    return make_function, (place, code, name, defaults, closure), state, *rest


def place_of_globals(function: FunctionType) -> str | None:
    """The namespace of a script, or the module that a decorator comes from."""
    home = places.home_of_globals(function.__globals__)
    if home is not None:
        return home.number
    name = function.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if getattr(module, "__dict__", None) is function.__globals__:
        return f"module {name}"
    return None


@pickled_as("make_function")
def make_function(place: str, *given: Any) -> FunctionType:  # Any: as above
    code, name, defaults, closure = given
    if place.startswith("module "):
        import importlib

        module = importlib.import_module(place.removeprefix("module "))
        return FunctionType(code, vars(module), name, defaults, closure)
    dictionary = places.dictionary_of(place)
    dictionary.setdefault("__builtins__", __builtins__)
    return FunctionType(code, dictionary, name, defaults, closure)


def cloudpickle_itself() -> Any:  # Any: as above
    from importlib import import_module

    return import_module("cloudpickle.cloudpickle")


# Classes.


def form_of_class(kind: type[Any]) -> Form:  # Any: as above
    own = cloudpickle_itself()
    token = tokens.given_to(kind)
    if issubclass(kind, Enum):
        # With the aliases, which cloudpickle leaves out.
        members = {name: member.value for name, member in kind.__members__.items()}
        names = kind.__name__, kind.__qualname__
        own_parts = kind.__bases__, *names, members, kind.__module__
        attributes, slots = own._enum_getstate(kind)
        for name in members:
            attributes.pop(name, None)
        attributes[OF_MEMBERS] = {
            name: {
                key: value
                for key, value in vars(member).items()
                if not key.startswith("_")
            }
            for name, member in kind.__members__.items()
        }
        state = attributes, slots
        return make_enum, (token, *own_parts), state, None, None, set_class_state
    attributes, slots = own._class_getstate(kind)
    attributes = with_what_bases_have(kind, attributes)
    first: dict[str, Any] = {"__qualname__": kind.__qualname__}  # Any: of any class
    for name in ("__module__", "__slots__"):
        if name in kind.__dict__:
            first[name] = kind.__dict__[name]
    if isinstance(kind.__dict__.get("__dict__"), property):
        first["__dict__"] = kind.__dict__["__dict__"]
    for name in list(attributes):
        if name in ("__slotnames__", "__slots__") or is_slot(attributes[name], kind):
            del attributes[name]
    meta = type_of(kind)
    if meta.__name__ == "_TypedDictMeta":
        # It is no base: the class is a dictionary, and says where it comes from.
        attributes["__orig_bases__"] = kind.__dict__.get("__orig_bases__", ())
    given = token, meta, kind.__name__, kind.__bases__, first
    return make_class, given, (attributes, slots), None, None, set_class_state


OF_MEMBERS = "attributes of members"
# What a class is made with, and gets by being made.
NOT_SET = frozenset(["__dict__", "__weakref__", "__module__", "__annotate_func__"])


def with_what_bases_have(
    kind: type[Any], attributes: dict[str, Any]
) -> dict[str, Any]:  # Any: as above
    """*attributes*, and those of *kind* that a base in the script has as well.

    Cloudpickle leaves them out. But later they may be changed in the base alone.
    """
    bases = [vars(base) for base in kind.__bases__ if places.is_script(base.__module__)]
    if not bases:
        return attributes
    more = {
        "".join(name): value  # a text of its own, as those of cloudpickle are
        for name, value in vars(kind).items()
        if name not in attributes and name not in NOT_SET and name[:5] != "_abc_"
        if any(base.get(name, bases) is value for base in bases)
    }
    return dict(sorted({**attributes, **more}.items()))


def is_slot(value: object, kind: type[Any]) -> bool:  # Any: as above
    return isinstance(value, MemberDescriptorType) and value.__objclass__ is kind


@pickled_as("make_class")
def make_class(
    token: str,
    meta: type,
    name: str,
    bases: tuple[type, ...],
    first: dict[str, Any],  # Any: attributes of any class
) -> type:
    """The class with *token*, made without its attributes if it is not here yet."""
    known = tokens.get(token)
    if known is not None:
        if known.__bases__ != bases:
            known.__bases__ = bases
        return cast("type", known)
    kind: type | None = None
    reason: Exception | None = None
    for make in ways_to_make(meta):
        try:
            kind = make(meta, name, bases, dict(first))
            break
        except Exception as error:
            if is_of_a_signal(error):
                raise
            reason = reason or error
    if kind is None:
        raise TypeError(
            f"class {name} cannot be made in another process: {reason}"
        ) from reason
    tokens.set(token, kind)
    return kind


def ways_to_make(meta: type) -> Iterable[Callable[..., type]]:
    quiet, usual = make_quietly, make_as_usual
    is_known = meta.__module__ in ("builtins", "abc", "typing", "__main__")
    # What the metaclass of a library does besides, nobody can tell.
    return (quiet, usual) if is_known else (usual, quiet)


class Quiet:
    """Stands before the bases of a class while it is made, and calls none of them."""

    def __init_subclass__(cls) -> None:
        pass


class QuietInSlots:
    """The same for bases whose instances have no dictionary."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        pass


def make_quietly(
    meta: type,
    name: str,
    bases: tuple[type, ...],
    first: dict[str, Any],  # Any: as above
) -> type:
    make: Any = ABCMeta.__new__ if issubclass(meta, ABCMeta) else type.__new__
    if all(has_no_hook(base) for base in bases):
        return make(meta, name, bases, first)  # type: ignore[no-any-return]
    for quiet in (Quiet, QuietInSlots):
        try:
            kind: type = make(meta, name, (quiet, *bases), dict(first))
            kind.__bases__ = bases
        except TypeError:  # their instances are laid out in another way
            continue
        return kind
    raise TypeError(f"{name} has bases that cannot be exchanged")


def has_no_hook(base: type) -> bool:
    """Whether nothing is run for what inherits from *base*."""
    return not any(
        "__init_subclass__" in vars(each) for each in base.__mro__ if each is not object
    )


def make_as_usual(
    meta: type,
    name: str,
    bases: tuple[type, ...],
    first: dict[str, Any],  # Any: as above
) -> type:
    from types import new_class

    return new_class(name, bases, {"metaclass": meta}, lambda own: own.update(first))


@pickled_as("make_enum")
def make_enum(token: str, *given: Any) -> type:  # Any: as above
    known = tokens.get(token)
    if known is not None:
        return cast("type", known)
    own = cloudpickle_itself()
    kind: type = own._make_skeleton_enum(*given, None, None)
    tokens.set(token, kind)
    return kind


@pickled_as("set_class_state")
def set_class_state(kind: type, state: Any) -> Any:  # Any: as above
    own = cloudpickle_itself()
    attributes, slots = state
    forget_what_is_gone(kind, frozenset(attributes))
    line = attributes.pop("__firstlineno__", None)  # 3.13 forgets it with the module
    for name, values in attributes.pop(OF_MEMBERS, {}).items():
        vars(kind.__members__[name]).update(values)  # type: ignore[attr-defined]
    for name in list(attributes):
        # `type` itself: a metaclass may have a way of its own to set attributes.
        if name != "_abc_impl":
            type.__setattr__(kind, name, attributes.pop(name))
    own._class_setstate(kind, (attributes, slots))
    if line is not None:
        type.__setattr__(kind, "__firstlineno__", line)
    return kind


def forget_what_is_gone(kind: type, names: frozenset[str]) -> None:
    """Take back attributes that were sent before, and are not among *names* now."""
    token = tokens.of(kind) or ""
    own = vars(kind)
    for name in sent_names.get(token, frozenset()) - names:
        if name in own and not is_slot(own[name], kind):
            type.__delattr__(kind, name)
    sent_names[token] = names


sent_names: dict[str, frozenset[str]] = {}  # of attributes, by the tokens of classes


# Objects of the standard library that are made of functions.


@functools.singledispatch
def dispatching(value: object) -> object:
    return value


DISPATCHING_CODE = dispatching.__code__  # type: ignore[attr-defined]  # a function


def form_of_dispatcher(function: Any) -> Form:  # Any: a singledispatch function
    registry = dict(function.registry)
    first = registry.pop(object)
    return make_dispatcher, (first,), registry, None, None, register_all


@pickled_as("make_single_dispatch")
def make_dispatcher(first: Callable[..., object]) -> object:
    return functools.singledispatch(first)


@pickled_as("register_implementations")
def register_all(dispatcher: Any, registry: dict[type, Any]) -> None:  # Any: as above
    for kind, function in registry.items():
        dispatcher.register(kind, function)


def form_of_dispatching_method(thing: Any) -> Form:  # Any: a singledispatchmethod
    # Without the cache of methods that it has from Python 3.13 on.
    state = {"dispatcher": thing.dispatcher}
    return functools.singledispatchmethod, (thing.func,), state


def form_of_cache(cache: Any) -> Form:  # Any: an lru_cache wrapper
    parameters = cache.cache_parameters()
    attributes = cast("dict[str, Any]", vars(cache))  # Any: as above
    own = {
        name: value
        for name, value in attributes.items()
        if name not in ("__wrapped__", "cache_parameters")
    }
    given = cache.__wrapped__, parameters["maxsize"], parameters["typed"]
    return make_cache, given, own


@pickled_as("make_lru_cache")
def make_cache(function: Callable[..., object], size: int | None, typed: bool) -> Any:
    return functools.lru_cache(size, typed)(function)  # Any: as above


def form_of_property(thing: Any) -> Form:  # Any: a cached_property
    return make_property, (thing.func, thing.attrname, thing.__doc__)


@pickled_as("make_cached_property")
def make_property(function: Any, name: str | None, text: str | None) -> Any:  # Any: so
    made: Any = functools.cached_property(function)
    made.attrname, made.__doc__ = name, text
    return made


def form_of_new_type(thing: Any) -> Form:  # Any: a NewType
    given = thing.__name__, thing.__qualname__, thing.__supertype__, thing.__module__
    return make_new_type, given


@pickled_as("make_new_type")
def make_new_type(name: str, qualname: str, base: Any, module: str) -> Any:  # Any: so
    # typing.NewType wants a literal name from checkers.
    made: Any = getattr(typing, "NewType")(name, base)  # noqa: B009
    made.__module__, made.__qualname__ = module, qualname
    return made


def form_of_parameters(thing: Any) -> Form:  # Any: a ParamSpec
    return make_parameters, (thing.__name__, thing.__bound__, thing.__module__)


@pickled_as("make_param_spec")
def make_parameters(name: str, bound: Any, module: str) -> Any:  # Any: as above
    made: Any = getattr(typing, "ParamSpec")(name, bound=bound)  # noqa: B009
    made.__module__ = module
    return made


FORMS: dict[type, Callable[[Any], Form]] = {  # Any: each has its own kind of object
    type(functools.lru_cache(dispatching)): form_of_cache,
    functools.cached_property: form_of_property,
    functools.singledispatchmethod: form_of_dispatching_method,
    typing.NewType: form_of_new_type,
    typing.ParamSpec: form_of_parameters,
}
# What is found by the name that it gives itself, besides functions and classes.
NAMED_KINDS = frozenset(
    [type(functools.lru_cache(dispatching)), typing.NewType, typing.ParamSpec]
    + [typing.TypeVar]
    + [
        kind
        for name in ("TypeAliasType", "TypeVarTuple")
        if (kind := getattr(typing, name, None)) is not None
    ]
)
