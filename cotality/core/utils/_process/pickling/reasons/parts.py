"""The parts of an object, as a pickler sees them.

An attribute that ``__getstate__`` leaves out is not pickled, so it is not a part. An
object that is only made to be pickled, such as the tuple that ``__reduce__`` returns,
is a part.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable, Iterator, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from cotality._kit.records import NamedTuple
from cotality.core.utils._process.machine.object_size import FLAT
from cotality.core.utils._process.pickling.probe import PROTOCOL, Probe

if TYPE_CHECKING:
    from cotality.core.utils._process.pickling.by_value import Form

TEXT = frozenset([str])

NEW_OBJECT: object = vars(copyreg)["__newobj__"]  # makes most instances


class Step(NamedTuple):
    """How to get from an object to one of its parts."""

    kind: Literal[
        "item", "key", "element", "attribute", "closure variable", "global", "reduced"
    ]
    key: object = None


Part: TypeAlias = tuple[Step, object]


class OpaqueError(Exception):
    """An object has no parts to look at: only pickling it can tell."""


def parts(thing: object, probe: Probe) -> Iterator[Part]:
    """The parts that *probe* would pickle, in its order, what is harmless left out.

    Nothing of *thing* is touched before the first ``next()``.

    Raises:
        OpaqueError: *thing* is pickled as a whole.
        BaseException: What asking *thing* for its parts raised.
    """
    for part in all_parts(thing, probe):
        if not is_harmless(part[1]):
            yield part


def is_harmless(thing: object) -> bool:
    """Whether nothing in *thing* can fail: it is flat, or a container of flat things.

    Looked at here and in one go, the second makes the search in a million small
    tuples four times as fast (measured).
    """
    kind, inside = type(thing), cast("Any", thing)  # Any: asked by its type
    if kind in FLAT:
        return True
    if kind is dict:
        return are_flat(inside) and are_flat(inside.values())
    return (kind is list or kind is tuple) and are_flat(inside)


def are_flat(things: Iterable[object]) -> bool:
    return FLAT.issuperset(map(type, things))


def are_texts(things: Iterable[object]) -> bool:
    return TEXT.issuperset(map(type, things))


def all_parts(thing: object, probe: Probe) -> Iterable[Part]:
    kind, inside = type(thing), cast("Any", thing)  # Any: asked by its type
    if kind is list or kind is tuple:
        return parts_of_sequence(inside)
    if kind is dict:
        return parts_of_pairs(inside.items())
    if kind is set or kind is frozenset:
        return ((Step("element"), element) for element in inside)
    form = reduction(thing, probe)
    if not is_usual(form, thing):
        raise OpaqueError
    if isinstance(thing, FunctionType):
        return parts_of_function(thing, form)
    return parts_of_form(form)


def reduction(thing: object, probe: Probe) -> Form:
    """What a pickler takes *thing* apart into."""
    form = probe.reducer_override(thing)
    if form is not NotImplemented:
        return form
    # Any: cloudpickle has no types
    rules: Any = getattr(probe, "dispatch_table", copyreg.dispatch_table)
    if type(thing) in rules:
        return rules[type(thing)](thing)
    if issubclass(type(thing), (type, FunctionType)):
        raise OpaqueError  # pickled by name
    return thing.__reduce_ex__(PROTOCOL)


def is_usual(form: Form, thing: object) -> bool:
    """Whether a pickler takes *form*, rather than a name or an error."""
    if type(form) is not tuple:
        return False
    given = cast("Sequence[Any]", form)  # Any: of anyone's making
    return (
        2 <= len(given) <= 6
        and callable(given[0])
        and type(given[1]) is tuple
        and (given[0] is not NEW_OBJECT or given[1][0] is thing.__class__)
    )


def parts_of_sequence(items: Iterable[object]) -> Iterator[Part]:
    for position, item in enumerate(items):
        if type(item) not in FLAT:  # before the step is made: this is the long loop
            yield Step("item", position), item


def parts_of_pairs(pairs: Iterable[tuple[object, object]]) -> Iterator[Part]:
    for position, (key, value) in enumerate(pairs):
        yield Step("key", position), key
        yield Step("item", key), value


def parts_of_form(form: tuple[Any, ...]) -> Iterator[Part]:  # Any: anyone's __reduce__
    for position, part in enumerate(form):
        if position == 3 and part is not None:
            yield from parts_of_sequence(part)
        elif position == 4 and part is not None:
            yield from parts_of_pairs(part)
        else:
            yield from parts_of_temporary(position, part)


def parts_of_temporary(position: int, part: object) -> Iterator[Part]:
    # Arguments and state are made for the pickler: what is in them is looked at right
    # away. As steps of their own they would make the search twice as slow (measured).
    kind, inside = type(part), cast("Any", part)  # Any: asked by its type
    if kind is tuple:
        for inner, item in enumerate(inside):
            yield Step("reduced", (position, inner)), item
    elif kind is dict and are_texts(inside):
        for inner, item in inside.items():
            yield Step("reduced", (position, inner)), item
    else:
        yield Step("reduced", (position,)), part


def parts_of_function(
    function: FunctionType,
    form: tuple[Any, ...],  # Any: as above
) -> Iterator[Part]:
    """The parts of a function that cloudpickle sends by value, *form* being its way."""
    for name, cell in zip(
        function.__code__.co_freevars, function.__closure__ or (), strict=True
    ):
        try:
            yield Step("closure variable", name), cell.cell_contents
        except ValueError:
            pass  # not assigned yet, so there is nothing to send
    attributes, slots = form[2]
    for name, value in slots["__globals__"].items():
        yield Step("global", name), value
    for name in ("__defaults__", "__kwdefaults__", "__annotations__"):
        yield Step("attribute", name), slots.get(name)
    for name, value in attributes.items():
        yield Step("attribute", name), value
