"""How a pickle refers to a definition of a script: by name, beside the definition."""

from __future__ import annotations

from types import FunctionType
from typing import Any, TypeAlias

from cotality._kit.public import pickled_as

from . import needs, off_path
from .forms import FORMS, NAMED_KINDS, form_of, type_of
from .places import Home, Mention, adopt, home_of_globals, is_script, place_of
from .tokens import tokens

Form: TypeAlias = Any  # Any: what pickle takes: a tuple, or NotImplemented

# What a pickler asks.


def reduced(pickler: Any, thing: Any) -> Form:  # Any: cloudpickle has no types
    """How *thing* is pickled, if a script has defined it; else NotImplemented."""
    kind = type_of(thing)
    if kind is FunctionType or kind in NAMED_KINDS or issubclass(kind, type):
        if kind is FunctionType and pickler.mentions is not None:
            adopt(thing.__globals__)
        if not is_of_script(thing):
            form = off_path.reference(thing) if off_path.seen.files else None
            return NotImplemented if form is None else form
        form = None if pickler.looks_inside else reference(pickler, thing)
        if form is not None:
            return form
    elif kind not in FORMS:
        return NotImplemented
    note_needs(pickler, thing)
    return form_of(pickler, thing)


def is_of_script(thing: Any) -> bool:  # Any: as above
    if is_script(getattr(thing, "__module__", None)):
        return True
    return type(thing) is FunctionType and bool(home_of_globals(thing.__globals__))


def reference(pickler: Any, thing: object) -> Form:  # Any: as above
    """The name of *thing*, or None if it has to be sent itself."""
    is_answer = pickler.mentions is None
    if is_answer and (token := tokens.received(thing)) is not None:
        # Whoever asked has sent it. It may have another one of that name by now.
        return recalled, ("", getattr(thing, "__qualname__", "it"), token)
    place = place_of(thing)
    if place is None:
        return None
    home, name = place
    first, _, rest = name.partition(".")
    if pickler.defines == (home, first) or first in pickler.together:
        return None
    owner = home.names[first]
    if is_answer:
        token = tokens.received(owner)
        if token is None:
            return None
    else:
        pickler.mentions.add(Mention(home, first, is_held=True))
        token = tokens.given_to(owner)
    if rest:
        return attribute_of, (home.number, first, token, rest)
    return recalled, (home.number, name, token)


def note_needs(pickler: Any, thing: Any) -> None:  # Any: as above
    """Let *pickler* know which globals *thing* needs, which it sends itself."""
    if pickler.mentions is None:
        return
    if type(thing) is FunctionType:
        home = home_of_globals(thing.__globals__)
        if home is None:
            return
        for name in needs.names_in_code(thing.__code__):
            pickler.mentions.add(Mention(home, name))
        hints = needs.hints_of_function(thing)
    elif isinstance(thing, type):
        place = pickler.defines or place_of_methods(thing)
        if place is None:
            return
        home, hints = place[0], needs.hints_of_class(thing)
    else:
        return
    pickler.mentions.update(Mention(home, name, True) for name in hints)


def place_of_methods(kind: type) -> tuple[Home, str] | None:
    for each in list(vars(kind).values()):
        if type(each) is FunctionType:
            home = home_of_globals(each.__globals__)
            if home is not None:
                return home, ""
    return None


@pickled_as("recall_global")
def recalled(number: str, name: str, token: str) -> Any:  # Any: anybody's object
    from .names import recall

    return recall(number, name, token)


@pickled_as("recall_attribute")
def attribute_of(number: str, name: str, token: str, rest: str) -> Any:  # Any: so
    import inspect

    thing = recalled(number, name, token)
    for each in rest.split("."):
        thing = inspect.getattr_static(thing, each)
        if type(thing) in (staticmethod, classmethod):
            thing = thing.__func__
    return thing
