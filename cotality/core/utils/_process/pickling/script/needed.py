"""Which definitions of the script a pickle needs; they travel with it in bundles."""

from __future__ import annotations

import pickle
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.object_size import looks_large
from cotality.core.utils._process.scripts.places import (
    IS_ADOPTED,
    Buffers,
    Definition,
    Home,
    Mention,
)

PROTOCOL = 5


class Needed:
    """The definitions that pickles need which are made together."""

    count: int

    def __init__(self) -> None:
        self.found: dict[Home, dict[str, Definition]] = {}
        self.rest: dict[Home, dict[str, Definition]] = {}
        # What was sent before, and the program has bound to nothing since.
        self.gone: dict[Home, set[str]] = {}
        self.count = 0
        # Of what is found, and may hold what others hold.
        self.picklers: dict[tuple[Home, str], list[Any]] = {}  # Any: of cloudpickle
        self.is_for_rest = False  # then nothing large is worth it

    def add(self, mentions: Iterable[Mention]) -> None:
        """Have ready what is mentioned, and all that it needs in turn.

        Raises:
            Exception: What pickling one of them raised.
        """
        hints: list[Mention] = []
        new: dict[tuple[Home, str], Definition] = {}
        self.gather([m for m in mentions if not m.is_soft], new, hints)
        self.keep(new)
        hints += [m for m in mentions if m.is_soft]
        for mention in hints:  # grows while it is read
            soft: dict[tuple[Home, str], Definition] = {}
            try:
                self.gather([mention], soft, hints)
            except Exception as raised:
                if is_of_a_signal(raised):
                    raise
                continue  # it may never be looked up
            self.keep(soft)
        for home in (*self.found, *self.gone):
            if home not in self.rest:
                self.rest[home] = definitions_of_kinds(home)

    def gather(
        self,
        mentions: Iterable[Mention],
        new: dict[tuple[Home, str], Definition],
        hints: list[Mention],
    ) -> None:
        waiting = list(mentions)
        while waiting:
            mention = waiting.pop()
            home, name = mention.home, mention.name
            if name not in home.names:  # a built-in, or bound in workers alone
                if name in home.ages:
                    self.lose(home, name)
                continue
            if (
                name in OF_MODULES
                or (home, name) in new
                or name in self.found.get(home, ())
            ):
                continue
            from .definitions import define

            if self.is_for_rest and looks_large(home.names[name]):
                raise OverflowError
            definition = new[home, name] = define(home, name, self.picklers)
            for other in definition.mentions:
                (hints if other.is_soft else waiting).append(other)
        if not new:
            return  # as for most tasks of a call; to look at large data takes long
        from .definitions import with_ties_together

        with_ties_together(new, self.picklers)

    def keep(self, new: dict[tuple[Home, str], Definition]) -> None:
        for (home, name), definition in new.items():
            self.found.setdefault(home, {})[name] = definition
            self.count += 1

    def lose(self, home: Home, name: str) -> None:
        gone = self.gone.setdefault(home, set())
        if name not in gone:
            gone.add(name)
            self.count += 1

    def forget(self) -> None:
        """Let go of all of it; also at the end of the program, when modules go."""
        self.found.clear()
        self.rest.clear()
        self.gone.clear()
        self.picklers.clear()
        self.count = 0

    def bundles(self) -> list[tuple[Any, ...]]:  # Any: see `names.bind`
        from .versions import Settled

        is_now = Settled(self.rest, self.found)
        return [
            (
                home.number,
                home.owner,
                about(home),
                is_now.sent(home, self.found.get(home, {})),
                is_now.sent(home, self.rest[home], self.found.get(home, {})),
                sorted(self.gone.get(home, ())),
            )
            for home in dict.fromkeys((*self.found, *self.gone))
        ]

    def packed(self, take: Callable[[Any], object] | None) -> bytes:  # Any: a buffer
        return pickle.dumps(self.bundles(), PROTOCOL, buffer_callback=take)


def definitions_of_kinds(home: Home) -> dict[str, Definition]:
    """All functions and classes that *home* defines, and what they need.

    They are not needed by any code that shows it. But what a task unpickles names them,
    for one. The data they need is as it was when one of them was first seen, or changed
    last. What cannot be packed, or would need what is large, is left out.
    """
    if home.is_adopted:
        return {}  # no name leads to it
    from .kinds import have_changed, kinds_of
    from .parts import objects_in

    kinds = kinds_of(home)
    if have_changed(home, kinds):
        parts: dict[str, Any] = {n: objects_in(kind) for n, kind in kinds.items()}
        home.kinds = kinds, {}, parts  # that of another home may need this one's
        needed = Needed()
        needed.rest[home] = {}  # not again
        needed.is_for_rest = True
        needed.add([Mention(home, name, True) for name in kinds])
        home.kinds = kinds, needed.found.get(home, {}), parts
    return home.kinds[1]


# What every module has of its own.
OF_MODULES = frozenset(
    [
        "__name__",
        "__file__",
        "__package__",
        "__doc__",
        "__spec__",
        "__loader__",
        "__cached__",
        "__builtins__",
    ]
)


def about(home: Home) -> dict[str, Any]:  # Any: of different types
    """What a module ``__main__`` says of itself."""
    names = home.names
    told = ("__name__", "__file__", "__package__", "__doc__")
    own = {name: names[name] for name in told if name in names}
    return own | {IS_ADOPTED: True} if home.is_adopted else own


class Collecting(threading.local):
    """Where the definitions go that this thread's pickles need, if not into them.

    An exception that strikes the thread may leave this behind. It counts only below the
    function that has set it, which is known by its code.
    """

    needed: Needed | None = None
    code: CodeType | None = None


collecting = Collecting()


class CollectedIn:
    """Leave the definitions out of what is pickled in the ``with``."""

    def __init__(self, needed: Needed) -> None:
        self.needed = needed

    def __enter__(self) -> None:
        self.before = collected_here()  # a class of the user's may make calls itself
        collecting.code = sys._getframe(1).f_code  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
        collecting.needed = self.needed

    def __exit__(self, *_: object) -> None:
        collecting.needed = self.before


def collected_here() -> Needed | None:
    """What takes the definitions, if they do not go into the pickle itself."""
    needed = collecting.needed
    if needed is None:
        return None
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # as above
    while frame is not None:
        if frame.f_code is collecting.code:
            return needed
        frame = frame.f_back
    collecting.needed = None  # something has struck the call that it belonged to
    return None


# A pickle begins with its protocol, which is two bytes. To it and before all else is
# added what binds the bundle: it puts nothing into the pickle's memory of objects.
BIND = b"ccotality.core.utils.pickled\ndefine_globals\n"
BINBYTES8, MARK, TUPLE, TUPLE2 = b"\x8e", b"(", b"t", b"\x86"
NEXT_BUFFER, REDUCE, POP = b"\x97", b"R", b"0"


def with_bundle(data: bytes, needed: Needed, buffers: Buffers | None) -> bytes:
    """*data*, a pickle, which first binds what it needs.

    Args:
        buffers: Those of *data*, to which those of the bundle are added; None to have
            them in the bytes.
    """
    if not needed.found and not needed.gone:
        return data
    own: Buffers = []
    packed = needed.packed(None if buffers is None else own.append)
    if buffers is not None:
        buffers[:0] = own
    head = BINBYTES8 + struct.pack("<Q", len(packed)) + packed
    along = MARK + NEXT_BUFFER * len(own) + TUPLE
    return data[:2] + BIND + head + along + TUPLE2 + REDUCE + POP + data
