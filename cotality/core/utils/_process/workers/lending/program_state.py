"""Whether the program is still the one that a worker has copied.

A worker imports the modules of its tasks once, and sets up a framework once. A program
can change both: a notebook reloads modules that were edited, a test runner replaces the
databases. A worker with an older state would silently go on with the old code, or on
the old data, so it is not used again.

Each call asks this, so it has to be quick: a new module is looked at once, and after
that only whether it is still the same and was not executed again (`importlib.reload`
gives it a new ``__spec__``).
"""

from __future__ import annotations

import re
import sys
from operator import is_, itemgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from cotality._kit.records import NamedTuple

if TYPE_CHECKING:
    from cotality.core.utils._process.workers.django_databases import Databases

# Where installed packages are. Nobody reloads the inside of those, and there are
# thousands of modules; who reloads a package as a whole reloads its first module.
INSTALLED = re.compile(r"[\\/](site|dist)-packages[\\/]")

Namespace = dict[str, Any]  # Any: whatever a module holds


class State(NamedTuple):
    """What the program was at one moment; equal while nothing has changed.

    Attributes:
        code: Stands for the modules that were loaded; another object once one of them
            is not what it was.
    """

    code: object
    databases: Databases | None
    set_up: str | None  # the settings by which Django is set up, if it is


class Watched(NamedTuple):
    """The modules that are watched, as they were when they were looked at.

    Attributes:
        total: How many modules there were in all.
        last: The name of the one that was imported last.
        code: Stands for all that they hold.
        next: Holds what was found first after a module had changed.
    """

    total: int
    last: str
    names: list[str]
    contents: list[Namespace]
    modules: list[object]
    specs: list[object]
    code: object
    next: list[Watched]


watched = Watched(0, "", [], [], [], [], object(), [])


def current() -> State:
    """The state of the program now."""
    if "django" not in sys.modules:
        return State(code_now(), None, None)
    from cotality.core.utils._process.starting.django_setup import settings_of_program
    from cotality.core.utils._process.workers import django_databases

    return State(code_now(), django_databases.current(), settings_of_program())


def is_older(then: State, now: State) -> bool:
    """Whether workers that are as *then* would do something else than the program.

    A program that asks Django for its databases for the first time has not changed,
    unless that is in a test: until then workers find what the program finds.
    """
    if then.code is not now.code or then.set_up != now.set_up:
        return True
    if then.databases is None and now.databases is not None:
        from cotality.core.utils._process.workers import django_databases

        return django_databases.is_wrong(None, now.databases)
    return then.databases != now.databases


def code_now() -> object:
    # Several threads may do this at the same time. Each replaces the whole by one that
    # is right.
    global watched
    known = watched
    if not is_complete(known) or not is_unchanged(known):
        found = looked_at(known)
        if found.code is not known.code:
            found = agreed(known, found)
        watched = known = found
    return known.code


def agreed(known: Watched, found: Watched) -> Watched:
    """What all threads take that have seen at the same time that *known* is over.

    Each of them has made a code of its own. If they kept it, each would be in another
    world, and have a pool of workers for itself. So they take that of the first one. If
    a module has changed once more since, that does not hold, and *found* does.
    """
    known.next.append(found)  # one step: all threads see the same one in front
    first = known.next[0]
    return first if is_unchanged(first) else found


def is_complete(known: Watched) -> bool:
    """Whether nothing was imported since: that stands at the end of all modules."""
    modules = sys.modules
    return len(modules) == known.total and next(reversed(modules)) == known.last


def is_unchanged(known: Watched) -> bool:
    """Whether all modules of *known* are there, and were not executed again."""
    try:
        # Which they are, not what: a module's old and its new spec are equal.
        modules = map(sys.modules.__getitem__, known.names)
        return all(map(is_, modules, known.modules)) and all(
            map(is_, map(spec_in, known.contents), known.specs)
        )
    except KeyError:
        return False


spec_in = itemgetter("__spec__")


def looked_at(known: Watched) -> Watched:
    """The modules as they are now, with the code of *known* if none has changed."""
    loaded = sys.modules.copy()
    names: list[str] = []
    contents: list[Namespace] = []
    for name, module in loaded.items():
        content = content_of(module)
        if content is not None and is_to_be_watched(name, content):
            names.append(name)
            contents.append(content)
    return Watched(
        total=len(loaded),
        last=next(reversed(loaded)),
        names=names,
        contents=contents,
        modules=[loaded[name] for name in names],
        specs=list(map(spec_in, contents)),
        code=known.code if is_unchanged(known) else object(),
        next=[],
    )


def content_of(module: object) -> Namespace | None:
    """What *module* holds; None if it is no module, as somebody may put there."""
    if not isinstance(module, ModuleType):
        return None
    # A module that is loaded when it is first used is not to be used here.
    return cast("Namespace", object.__getattribute__(module, "__dict__"))


def is_to_be_watched(name: str, content: Namespace) -> bool:
    package, dot, _ = name.partition(".")
    if package in NOT_WATCHED or content.get("__spec__") is None:
        return False
    file = content.get("__file__")
    return not (dot and isinstance(file, str) and INSTALLED.search(file))


# Functions of the main module travel by value, and this package is not reloaded.
NOT_WATCHED = {*sys.stdlib_module_names, "__main__", "__mp_main__", "cotality"}
