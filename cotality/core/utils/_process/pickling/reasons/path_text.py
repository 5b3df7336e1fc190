"""Turns the path from an object to something inside it into text.

If Python has an expression for the path, that is the text: ``['config'].lock``.
Otherwise the text uses words: ``closure variable 'lock' of ['callback']``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, cast

from cotality._kit.imported import imported
from cotality._kit.records import NamedTuple, dataclass
from cotality._kit.safe_text import shortened
from cotality._kit.struck import is_of_a_signal

from .parts import Step

T = TypeVar("T")

SHOWN_PIECES = 16  # of a path; what is between its two ends is left out
NAMED_PLACES = 100  # at either end; the shown pieces may take three places each
SHOWN_KEY = 60  # characters

# Names that built-in types give to what they are pickled from.
WELL_KNOWN = [
    *("__class__", "__self__", "__func__", "__wrapped__", "__bases__"),
    *("func", "args", "keywords", "default_factory", "fget", "fset", "fdel"),
]
START = Step("item")  # of the object itself; nobody reads it


@dataclass(slots=True)
class Reached:
    """An object and the step that led to it."""

    thing: object
    parent: Reached | None = None
    step: Step = START
    depth: int = 0


class Piece(NamedTuple):
    """A piece of a path: *suffix* goes on from where one is, *head* starts anew."""

    suffix: str
    head: str = ""
    link: str = "of"


def path_to(place: Reached, root: str) -> str:
    """The way to *place* from the object called *root*, which may have no name."""
    way = way_to(place)
    if len(way) <= 2 * NAMED_PLACES:
        pieces = list(pieces_between(way))
    else:  # to name every step of what is nested too deeply takes seconds
        pieces = [
            *pieces_between(way[:NAMED_PLACES]),
            *pieces_between(way[-NAMED_PLACES:]),
        ]
    if len(pieces) > SHOWN_PIECES:
        half = SHOWN_PIECES // 2
        pieces = [*pieces[:half], Piece(" ... "), *pieces[-half:]]
    return joined(pieces, root) or "it"


def way_to(place: Reached | None) -> list[Reached]:
    way: list[Reached] = []
    while place is not None:
        way.append(place)
        place = place.parent
    return way[::-1]


def joined(pieces: Iterable[Piece], root: str) -> str:
    """``[0] of closure variable 'a' of root.b`` for ``.b``, a head, and ``[0]``."""
    suffix, rest = root, ""
    for piece in pieces:
        if piece.head:
            outer = before_rest(suffix, rest)
            rest = f"{piece.head} {piece.link} {outer}" if outer else piece.head
            suffix = piece.suffix
        else:
            suffix += piece.suffix
    return before_rest(suffix, rest)


def before_rest(suffix: str, rest: str) -> str:
    return f"{suffix} of {rest}" if suffix and rest else suffix or rest


def pieces_between(way: Sequence[Reached]) -> Iterator[Piece]:
    here = 0
    while here < len(way) - 1:
        piece, here = next_piece(way, here)
        yield piece


def next_piece(way: Sequence[Reached], here: int) -> tuple[Piece, int]:
    """The piece that leads on from *here*, and the place that it leads to."""
    kind, key = way[here + 1].step
    if kind == "reduced":
        return piece_of_reduced(way, here, cast("tuple[object, ...]", key))
    return piece_of_step(kind, key), here + 1


def piece_of_step(kind: str, key: object) -> Piece:
    if kind == "item":
        return Piece(f"[{text_of_key(key)}]")
    if kind == "attribute":
        return Piece(f".{key}")
    if kind == "key":
        return Piece("", f"the key at position {key}")
    if kind == "element":
        return Piece("", "an element")
    return Piece("", f"{kind} {key!r}", "used by" if kind == "global" else "of")


def text_of_key(key: object) -> str:
    return or_else(lambda: shortened(key, SHOWN_KEY), f"<{type(key).__name__}>")


def or_else(ask: Callable[[], T], otherwise: T) -> T:
    """What *ask* gives, or *otherwise*: for what may run code of the user's.

    It only makes a message read better, and the message is about another failure.
    """
    try:
        return ask()
    except BaseException as raised:
        # Also a SystemExit out of some __repr__ or property.
        if is_of_a_signal(raised):
            raise
        return otherwise


def piece_of_reduced(
    way: Sequence[Reached], here: int, keys: tuple[object, ...]
) -> tuple[Piece, int]:
    """The name that people know a part of ``__reduce__`` by, or how to find it there.

    An attribute may be two or three steps away from its object there: slots, for
    one, are a part of their own. Which attribute it is, its identity tells.
    """
    owner, key = way[here].thing, keys[-1]
    for there in range(here + 1, min(here + 4, len(way))):
        if there > here + 1:
            kind, key = way[there].step
            if kind != "item":
                break
        suffix = shorthand(owner, key, way[there].thing)
        if suffix is not None:
            return Piece(suffix), there
    suffix = "".join(f"[{text_of_key(key)}]" for key in keys)
    return Piece(suffix, "the reduced form"), here + 1


def shorthand(owner: object, key: object, part: object) -> str | None:
    for name in names_to_try(owner, key):
        if attribute(owner, name) is part:
            return f".{name}"
    return or_else(lambda: subscript(owner, key, part), None)


def names_to_try(owner: object, key: object) -> Iterator[str]:
    # Not `__dict__`, as `tblib` has it: what is inside has a name of its own.
    if isinstance(key, str) and key != "__dict__":
        yield key
    yield from WELL_KNOWN
    for known in ("__dataclass_fields__", "_fields"):
        yield from strings_in(attribute(type(owner), known))
    yield from strings_in(attribute(owner, "__dict__"))


def strings_in(names: object) -> Iterator[str]:
    if isinstance(names, (dict, MappingProxyType, tuple)):
        # A copy: it is the user's, and a property may change it while it is read.
        some = list(cast("Iterable[object]", names))
        yield from (name for name in some if isinstance(name, str))


def attribute(owner: object, name: str) -> object:
    """The attribute *name*, or None; it calls no ``__getattr__`` of the user's."""
    return or_else(lambda: object.__getattribute__(owner, name), None)


def subscript(owner: object, key: object, part: object) -> str | None:
    kind, inside = type(owner), cast("Any", owner)  # Any: asked by its type
    if issubclass(kind, tuple):
        return position_in(inside, part)
    if issubclass(kind, BaseException):
        position = position_in(inside.args, part)
        return position and f".args{position}"
    if issubclass(kind, (dict, MappingProxyType)):
        # Their own get, not one of a subclass's.
        own: Any = dict if issubclass(kind, dict) else MappingProxyType  # Any: either
        return f"[{text_of_key(key)}]" if own.get(owner, key) is part else None
    numpy = imported("numpy")
    if numpy and issubclass(kind, numpy.ndarray) and inside.flat[key] is part:
        return f".flat[{key}]"
    return None


def position_in(items: Iterable[object], part: object) -> str | None:
    return next((f"[{n}]" for n, item in enumerate(items) if item is part), None)
