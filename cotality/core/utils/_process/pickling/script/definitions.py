"""The definitions of a script, on their way to other processes.

If ``__main__`` finds a function, a class or a cache under its own name, it travels as
that name. A bundle travels beside the pickle: the definition of each global that is
needed there, each packed by itself, with a version. A worker binds a global if it does
not have that version, see `names`, and does not touch the others. So a global that an
initializer or a task has bound stays, and every function of the script has the same
globals, as in the program itself.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable
from functools import cache
from operator import getitem
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

from cotality._kit.records import NamedTuple
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.object_size import ATOMS
from cotality.core.utils._process.pickling.by_value import pickler_by_value
from cotality.core.utils._process.scripts.forms import (
    NAMED_KINDS,
    cloudpickle_itself,
)
from cotality.core.utils._process.scripts.places import (
    FROM_SCRIPT,
    Buffers,
    Definition,
    Home,
    Mention,
)
from cotality.core.utils._process.scripts.references import Form, reduced
from cotality.core.utils._process.scripts.tokens import tokens

from . import common_parts
from .parts import Same, parts_of

PROTOCOL = 5
# Found by their identity in what is defined, so that they stay the same objects there.
NOT_INDEXED = ATOMS | {tuple, frozenset, ModuleType, range}


# What has pickled each of some globals. Any: of cloudpickle, which has no types.
Picklers: TypeAlias = dict[tuple[Home, str], list[Any]]


class Known(NamedTuple):
    """A definition, and what of its object must be the same for it to hold."""

    thing: object
    parts: Same
    definition: Definition


ages = itertools.count(1)


def age_of(home: Home, name: str, version: bytes) -> int:
    """When the global *name* became what it is in that *version*."""
    known = home.ages.get(name)
    if known is None or known[0] != version:
        known = home.ages[name] = version, next(ages)
    return known[1]


def define(home: Home, name: str, picklers: Picklers) -> Definition:
    """The definition of the global *name* of *home*, as it is now.

    Args:
        picklers: Gets those that have pickled it, if it may hold what others hold.

    Raises:
        Exception: What pickling it raised.
    """
    thing = home.names[name]
    known: Known | None = home.cache.get(name)
    if known is not None and known.thing is thing and parts_of(thing) == known.parts:
        return known.definition
    parts = parts_of(thing)
    try:
        definition = packed_definition(home, name, thing, picklers)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        from cotality.core.utils._process.scripts.run_again import can_be_run

        if not can_be_run(home):
            raise
        text = f"{type(thing).__qualname__} {type(error).__name__}"
        version = text.encode()
        token, age = token_for(thing), age_of(home, name, version)
        return Definition(version, token, FROM_SCRIPT, b"", [], frozenset(), age)
    if parts is None:
        home.cache.pop(name, None)
    else:
        home.cache[name] = Known(thing, parts, definition)
    return definition


def packed_definition(
    home: Home, name: str, thing: object, picklers: Picklers
) -> Definition:
    packing, index = Packing(home, name), index_of(home)
    token, state = token_for(thing), b""
    if token is not None and index.get(id(thing)) == name:
        content, state = packed_in_two(thing, packing, index)
    else:
        content = packing.packed(thing, index, is_state=False)
    version = packing.digest(content + state) + (token or "").encode()
    needs = frozenset(packing.mentions)
    if token is None or (type(thing) is FunctionType and parts_of(thing) is None):
        picklers[home, name] = packing.picklers
    buffers, age = packing.buffers, age_of(home, name, version)
    return Definition(version, token, content, state, buffers, needs, age)


class Packing:
    """Packs the parts of what becomes the global *name* of *home*.

    Attributes:
        mentions: What they name.
        buffers: What belongs to them and is not copied.
        picklers: What has pickled them, and holds all that is in them.
    """

    def __init__(
        self, home: Home, name: str, together: frozenset[str] = frozenset()
    ) -> None:
        self.place = home, name
        self.together = together  # what is packed in one piece with it
        self.picklers: list[Any] = []  # Any: of cloudpickle
        self.mentions: set[Mention] = set()
        self.buffers: Buffers = []

    def packed(self, part: object, index: dict[int, str], *, is_state: bool) -> bytes:
        """*part*; of what is in *index* only the name.

        Args:
            is_state: Whether the thing itself is there already, and named as well.
        """
        with io.BytesIO() as file:
            make = definition_pickler()
            pickler = make(file, PROTOCOL, buffer_callback=self.buffers.append)
            pickler.defines, pickler.mentions = self.place, self.mentions
            pickler.index, pickler.is_state = index, is_state
            pickler.together = self.together
            self.picklers.append(pickler)
            pickler.dump(part)
            data = file.getvalue()
            file.truncate(0)  # the pickler keeps the file, not what is in it
            return data

    def digest(self, content: bytes) -> bytes:
        """That of *content* and all buffers."""
        digest = hashlib.blake2b(content, digest_size=16)
        for buffer in self.buffers:
            digest.update(buffer.raw())
        return digest.digest()


def with_ties_together(
    new: dict[tuple[Home, str], Definition], picklers: Picklers
) -> None:
    """Let be packed together, each once, what refers to one another or shares things.

    Args:
        picklers: Of what may share things; some of it may not be among the *new*.
    """
    for group in common_parts.groups(picklers):
        for home in dict.fromkeys(home for home, _ in group):
            names = sorted(name for h, name in group if h is home)
            if len(names) > 1 and any((home, name) in new for name in names):
                pack_group(home, names, new)
    with_cycles_together(new)


def with_cycles_together(new: dict[tuple[Home, str], Definition]) -> None:
    data = {
        place: {(m.home, m.name) for m in each.mentions if not m.is_soft}
        for place, each in new.items()
        if each.token is None and each.packed
    }
    reached = {place: reachable(place, data) for place in data}
    done: set[tuple[Home, str]] = set()
    for place in data:
        group = {p for p in reached[place] if place in reached.get(p, ())}
        if len(group) < 2 or place in done:
            continue
        done |= group
        if not all(name in home.names for home, name in group):
            continue  # it is in one piece
        pack_group(place[0], sorted(name for _, name in group), new)


def reachable(
    start: tuple[Home, str],
    edges: dict[tuple[Home, str], set[tuple[Home, str]]],
) -> set[tuple[Home, str]]:
    found: set[tuple[Home, str]] = set()
    waiting = [start]
    while waiting:
        for place in edges.get(waiting.pop(), ()):
            if place not in found and place in edges:
                found.add(place)
                waiting.append(place)
    return found


def pack_group(
    home: Home, names: list[str], new: dict[tuple[Home, str], Definition]
) -> None:
    """Define *names* as items of one dictionary, which is a global of its own there."""
    together = f"({', '.join(names)})"
    content = {name: home.names[name] for name in names}
    inside = {id(thing) for thing in content.values()}
    index = {key: name for key, name in index_of(home).items() if key not in inside}
    packing = Packing(home, together, frozenset(names))
    data = packing.packed(content, index, is_state=True)
    version, needs = packing.digest(data), frozenset(packing.mentions)
    buffers, age = packing.buffers, age_of(home, together, version)
    new[home, together] = Definition(version, None, data, b"", buffers, needs, age)
    for name in names:
        call, place = Call(getitem, (content, name)), {id(content): together}
        item = packing.packed(call, place, is_state=True)
        needs = frozenset([Mention(home, together, is_held=True)])
        token = token_for(content[name])
        new[home, name] = Definition(version, token, item, b"", [], needs, age)


def packed_in_two(
    thing: object, packing: Packing, index: dict[int, str]
) -> tuple[bytes, bytes]:
    """How to make *thing*, and what to give it once it is there.

    The second part may refer to what refers to *thing* itself.
    """
    form = reduced(Taken(packing), thing)
    if form is NotImplemented or len(form) < 6:
        return packing.packed(thing, index, is_state=False), b""
    make, given, state, _, _, put = form
    content = packing.packed(Call(make, given), index, is_state=False)
    return content, packing.packed((put, state), index, is_state=True)


class Call:
    """Pickled, it is what *make* returns."""

    def __init__(self, make: Callable[..., object], given: tuple[Any, ...]) -> None:
        self.form = make, given  # Any: of any maker

    def __reduce__(self) -> Any:  # Any: the form that pickle wants
        return self.form


class Taken:
    """Stands for a pickler while a thing is taken apart."""

    looks_inside = False
    together: frozenset[str] = frozenset()

    def __init__(self, packing: Packing) -> None:
        self.defines, self.mentions = packing.place, packing.mentions
        make = cloudpickle_itself().Pickler
        self.pickler: Any = make(
            io.BytesIO(), PROTOCOL
        )  # Any: cloudpickle has no types

    def _dynamic_function_reduce(self, function: FunctionType) -> Form:
        return self.pickler._dynamic_function_reduce(function)


def token_for(thing: object) -> str | None:
    kind = type(thing)
    if kind is FunctionType or kind in NAMED_KINDS or issubclass(kind, type):
        return tokens.given_to(thing)
    return None


def index_of(home: Home) -> dict[int, str]:
    """The names of globals by the identity of what they are bound to.

    Of several names that one is taken which the thing itself has.
    """
    index: dict[int, str] = {}
    for name, thing in list(home.names.items()):
        if type(thing) in NOT_INDEXED or (name[:2] == name[-2:] == "__"):
            continue
        if id(thing) in index and getattr(thing, "__name__", None) != name:
            continue
        if belongs_elsewhere(thing, home):
            continue
        index[id(thing)] = name
    return index


def belongs_elsewhere(thing: object, home: Home) -> bool:
    """Whether *thing* is found in another module."""
    kind = type(thing)
    if kind is FunctionType or issubclass(kind, type) or callable(thing):
        module = getattr(thing, "__module__", None)
        return module is not None and module != home.names.get("__name__")
    return False


@cache
def definition_pickler() -> Any:  # Any: cloudpickle has no types
    base: Any = pickler_by_value()  # Any: as above

    class DefinitionPickler(base):  # type: ignore[misc]  # as above
        """Pickles one global; names the others."""

        index: dict[int, str]
        together: frozenset[str] = frozenset()
        is_state = False  # then what is defined is there, and is named as all others

        def persistent_id(self, obj: object) -> str | None:
            if type(obj) in ATOMS:
                return None
            name = self.index.get(id(obj))
            if name is None:
                return None
            home, defined = self.defines
            if name == defined and not self.is_state:
                return None
            self.mentions.add(Mention(home, name, is_held=True))
            return name

    return DefinitionPickler
