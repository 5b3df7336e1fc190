"""How an exception travels from a worker to the caller and stays what it was.

An exception drags others along (its cause, its context, the members of a group), and
the links may form a circle. So it is packed as a flat list of nodes that name one
another by number; no step is recursive. Each node is packed by itself and *loaded back
in the worker*: what cannot be rebuilt there is replaced by a `RemoteTaskError` with
its name, text and traceback, and spoils nothing around it.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

from .failures import RemoteTaskError
from .wire import decode, encode

MAX_NODES = 1000  # a longer chain is cut: nobody reads that far


@dataclass(slots=True)
class Node:
    """One exception of a chain, packed."""

    packed: bytes | None  # None: it stands for a group, or could not be packed
    type_name: str
    text: str
    traceback_text: str
    frames: dict[str, Any] | None  # Any: what tblib makes of a traceback
    notes: list[str]
    suppress_context: bool
    cause: int | None = None
    context: int | None = None
    members: list[int] = field(default_factory=list[int])


def pack_exception(error: BaseException) -> bytes:
    """*error* and all it is linked to, as bytes; never fails."""
    found = linked_exceptions(error)
    number = {id(each): index for index, each in enumerate(found)}
    nodes = [pack_node(each, number) for each in found]
    return pickle.dumps(nodes, pickle.HIGHEST_PROTOCOL)


def unpack_exception(packed: bytes | bytearray) -> BaseException:
    """The exception that :func:`pack_exception` packed; never fails."""
    nodes: list[Node] = pickle.loads(packed)
    rebuilt = [rebuild(node) for node in nodes]
    # Members first: the constructor of a group wants them complete, and a group is
    # always found before its members.
    for index in reversed(range(len(nodes))):
        if nodes[index].members:
            rebuilt[index] = rebuild_group(nodes[index], rebuilt)
    for node, error in zip(nodes, rebuilt, strict=True):
        link(error, node, rebuilt)
    return rebuilt[0]


def linked_exceptions(error: BaseException) -> list[BaseException]:
    """*error* and every exception that can be reached from it, each once."""
    found = [error]
    seen = {id(error)}
    for each in found:  # grows while it is read
        for other in (each.__cause__, each.__context__, *members_of(each)):
            if other is not None and id(other) not in seen and len(found) < MAX_NODES:
                seen.add(id(other))
                found.append(other)
    return found


def members_of(error: BaseException) -> Sequence[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).exceptions
    return ()


def pack_node(error: BaseException, number: dict[int, int]) -> Node:
    members = [number[id(m)] for m in members_of(error) if id(m) in number]
    return Node(
        packed=pack_group(error) if members else pack_alone(error),
        type_name=f"{type(error).__module__}.{type(error).__qualname__}",
        text=text_of(error),
        traceback_text=traceback_text_of(error),
        frames=pack_frames(error.__traceback__),
        notes=[str(note) for note in notes_of(error)],
        suppress_context=error.__suppress_context__,
        cause=number.get(id(error.__cause__)),
        context=number.get(id(error.__context__)),
        members=members,
    )


def pack_alone(error: BaseException) -> bytes | None:
    """*error* without what it is linked to, or None if nothing would rebuild it."""
    attributes = without_notes(vars(error))
    for build in (as_it_says_itself, without_its_constructor):
        try:
            packed = encode(build(error, attributes))
            if type(unpack_alone(packed)) is type(error):
                return packed
        except BaseException:
            # User code runs in here, and any way in which it fails means the same:
            # this way of packing does not work for this exception.
            continue
    return None


def as_it_says_itself(
    error: BaseException, attributes: dict[str, Any]
) -> tuple[Any, ...]:
    """The way the class itself wants to be pickled."""
    how = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if isinstance(how, str) or not 2 <= len(how) <= 3:
        raise TypeError(f"unusual way to pickle an exception: {how!r}")
    make, args, *rest = how
    state = rest[0] if rest else None
    if isinstance(state, dict):
        state = without_notes(cast("dict[str, Any]", state))  # Any: its attributes
    return make, args, state


def without_notes(attributes: dict[str, Any]) -> dict[str, Any]:  # Any: attributes
    """*attributes* less the notes, which travel by themselves."""
    return {k: v for k, v in attributes.items() if k != "__notes__"}


def without_its_constructor(
    error: BaseException, attributes: dict[str, Any]
) -> tuple[Any, ...]:
    """For a class whose constructor wants other arguments than ``error.args``."""
    return make_without_init, (type(error), error.args), attributes


def make_without_init(kind: type[BaseException], args: tuple[Any, ...]) -> object:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


def pack_group(error: BaseException) -> bytes | None:
    """What a group is besides its members: class, message, attributes."""
    group = cast("BaseExceptionGroup[BaseException]", error)
    attributes = without_notes(vars(error))
    try:
        packed = encode((type(error), group.message, attributes))
        decode(packed)
    except BaseException:  # as in pack_alone
        return None
    return packed


def unpack_alone(packed: bytes) -> BaseException:
    make, args, state = decode(packed)
    error = make(*args)
    if state is not None:
        error.__setstate__(state)
    return cast("BaseException", error)


def rebuild(node: Node) -> BaseException:
    if node.packed is None or node.members:
        return stand_in(node)
    try:
        return unpack_alone(node.packed)
    except BaseException:  # as in pack_alone; here it is the caller's side that fails
        return stand_in(node)


def rebuild_group(node: Node, rebuilt: list[BaseException]) -> BaseException:
    members = [rebuilt[index] for index in node.members]
    try:
        if node.packed is None:
            group = make_group(BaseExceptionGroup, node.text, members)
        else:
            kind, message, attributes = decode(node.packed)
            group = make_group(kind, message, members)
            group.__dict__.update(attributes)
    except BaseException:  # as in pack_alone
        return stand_in(node)
    return group


def make_group(
    kind: type[BaseExceptionGroup[BaseException]],
    message: str,
    members: list[BaseException],
) -> BaseException:
    # Not the class's own __new__: it may want more arguments. The base class keeps
    # message and members in slots that nothing but its own __new__ can fill.
    group = BaseExceptionGroup.__new__(kind, message, members)
    group.args = (message, members)
    return group


def stand_in(node: Node) -> RemoteTaskError:
    error = RemoteTaskError(f"{node.type_name}: {node.text}")
    error.type_name = node.type_name
    error.traceback_text = node.traceback_text
    error.add_note(f"The original traceback:\n{node.traceback_text.rstrip()}")
    return error


def link(error: BaseException, node: Node, rebuilt: list[BaseException]) -> None:
    error.__cause__ = None if node.cause is None else rebuilt[node.cause]
    error.__context__ = None if node.context is None else rebuilt[node.context]
    error.__suppress_context__ = node.suppress_context
    error.__traceback__ = unpack_frames(node.frames)
    for note in node.notes:
        error.add_note(note)


def pack_frames(
    frames: TracebackType | None,
) -> dict[str, Any] | None:  # Any: tblib's own form, plain data
    from tblib import Traceback

    if frames is None:
        return None
    try:
        return cast("dict[str, Any]", Traceback(frames).to_dict())
    except Exception:  # a traceback is worth less than the exception it belongs to
        return None


def unpack_frames(frames: dict[str, Any] | None) -> TracebackType | None:
    import tblib

    if frames is None:
        return None
    kind: Any = tblib.Traceback  # Any: tblib has no types
    try:
        return cast("TracebackType", kind.from_dict(frames).as_traceback())
    except Exception:  # as above
        return None


def notes_of(error: BaseException) -> Sequence[object]:
    notes = getattr(error, "__notes__", ())
    return cast("Sequence[object]", notes) if isinstance(notes, list | tuple) else ()


def text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"<its text cannot be had: {type(broken).__name__}>"


def traceback_text_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as broken:
        return f"<its traceback cannot be shown: {type(broken).__name__}>"
