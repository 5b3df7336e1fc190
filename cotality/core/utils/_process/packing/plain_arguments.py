"""Arguments that nobody can change travel together.

Tasks must not see each other's changes, so the arguments of each task are unpickled for
it alone. For a tiny task that is most of the cost. But if all arguments of a portion
are numbers, texts and the like, there is nothing to change. Nobody can tell whether two
tasks have the same object, so all of them are packed in one go.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn, TypeAlias

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.object_size import ATOMS, LARGE
from cotality.core.utils._process.pickling.encode import PROTOCOL, decode, encode_own

DICT = frozenset([dict])
TEXTS = frozenset([str, bytes])
values_of: Callable[[Any], Iterable[object]]  # Any: it refuses all but a dict
values_of = dict[str, object].values

Positional: TypeAlias = Sequence[tuple[Any, ...]]  # Any: arguments of any function
Named: TypeAlias = Sequence[dict[str, Any]]  # Any: as above


class NotPlainError(Exception):
    """Something is not of a built-in type."""


class PlainPickler(pickle.Pickler):
    """Pickles what is of built-in types, and nothing that runs code when it is read."""

    def reducer_override(self, obj: object) -> NoReturn:
        raise NotPlainError


def pack_columns(
    positional: Positional,
    named: Sequence[Mapping[str, Any]],  # Any: arguments of any function
    limit: int,
) -> bytes | None:
    """The arguments of some tasks in one pickle, or None if that is not possible.

    It is not if one of them may be changed, or runs code to be packed or unpacked, or
    is large, or if all of them take more than *limit* bytes.
    """
    try:
        values: list[object] = []
        # For any of them but a dict this raises, also if it is empty.
        if any(named) or not DICT.issuperset(map(type, named)):
            values += chain.from_iterable(map(values_of, named))
        if any(positional):
            values += chain.from_iterable(positional)
        if not are_small_atoms(values, limit):
            return None
        file = io.BytesIO()
        # The pickler also sees to what `values` does not show: the types of the
        # mappings, of the tuples, and of the keys.
        content = positional if any(positional) else None, named
        PlainPickler(file, PROTOCOL).dump(content)
        return file.getvalue() if file.tell() <= limit else None
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # Unusual in some way. Each is then packed by itself and blamed for itself.
        return None


def pack_items(items: list[Any], limit: int) -> bytes | None:  # Any: whatever they are
    """The same for *items*, each of which is the one argument of a task."""
    try:
        if not are_small_atoms(items, limit):
            return None
        data = encode_own(items)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return None  # as above
    return data if len(data) <= limit else None


def are_small_atoms(values: list[object], limit: int) -> bool:
    """Whether nobody can change any of *values*, and they take some *limit* bytes."""
    kinds = set(map(type, values))
    if not kinds <= ATOMS:
        return False
    if kinds.isdisjoint(TEXTS):
        return True
    lengths = [len(value) for value in values if isinstance(value, str | bytes)]
    return max(lengths) < LARGE and sum(lengths) <= limit


def unpack_columns(data: bytes) -> tuple[Positional | None, Named]:
    """What was packed: arguments by position, if there are any, and by name."""
    content: tuple[Positional | None, Named] = decode(data)
    return content


def unpack_items(data: bytes) -> list[Any]:  # Any: whatever they are
    items: list[Any] = decode(data)
    return items
