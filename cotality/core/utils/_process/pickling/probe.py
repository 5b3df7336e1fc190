"""Finds out whether an object can be pickled, without keeping the pickle."""

from __future__ import annotations

import copyreg
import pickle
from array import array
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from cotality._kit.imported import imported
from cotality._kit.public import public
from cotality._kit.struck import is_of_a_signal

from . import numbered

if TYPE_CHECKING:
    from cotality.core.utils._process.scripts.places import Mention

    from .by_value import Form, Rule

T = TypeVar("T")

PROTOCOL = 5  # the first one that can leave large buffers where they are


@public
def is_picklable(obj: object, *, plain: bool = False) -> bool:
    """Whether *obj* can be sent to one of our worker processes.

    True for plain data, NumPy arrays, and functions and classes of modules. Also true
    for lambdas, closures, and functions and classes of ``__main__``, because they
    travel by value. False for objects that only live in this process: locks, open files
    (the standard streams too), sockets, pipes, database connections, generators,
    threads, weak references.

    It never raises, whatever *obj* does when it is pickled; only a `KeyboardInterrupt`
    passes through. Memory never holds a copy of a large text, buffer or array in *obj*,
    nor the whole pickle. The objects in *obj* have their ``__reduce__`` and
    ``__getstate__`` methods called, so it takes about as long as pickling with
    cloudpickle: 0.1 s for a list of a million numbers, 5 s for a list of a million
    instances (measured on a busy 2-core Linux machine with Python 3.11).

    Pickling is only half of the journey. Only the worker can tell whether it can import
    the modules, and whether a class can be unpickled in its own way.

    Args:
        obj: Any object.
        plain: Ask about the standard :mod:`pickle` alone: no lambda, no closure, and
            functions and classes only by their names.
    """
    return obstacle(obj, type, plain=plain) is None


def obstacle(
    obj: object, tell: Callable[[BaseException], T], *, plain: bool
) -> T | None:
    """What *tell* makes of the error that pickling *obj* raises; None without one.

    The error itself stays here: its frames would keep *obj* alive, and whoever holds
    the error would be in a cycle with them.
    """
    try:
        probe = new_probe(plain=plain)
        probe.dump(obj)
        probe.check_script()
    except BaseException as error:  # also a SystemExit out of some __reduce__
        if is_of_a_signal(error):
            raise
        return tell(error)
    return None


def new_probe(*, plain: bool) -> Probe:
    return Probe() if plain else probe_by_value()()


class Probe(pickle.Pickler):
    """A pickler of the standard kind that keeps nothing of what it pickles."""

    looks_inside = False  # only means something to the other one

    def __init__(self) -> None:
        super().__init__(Nowhere(), PROTOCOL, buffer_callback=drop)
        self.rules: dict[type, Rule | None] = self.own_rules()
        self.families = families()

    def own_rules(self) -> dict[type, Rule | None]:
        return {array: array_without_items}

    def check_script(self) -> None:
        """Raise what keeps a script's part of what was pickled from being sent."""

    def persistent_id(self, obj: object) -> int | None:
        # Text and bytes can always be pickled. Named by a number, they are neither
        # encoded (a str keeps its UTF-8 for good, a second copy) nor remembered.
        return 0 if type(obj) is str or type(obj) is bytes else None

    def reducer_override(self, obj: object) -> Form:
        kind = type(obj)
        if kind not in self.rules:
            self.rules[kind] = rule_of_family(kind, self.families)
        rule = self.rules[kind]
        return NotImplemented if rule is None else rule(obj)


@cache
def probe_by_value() -> type[Probe]:
    """The same for cloudpickle, which is imported when it is first needed."""
    from .by_value import pickler_by_value

    by_value = pickler_by_value()

    class ProbeByValue(Probe, by_value):  # type: ignore[misc,valid-type]  # as above
        def own_rules(self) -> dict[type, Rule | None]:
            self.mentions: set[Mention] | None = set()
            return super().own_rules() | {memoryview: memoryview_without_items}

        def check_script(self) -> None:
            from .script.needed import Needed

            Needed().add(self.mentions or ())

        def reducer_override(self, obj: object) -> Form:
            form = super().reducer_override(obj)
            if form is NotImplemented:
                return by_value.reducer_override(self, obj)
            return form

    return ProbeByValue


class Nowhere:
    """A file that takes everything and keeps nothing."""

    def write(self, data: object) -> None:
        pass


def drop(buffer: pickle.PickleBuffer) -> None:
    """Take *buffer* out of the pickle, which leaves it uncopied, and forget it."""


def array_without_items(values: array[Any]) -> Form:  # Any: of any item type
    # Its own __reduce_ex__ copies the items even with protocol 5 (3.11 to 3.14).
    return array, (values.typecode,)


def memoryview_without_items(view: memoryview) -> Form:
    # cloudpickle sends the bytes. A released view has none: asking raises ValueError.
    return bytes, (view.nbytes,)


def ndarray_without_items(values: Any) -> Form:  # Any: NumPy is not a dependency
    # What is not contiguous, such as a[::2], or of a subclass, such as a memmap, would
    # be copied.
    if values.dtype.hasobject:
        return NotImplemented
    return type, (type(values), values.dtype)


def families() -> list[tuple[type, Rule]]:
    """Classes of modules that need not be there, and the rule for each with heirs."""
    ndarray = getattr(imported("numpy"), "ndarray", None)
    found: list[tuple[type, Rule]] = [
        (base, numbered.refuse) for base in numbered.families()
    ]
    if ndarray is not None:
        found.append((ndarray, ndarray_without_items))
    return found


def rule_of_family(kind: type, families: Iterable[tuple[type, Rule]]) -> Rule | None:
    for base, rule in families:
        if not issubclass(kind, base) or kind in copyreg.dispatch_table:
            continue
        if numbered.is_pickled_alike(kind, base):
            return rule
    return None
