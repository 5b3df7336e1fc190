"""How an exception travels from a worker to the caller and stays what it was.

An exception refers to others (its cause, its context, the members of a group), and the
links may form a circle. So it is packed as a flat list of nodes that refer to one
another by number, and no step is recursive. Each node is packed by itself and *loaded
back in the worker*. A node that cannot be rebuilt there is replaced by a
`RemoteTaskError` with its name, text and traceback, and spoils nothing around it.

The classes belong to the user, and so does the code that runs when one is copied or
shown. Where the built-in base class can be asked instead, that code does not run.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from types import BuiltinFunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any, TypeAlias, cast

from cotality._kit.public import pickled_as
from cotality._kit.records import dataclass, field
from cotality._kit.safe_text import text_of
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.tasks.errors import RemoteTaskError
from cotality.core.utils._process.tasks.tracebacks import (
    PackedFrame,
    field_of,
    pack_frames,
    set_field,
    unpack_frames,
)

from .class_at import located
from .encode import decode, encode

MAX_NODES = 1000  # a longer chain is cut: nobody reads that far

State: TypeAlias = dict[str, Any]  # Any: the attributes of any exception


@pickled_as("PackedException")
@dataclass(slots=True)
class Node:
    """One exception of a chain, packed."""

    packed: bytes | None  # None: nothing would rebuild it
    type_name: str
    text: str
    traceback_text: str
    frames: list[PackedFrame] = field(default_factory=list[PackedFrame])
    notes: list[str] = field(default_factory=list[str])
    suppress_context: bool = False
    cause: int | None = None
    context: int | None = None
    members: list[int] = field(default_factory=list[int])


def pack_exception(
    error: BaseException, encode: Callable[[Any], bytes] = encode
) -> bytes:  # Any: parts of any exception
    """*error* and all it is linked to, as bytes; only what a signal raises gets out.

    Args:
        encode: How what the exceptions hold becomes bytes.
    """
    found = linked_exceptions(error)
    number = {id(each): index for index, each in enumerate(found)}
    nodes = [pack_node(each, number, encode) for each in found]
    return pickle.dumps(nodes, pickle.HIGHEST_PROTOCOL)


def unpack_exception(
    packed: bytes | bytearray, *, is_old: bool = False
) -> BaseException:
    """The exception that :func:`pack_exception` packed; never fails either.

    Args:
        is_old: Whether the files that it came through may have changed since.
    """
    nodes: list[Node] = pickle.loads(packed)
    rebuilt = [stand_in(node) if node.members else rebuild(node) for node in nodes]
    for index in members_first(nodes):
        members = [rebuilt[member] for member in nodes[index].members]
        rebuilt[index] = rebuild_group(nodes[index], members)
    for index in range(len(nodes)):
        link(rebuilt[index], nodes[index], rebuilt)
        frames = nodes[index].frames
        if is_old:
            from cotality.core.utils._process.tasks.frames_of_text import as_they_were

            frames = as_they_were(frames, nodes[index].traceback_text)
        BaseException.with_traceback(rebuilt[index], unpack_frames(frames))
    return rebuilt[0]


# What an exception is linked to.


def set_attribute(error: BaseException, name: str, value: object) -> None:
    """Set an attribute of its own, also of a class that forbids it.

    If there is a property in its place, then behind that.
    """
    try:
        BaseException.__setattr__(error, name, value)
    except AttributeError:
        vars(error)[name] = value


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    if not issubclass(type(error), BaseExceptionGroup):
        return ()
    members: tuple[BaseException, ...]
    members = vars(BaseExceptionGroup)["exceptions"].__get__(error)
    return members


def linked_exceptions(error: BaseException) -> list[BaseException]:
    """*error* and every exception that can be reached from it, each once."""
    found = [error]
    seen = {id(error)}
    for each in found:  # grows while it is read
        cause, context = field_of(each, "__cause__"), field_of(each, "__context__")
        for other in (cause, context, *members_of(each)):
            if other is not None and id(other) not in seen and len(found) < MAX_NODES:
                seen.add(id(other))
                found.append(other)
    return found


def members_first(nodes: list[Node]) -> list[int]:
    """The numbers of all groups, each after those that are among its members."""
    order: dict[int, None] = {}
    stack = [index for index, node in enumerate(nodes) if node.members]
    while stack:
        index = stack[-1]
        missing = [
            member
            for member in nodes[index].members
            if nodes[member].members and member not in order
        ]
        if missing:
            stack += missing
        else:
            order[stack.pop()] = None
    return list(order)


def link(error: BaseException, node: Node, rebuilt: list[BaseException]) -> None:
    for name, number in (("__cause__", node.cause), ("__context__", node.context)):
        set_field(error, name, None if number is None else rebuilt[number])
    set_field(error, "__suppress_context__", node.suppress_context)
    if node.notes:
        notes = [*notes_of(error), *node.notes]
        set_attribute(error, "__notes__", notes)


def copy_of(error: Exception, notes: list[object]) -> Exception:
    """Another exception like *error*, which holds the same things, with *notes*.

    *error* itself if its class keeps what nobody else can set.
    """
    make, (kind, args, slots), attributes = field_by_field(error)
    if issubclass(kind, BaseExceptionGroup):
        args = args[0], members_of(error)
    copy = put_together((make, (type(error), args, slots), attributes))
    set_field(copy, "args", field_of(error, "args"))
    if type(copy) is not type(error) or not reads_alike(copy, error):
        return error
    for name in ("__context__", "__cause__", "__suppress_context__"):
        set_field(copy, name, field_of(error, name))
    BaseException.with_traceback(copy, field_of(error, "__traceback__"))
    if notes:
        set_attribute(copy, "__notes__", list(notes))
    return copy


# One exception.


def pack_node(
    error: BaseException, number: dict[int, int], encode: Callable[[Any], bytes]
) -> Node:  # Any: as above
    from cotality._kit.traceback_text import traceback_text_of  # only failures need it

    members = [number[id(m)] for m in members_of(error) if id(m) in number]
    return Node(
        packed=pack_alone(error, encode),
        type_name=f"{type(error).__module__}.{type(error).__qualname__}",
        text=text_of(error),
        traceback_text=traceback_text_of(error),
        frames=pack_frames(field_of(error, "__traceback__")),
        notes=[str(note) for note in notes_of(error)],
        suppress_context=field_of(error, "__suppress_context__"),
        cause=number.get(id(field_of(error, "__cause__"))),
        context=number.get(id(field_of(error, "__context__"))),
        members=members,
    )


def pack_alone(
    error: BaseException, encode: Callable[[Any], bytes]
) -> bytes | None:  # Any: as above
    """*error* without what it is linked to, or None if nothing would rebuild it."""
    for take_apart in (as_its_class_says, field_by_field, as_its_pickle_says):
        packed = tried(take_apart, error, encode)
        if packed is not None:
            return packed
    return None


def tried(
    take_apart: Callable[[BaseException], tuple[Any, ...] | None],
    error: BaseException,
    encode: Callable[[Any], bytes],
) -> bytes | None:  # Any: as above
    """*error* packed in this way, if that works.

    User code runs in here, and any way in which it fails means the same: this way of
    packing is none for this exception.
    """
    try:
        parts = take_apart(error)
        if parts is None:
            return None
        packed = encode(parts)
        rebuilt = put_together(decode(packed))
        if type(rebuilt) is not type(error):
            return None
        if take_apart is as_its_pickle_says and not reads_alike(rebuilt, error):
            return None
        return packed
    except BaseException as failure:
        if is_of_a_signal(failure):
            raise
        return None


def as_its_class_says(error: BaseException) -> tuple[Any, ...] | None:
    """What the class's own ``__reduce__`` gives, if it has one written in Python."""
    kind = type(error)
    own = [kind.__reduce__, kind.__reduce_ex__, getattr(kind, "__setstate__", None)]
    if isinstance(error, BaseExceptionGroup) or all(is_built_in(each) for each in own):
        return None
    how = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if isinstance(how, str) or not 2 <= len(how) <= 3:
        raise TypeError(f"unusual way to pickle an exception: {how!r}")
    make, args, *rest = how
    return make, args, without_notes(rest[0]) if rest else None


def as_its_pickle_says(error: BaseException) -> tuple[Any, ...] | None:
    """What the pickle of a class in C, or in Rust, is made of.

    Such a class may keep things where only its own constructor gets at them. That is
    called once more, as by pickle itself; of a class in Python it may do anything.
    """
    kind = type(error)
    if isinstance(error, BaseExceptionGroup):
        return None
    if not (is_built_in(kind.__new__) and is_built_in(kind.__init__)):
        return None
    how = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if isinstance(how, str) or not 2 <= len(how) <= 3:
        return None
    make, args, *rest = how
    state = rest[0] if rest else attributes_of(error)
    return make, args, without_notes(state) or None


def reads_alike(rebuilt: BaseException, error: BaseException) -> bool:
    """Whether both have the same text, but for addresses in memory."""
    texts = [ADDRESS.sub("", text_of(each)) for each in (rebuilt, error)]
    return texts[0] == texts[1]


ADDRESS = re.compile("0x[0-9a-fA-F]+")


def is_built_in(method: object) -> bool:
    return isinstance(method, BuiltinFunctionType) or not hasattr(method, "__code__")


def field_by_field(error: BaseException) -> tuple[Any, ...]:
    """Its arguments, attributes and slots.

    They are put together without a call of its constructor, which may want other
    arguments than these.
    """
    args = field_of(error, "args")
    attributes = without_notes(attributes_of(error))
    if issubclass(type(error), BaseExceptionGroup):
        args = (vars(BaseExceptionGroup)["message"].__get__(error), PLACE_OF_MEMBERS)
    return (
        rebuild_from_fields,
        (located(type(error)), args, slots_of(error)),
        attributes,
    )


@pickled_as("make_exception")
def rebuild_from_fields(
    kind: type[BaseException], args: tuple[Any, ...], slots: State
) -> BaseException:
    base = next(each for each in kind.__mro__ if each.__module__ == "builtins")
    make: Any = base.__new__  # Any: what it takes depends on the class
    error: BaseException = make(kind, *args)
    set_field(error, "args", args)
    for name, value in slots.items():
        set_attribute(error, name, value)
    return error


PLACE_OF_MEMBERS = (Exception(),)  # a group cannot be made without any


def attributes_of(error: BaseException) -> State:
    """Its ``__dict__``, also of a class that shows another one."""
    _, *rest = cast("tuple[Any, ...]", BaseException.__reduce__(error))
    return rest[1] if len(rest) > 1 else {}


def slots_of(error: BaseException) -> State:
    """What *error* keeps outside of its ``__dict__``: ``errno``, ``name``, ``code``."""
    slots: State = {}
    for kind in type(error).__mro__:
        if kind in (BaseException, BaseExceptionGroup, object):
            continue
        for name, place in vars(kind).items():
            if isinstance(place, SLOT_TYPES) and name not in NOT_COPIED:
                try:
                    value = place.__get__(error)
                except AttributeError:
                    continue  # never set
                if value is not None or "__slots__" in vars(kind):
                    slots.setdefault(name, value)
    return slots


SLOT_TYPES = (MemberDescriptorType, GetSetDescriptorType)
# `obj` is what an attribute was missed on: any object, however large. Pickling leaves
# it behind as well.
NOT_COPIED = {"__dict__", "__weakref__", "obj"}


def without_notes(state: Any) -> Any:  # Any: what a class says its state is
    """*state* less the notes, which travel by themselves."""
    if not isinstance(state, dict):
        return state
    given = cast("State", state)
    return {name: value for name, value in given.items() if name != "__notes__"}


def put_together(parts: tuple[Any, ...]) -> BaseException:
    """The exception that was taken apart into *parts*."""
    make, args, state = parts
    error: Any = make(*args)  # Any: also its class decides what comes of that
    if make is rebuild_from_fields:
        for name, value in state.items():
            set_attribute(error, name, value)
    elif state is not None:
        error.__setstate__(state)
    if not isinstance(error, BaseException):
        raise TypeError(f"not an exception: {error!r}")
    return error


def rebuild(node: Node) -> BaseException:
    if node.packed is None:
        return stand_in(node)
    try:
        return put_together(decode(node.packed))
    except BaseException as failure:  # as in `tried`; here it is the caller's side
        if is_of_a_signal(failure):
            raise
        return stand_in(node)


def rebuild_group(node: Node, members: list[BaseException]) -> BaseException:
    """The group *node* with its *members*, which are complete."""
    try:
        if node.packed is None:
            return unknown_group(node, members)
        _, (kind, (message, _), slots), state = decode(node.packed)
        return put_together(
            (rebuild_from_fields, (kind, (message, members), slots), state)
        )
    except BaseException as failure:  # as in `tried`
        if is_of_a_signal(failure):
            raise
        return unknown_group(node, members)


def unknown_group(node: Node, members: list[BaseException]) -> BaseException:
    """A plain group for one that could not be brought here; its members were."""
    return BaseExceptionGroup(f"{node.type_name}: {node.text}", members)


def stand_in(node: Node) -> RemoteTaskError:
    error = RemoteTaskError(f"{node.type_name}: {node.text}")
    error.type_name = node.type_name
    error.traceback_text = node.traceback_text
    error.add_note(f"The original traceback:\n{node.traceback_text.rstrip()}")
    return error


def notes_of(error: BaseException) -> list[str]:
    """The notes of *error* that are text."""
    notes = attributes_of(error).get("__notes__")
    if not isinstance(notes, list | tuple):
        return []
    return [note for note in cast("list[object]", notes) if isinstance(note, str)]
