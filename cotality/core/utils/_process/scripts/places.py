"""Where the definitions of a script are found by name, here and in other processes.

The home of a script is the dictionary that its functions have as globals: that of
``__main__``. In a worker, the same home, identified by its number, is the dictionary of
the one module ``__main__`` there. Profilers run scripts in dictionaries of their own,
and a program may run several scripts, so there may be several homes.
"""

from __future__ import annotations

import atexit
import os
import pickle
import sys
from types import FunctionType, ModuleType
from typing import Any, TypeAlias, cast

from cotality._kit.records import NamedTuple

from . import off_path

Names: TypeAlias = dict[str, Any]  # Any: globals of any kind
Kinds: TypeAlias = tuple[Names, dict[str, Any], Names]  # Any: see `script.kinds`

SCRIPT = "__main__"
# The other is what it is called where `multiprocessing` has imported it.
SCRIPTS = (SCRIPT, "__mp_main__")
# Said of a home that no module has, among what modules say of themselves.
IS_ADOPTED = "is adopted"
# More are not told apart from new ones. Each keeps the globals of a script alive.
HOMES_KEPT = 1024


class Home:
    """One dictionary of a script's names.

    Attributes:
        number: Means the same home in every process.
        owner: The process id of the program whose script it is.
        cache: What is known here about what it defines, see `script.definitions`.
        ages: When each of that last became what it is, as a number that grows, and the
            version that it got then. What is gone from the script stays in here.
        kinds: Its functions and classes, and their definitions; likewise.
        bound: The versions of what has been bound here for the owner, by name; this
            and the rest are of `names`.
        bound_ages: The ages of that.
        found: What was there before anything was bound: a fork has it all, and so has
            a process in which the script was imported or run again.
        broken: Why something cannot be had here, by name.
        rest: What else the script defines, to be bound if somebody looks for it.
        binding: What is binding some of it just now.
    """

    def __init__(self, names: Names, number: str, owner: int) -> None:
        self.names = names
        self.number = number
        self.owner = owner
        self.cache: dict[str, Any] = {}  # Any: see there
        self.ages: dict[str, tuple[bytes, int]] = {}
        self.kinds: Kinds = ({}, {}, {})
        self.bound: dict[str, bytes] = {}
        self.bound_ages: dict[str, int] = {}
        self.found: Names = {}
        self.broken: dict[str, str] = {}
        self.rest: dict[str, Any] = {}  # Any: see there
        self.binding: object = None
        self.process: int = os.getpid()  # where all this is so
        self.is_adopted = False  # it is no module's
        self.was_run = False
        self.run_error = ""
        self.module: ModuleType | None = None  # kept alive with its names

    def is_own(self) -> bool:
        """Whether the script runs here. A fork has a copy of it, which is another."""
        return self.owner == os.getpid()


homes: dict[int, Home] = {}  # by the identity of their dictionary, which they hold
by_number: dict[str, Home] = {}


def let_go() -> None:
    """Hold no script's globals at the end of the program: they go before modules do."""
    for home in homes.values():
        home.names, home.kinds = {}, ({}, {}, {})
        home.cache.clear()
    homes.clear()
    by_number.clear()


atexit.register(let_go)


def home_of(names: Names) -> Home:
    """The home that *names* is, a new one if it was not known."""
    found = homes.get(id(names))
    if found is None:
        found = Home(names, os.urandom(8).hex(), os.getpid())
        found.is_adopted = names is not names_of(SCRIPT) and not is_lived_in(names)
        register(found)
    return found


def is_lived_in(names: Names) -> bool:
    """Whether something that is bound in *names* has them as its globals.

    Libraries that write code, as attrs does, make a copy of the script's for a class.
    """
    for thing in list(names.values()):
        own = list(vars(thing).values()) if isinstance(thing, type) else [thing]
        if any(
            type(each) is FunctionType and each.__globals__ is names for each in own
        ):
            return True
    return False


def adopt(names: Names) -> None:
    """Let *names* be a home if they are no module's, but what a console runs in.

    A console of :mod:`code`, the shell of Django, `runpy` and `exec` run what they are
    given in a dictionary of its own. One in which no function of its own is bound has
    been made for a single function, as libraries do that write code.
    """
    name = names.get("__name__")
    if id(names) in homes or (isinstance(name, str) and name in sys.modules):
        return
    if is_lived_in(names):
        home_of(names).is_adopted = True


def register(home: Home) -> None:
    homes[id(home.names)] = home
    by_number[home.number] = home
    script = names_of(SCRIPT)
    while len(homes) > HOMES_KEPT:
        oldest = next(each for each in homes.values() if each.names is not script)
        del homes[id(oldest.names)]
        by_number.pop(oldest.number, None)


def is_script(module: object) -> bool:
    """Whether *module* is the name of one that no other process can import."""
    return module in SCRIPTS or module in off_path.seen.made


def home_of_globals(names: Names) -> Home | None:
    """The home that *names* is, if they are those of a script."""
    if id(names) in homes:
        return homes[id(names)]
    name = names.get("__name__")
    if name in SCRIPTS or (is_script(name) and names_of(name) is names):
        return home_of(names)
    return None


def dictionary_of(number: str) -> Names:
    """The names of the home with that *number*, which are here already.

    What comes back from a worker, or is kept in a file, may have no other home than
    the script that runs here.
    """
    home = by_number.get(number)
    return names_of(SCRIPT) if home is None else home.names


def names_of(module: Any) -> Names:  # Any: the name of a module, in most cases
    found = sys.modules.get(module)
    return {} if found is None else vars(found)


def place_of(thing: Any) -> tuple[Home, str] | None:  # Any: a function or a class
    """The home where *thing* is found by the name that it has, and the name.

    The name has dots for what belongs to a class.
    """
    module = getattr(thing, "__module__", None)
    if not is_script(module):
        return None
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    if not isinstance(name, str) or "<" in name:
        return None
    spaces = namespaces_of(thing) if module in SCRIPTS else [names_of(module)]
    for names in spaces:
        if found_by(names, name) is thing:
            return home_of(names), name
    return None


def namespaces_of(thing: object) -> list[Names]:
    """Where to look for *thing*."""
    function: object = thing
    if isinstance(thing, type):
        methods = (each for each in list(vars(thing).values()))
        function = next((m for m in methods if type(m) is FunctionType), None)
    function = getattr(function, "__wrapped__", function)
    names: Any = getattr(function, "__globals__", None)  # Any: mostly a dict
    found = [names_of(SCRIPT), *(home.names for home in reversed(homes.values()))]
    if type(names) is dict and cast("Names", names).get("__name__") in SCRIPTS:
        found.insert(0, cast("Names", names))
    return found


def found_by(names: Names, name: str) -> object:
    first, *rest = name.split(".")
    thing: Any = names.get(first)  # Any: a global of any kind
    for each in rest:
        own: Any = vars(thing) if isinstance(thing, type) else {}  # Any: as above
        if each not in own:
            return None
        thing = own[each]
        if type(thing) in (staticmethod, classmethod):
            thing = thing.__func__
    return thing


# What is said of its globals: which are needed, and what they are.

Buffers: TypeAlias = list[pickle.PickleBuffer]

FROM_SCRIPT = b""  # stands for a definition that only the script itself can give


class Mention(NamedTuple):
    """A name that something needs, or that it may look up if it is *soft*.

    What is *held* is part of it: it has that object itself, not only its name.
    """

    home: Home
    name: str
    is_soft: bool = False
    is_held: bool = False


class Definition(NamedTuple):
    """One global, packed by itself.

    Attributes:
        version: Differs when what it is, or what is in it, differs; what it only names
            does not count, see `pickling.script.versions`.
        token: That of a function, a class or another thing that has a name.
        packed: Its pickle, or `FROM_SCRIPT`.
        state: What to give to a function or class once it is made, packed.
        buffers: What belongs to the pickle and is large.
        mentions: What else it needs.
        age: When it became what it is, as a number that grows.
    """

    version: bytes
    token: str | None
    packed: bytes
    state: bytes
    buffers: Buffers
    mentions: frozenset[Mention]
    age: int = 0
