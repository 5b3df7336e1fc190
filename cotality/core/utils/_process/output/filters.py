"""Which logs and warnings a worker sends: only those that the parent would take.

The parent's log levels and warning filters also apply in its workers. They may change
at any time, even while workers stay warm. So whoever hands out an item checks whether
the worker has the latest ones. Usually it has, so that check has to be cheap.
"""

from __future__ import annotations

import builtins
import logging
import pickle
import re
import struct
import warnings
from typing import Any, TypeAlias

from cotality._kit.records import NamedTuple, dataclass

LENGTH = struct.Struct("=I")
KEY: Any = "cotality levels"  # Any: logging's own keys there are levels

Filter: TypeAlias = tuple[Any, ...]  # Any: the warnings module's own, five fields


class Levels(NamedTuple):
    """The levels that were set, as opposed to inherited; 0 is none."""

    disabled: int
    root: int
    others: dict[str, int]


class OutputRules:
    """What holds in the parent at one moment; the same object as long as it does."""

    packed: bytes

    def __init__(self, levels: Levels, filters: list[Filter]) -> None:
        self.levels = levels
        self.filters = filters
        rules = (*levels, [plain(each) for each in filters if is_plain(each)])
        self.packed = pickle.dumps(rules, pickle.HIGHEST_PROTOCOL)

    def before(self, body: bytes) -> bytes:
        """*body* of an item with these rules in front; for :func:`adopt_before`."""
        return LENGTH.pack(len(self.packed)) + self.packed + body


# The parent's side.


@dataclass(slots=True)
class Known:
    """The levels as they were found; None while they are looked for."""

    levels: Levels | None = None


latest: OutputRules | None = None


def current() -> OutputRules:
    """The rules of this process, made anew only when something has changed.

    Costs well under a microsecond when nothing has, however many loggers there are.
    """
    global latest
    rules, levels = latest, known_levels()
    # Filters that were not touched are the same objects, which compares fast.
    if rules is not None and warnings.filters == rules.filters:
        if levels is rules.levels:
            return rules
        if levels == rules.levels:
            rules.levels = levels  # set again to what they were
            return rules
    latest = rules = OutputRules(levels, list(warnings.filters))
    return rules


def known_levels() -> Levels:
    """The levels that are set in this process, looked up again when one has been set.

    Loggers remember which levels they are enabled for, and whoever sets a level makes
    all of them forget. So does the root logger with what we leave there. It is left
    before the levels are read: one that is set meanwhile then is either seen, or makes
    the root logger forget.
    """
    memory: Any = getattr(logging.root, "_cache", None)  # Any: not public
    if memory is None:
        return levels_now()
    known: Known | None = memory.get(KEY)
    if known is None:
        memory[KEY] = known = Known()
        known.levels = levels_now()
    return known.levels or levels_now()


def levels_now() -> Levels:
    loggers = list(logging.root.manager.loggerDict.items())
    others = {
        name: each.level
        for name, each in loggers
        if isinstance(each, logging.Logger) and each.level
    }
    return Levels(logging.root.manager.disable, logging.root.level, others)


def is_plain(each: Filter) -> bool:
    """Whether it is one that the warnings module itself could have made."""
    return len(each) == 5 and isinstance(each[2], type)


def plain(each: Filter) -> Filter:
    """A filter of warnings as text and numbers.

    A category may be anybody's class. To import its module in each worker, only to know
    what to filter, could take longer than the task.
    """
    action, message, category, module, line = each
    name = category.__module__, category.__qualname__
    return action, plain_pattern(message), name, plain_pattern(module), line


def plain_pattern(pattern: Any) -> Any:  # Any: text, a pattern, or None
    if hasattr(pattern, "match"):  # ours, if this is a worker itself
        return pattern.pattern, pattern.flags
    return pattern


# The worker's side.


class Pattern:
    """A pattern that is compiled when it is first asked: mostly it never is."""

    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern = pattern
        self.flags = flags

    def match(self, text: str) -> re.Match[str] | None:
        return re.match(self.pattern, text, self.flags)


class ByName(type):
    """The type of a class that stands for another one, which need not be imported."""

    def __subclasscheck__(cls, other: type) -> bool:
        name = cls.__module__, cls.__qualname__
        return any((each.__module__, each.__qualname__) == name for each in other.mro())


def category_named(module: str, name: str) -> type:
    if module == "builtins":
        found: type = getattr(builtins, name)
        return found
    return ByName(name, (Warning,), {"__module__": module, "__qualname__": name})


def adopt(packed: bytes | memoryview) -> None:
    """Let the parent's rules hold in this worker."""
    disabled, root, levels, filters = pickle.loads(packed)
    adopt_levels(disabled, root, levels)
    warnings.resetwarnings()
    warnings.filters.extend(map(filter_of, filters))  # type: ignore[attr-defined]  # typeshed: a sequence
    global adopted_filters, adopted_count
    adopted_filters, adopted_count = list(warnings.filters), adopted_count + 1


def adopt_before(body: bytes | bytearray) -> memoryview:
    """Adopt the rules in front of *body* and give the rest of it."""
    view = memoryview(body)
    end = LENGTH.size + LENGTH.unpack_from(view)[0]
    adopt(view[LENGTH.size : end])
    return view[end:]


# The filters of the parent, and how often it has sent some.
adopted_filters: list[Any] = []  # Any: see `Filter`
adopted_count = 0
adopted: set[str] = set()  # the loggers that have their level from the parent


def adopt_levels(disabled: int, root: int, levels: dict[str, int]) -> None:
    for name in adopted - levels.keys():
        logging.getLogger(name).level = logging.NOTSET
    # Not by setLevel, which visits every logger each time; the last one here does it.
    for name, level in levels.items():
        logging.getLogger(name).level = level
    adopted.clear()
    adopted.update(levels)
    logging.root.setLevel(root)
    logging.disable(disabled)


def filter_of(each: Filter) -> Filter:
    action, message, category, module, line = each
    return (
        action,
        pattern_of(message),
        category_named(*category),
        pattern_of(module),
        line,
    )


def pattern_of(pattern: Any) -> Any:  # Any: as in `plain_pattern`
    return pattern if pattern is None or type(pattern) is str else Pattern(*pattern)
