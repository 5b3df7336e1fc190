"""The content of an object as a short text that is the same in every run.

Equal texts mean equal content, in every process, with every hash seed and in every
version of Python: nothing here asks for an ``id`` or a ``hash``, depends on the order
of a set, or looks at a pickle. The type is part of the content: ``1``, ``1.0``,
``True`` and ``"1"`` are four different things.

Each text says where it ends, by a length or a closing mark, so that texts can follow
one another. The text of a container is a digest, so nested content takes no more room
than flat content.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, TypeAlias

from cotality.core.utils._process.packing.share import Shared

from .errors import UnstableError

DIGEST = 16  # bytes: two different contents share one once in 10**19 pairs of 10**9

Rule: TypeAlias = Callable[[Any, "Content"], str]  # Any: each has its own type


class Content:
    """Makes the texts for the arguments of one task.

    Holds where it is, so that an object which contains itself comes to an end, and
    what it has seen, so that one which many others share is looked at once.

    Args:
        rare: The rule for what is of none of the usual types.
    """

    def __init__(self, rare: Rule) -> None:
        self.rare = rare
        self.above: dict[int, int] = {}  # the containers around, by identity: depth
        self.entered = 0  # how many containers were looked at
        self.links_up = 0  # how many of them were found inside themselves
        # Of containers of containers, by identity, each kept so that no other gets its
        # id. Of all others there can be very many, and to look twice costs little.
        self.seen: dict[int, tuple[object, str]] = {}

    def of(self, thing: Any) -> str:  # Any: asked by its type
        """The text of *thing*.

        Raises:
            UnstableError: Something in it has no content that stays.
        """
        kind: type[object] = type(thing)  # pyright: ignore[reportUnknownVariableType]  # of Any
        rule = RULES.get(kind)
        return (rule or self.rare)(thing, self)

    def of_more(self, thing: Any) -> str:  # Any: of any class
        """The attributes that somebody has given to *thing*; mostly none."""
        given: dict[str, object] = getattr(thing, "__dict__", {})
        # What has a name like `__wrapped__` is Python's.
        own = {name: given[name] for name in given if not name.startswith("__")}
        return f"~{self.of(own)}" if own else ""

    def inside(self, thing: object, text_of: Callable[[Any], str]) -> str:
        """What *text_of* makes of the container *thing*, as a digest.

        A container that is inside itself is known by how many levels up it is.
        """
        above, key = self.above, id(thing)
        if key in above:
            self.links_up += 1
            return f"^{len(above) - above[key]};"
        if key in self.seen:
            return self.seen[key][1]
        self.entered += 1
        entered, links_up = self.entered, self.links_up
        above[key] = len(above)
        try:
            text = digest(text_of(thing))
        except RecursionError:
            raise UnstableError("is nested too deeply") from None
        finally:
            del above[key]
        if self.entered > entered and self.links_up == links_up:
            self.seen[key] = thing, text
        return text

    def of_items(self, items: Iterable[object]) -> str:
        texts: list[str] = []
        for item in items:
            try:
                texts.append(self.of(item))
            except UnstableError as error:
                error.steps.append(f"[{len(texts)}]")
                raise
        return "".join(texts)

    def of_pairs(self, pairs: Iterable[tuple[object, object]]) -> str:
        return "".join(sorted(self.pairs(pairs)))

    def of_pairs_in_order(self, pairs: Iterable[tuple[object, object]]) -> str:
        return "".join(self.pairs(pairs))

    def pairs(self, pairs: Iterable[tuple[object, object]]) -> Iterable[str]:
        for key, value in pairs:
            try:
                yield f"{self.of(key)}{self.of(value)}"
            except UnstableError as error:
                error.steps.append(f"[{key!r:.40}]")
                raise

    def of_elements(self, elements: Iterable[object]) -> str:
        return "".join(sorted(map(self.of, elements)))


def digest(text: str) -> str:
    """A text of fixed length that stands for *text*."""
    return blake2b(bytes_of(text), digest_size=DIGEST).hexdigest()


def bytes_of(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # a half of a surrogate pair
        return text.encode("utf-8", "surrogatepass")


def text_of_str(text: str) -> str:
    return f"s{len(text)}:{text}"


def text_of_int(number: int) -> str:
    try:
        return f"i{number};"
    except ValueError:  # base 10 ends at 4300 digits, or where the user says
        return f"I{number:x};"


def text_of_name(kind: type) -> str:
    return text_of_str(name_of_class(kind))


def name_of_class(kind: type) -> str:
    """Its module and its name, also of one that is defined in a function."""
    return f"{import_name(kind.__module__)}:{kind.__qualname__}"


def import_name(module: str) -> str:
    """*module*, and for a module that was started with ``python -m`` its own name.

    So it makes no difference whether it is run or imported.
    """
    if module != "__main__":
        return module
    spec = getattr(sys.modules[module], "__spec__", None)
    name: str | None = getattr(spec, "name", None)
    return name.removesuffix(".__main__") if name else module


def text_of_bytes(data: bytes | bytearray | memoryview) -> str:
    return f"{len(data)}:{blake2b(data, digest_size=DIGEST).hexdigest()}"


# Any in the rules: each is found by the exact type of what it is given.
RULES: dict[type, Rule] = {
    int: lambda n, _: text_of_int(n),
    str: lambda text, _: f"s{len(text)}:{text}",
    float: lambda n, _: f"f{n.hex()};",
    bool: lambda flag, _: "T" if flag else "F",
    type(None): lambda _nothing, _: "-",
    complex: lambda n, _: f"j{n.real.hex()},{n.imag.hex()};",
    bytes: lambda data, _: f"b{text_of_bytes(data)}",
    bytearray: lambda data, _: f"B{text_of_bytes(data)}",
    list: lambda items, content: f"L{content.inside(items, content.of_items)}",
    tuple: lambda items, content: f"U{content.inside(items, content.of_items)}",
    dict: lambda given, content: (
        f"D{content.inside(given, lambda d: content.of_pairs(d.items()))}"
    ),
    set: lambda items, content: f"S{content.inside(items, content.of_elements)}",
    frozenset: lambda items, content: f"Z{content.inside(items, content.of_elements)}",
    range: lambda r, _: f"R{r.start:x},{r.stop:x},{r.step:x};",
    type(...): lambda _dots, _: ".",
    Shared: lambda mark, content: content.of(mark.thing),  # a mark is not content
}
