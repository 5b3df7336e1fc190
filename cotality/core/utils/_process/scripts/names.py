"""The namespace of a script in a process that works for it.

A worker has one module ``__main__`` for as long as it lives, and finds by name there
what the script has defined. A global is bound when something first needs it, and again
only when the program has another version of it. Until then, nothing overwrites what an
initializer or a task has bound.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from cotality._kit.public import pickled_as
from cotality._kit.records import NamedTuple
from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.this_process import after_fork

from . import places
from .places import IS_ADOPTED, SCRIPT, Home
from .tokens import tokens


class Sent(NamedTuple):
    """A definition as it arrives, see `pickling.script.definitions.Definition`."""

    version: bytes
    token: str | None
    packed: bytes
    state: bytes
    buffers: list[Any]  # Any: whatever has memory
    needs: list[str]
    hints: list[str]
    age: int = 0


@pickled_as("define_globals")
def bind(
    packed: bytes | memoryview, buffers: Sequence[Any] = ()
) -> None:  # Any: as above
    """Bind what bundles define, each global in the namespace it belongs to.

    It never fails: what cannot be rebuilt fails whoever asks for it.
    """
    global last
    with binding:
        if not buffers and packed == last:
            return  # portions of one call bring the same, one after the other
        last = bytes(packed) if len(packed) < KEPT_BELOW else b""
        bundles = pickle.loads(packed, buffers=buffers)
        for number, owner, about, *_ in bundles:
            # All of them first: what one defines may have its globals in another.
            if number not in places.by_number:
                settled(number, owner, about)
        for number, _, _, *definitions in bundles:
            bind_one(places.by_number[number], *definitions)


KEPT_BELOW = 1024 * 1024  # bytes
last = b""  # what was bound last
binding = threading.RLock()  # workers of others may have several threads


def forget_lock() -> None:
    """In a forked child: another thread of the parent may have held it."""
    global binding
    binding = threading.RLock()


after_fork(forget_lock)


def bind_one(
    home: Home,
    needed: dict[str, Any],  # Any: the parts of a `Sent`
    rest: dict[str, Any],  # Any: as above
    gone: Sequence[str] = (),
) -> None:
    if home.is_own():
        return  # it has come back to where it is from
    if home.process != os.getpid():  # a fork has brought it
        home.process = os.getpid()
        home.found, home.bound, home.broken = dict(home.names), {}, {}
        home.bound_ages = {}
    for name in gone:
        unbind(home, name)
    home.rest = {name: Sent(*each) for name, each in rest.items()}
    # What was looked for once, and is another one by now, is bound again.
    names = [*needed, *(name for name in rest if name in home.bound)]
    home.rest |= {name: Sent(*each) for name, each in needed.items()}
    Binding(home, needed.keys()).bind_all(names)


def unbind(home: Home, name: str) -> None:
    """Take back what the program has bound to *name*, and has deleted since."""
    was_sent = home.bound.pop(name, None) is not None
    if was_sent or home.names.get(name, home) is home.found.get(name):
        home.names.pop(name, None)
    home.broken.pop(name, None)


def settled(number: str, owner: int, about: dict[str, Any]) -> Home:  # Any: see there
    """A new home here for the script that process *owner* runs."""
    is_adopted = about.pop(IS_ADOPTED, False)
    name = str(about.get("__name__", SCRIPT))
    main = None if is_adopted else sys.modules.get(name)
    if main is not None and is_that_script(main, owner, about):
        names = vars(main)
        home = Home(names, number, owner)
        home.found = dict(names)
    elif main is not None and (imported := names_of_import(main, about)) is not None:
        home = Home(imported, number, owner)
        home.found = dict(imported)
    else:
        module = ScriptModule(name)
        vars(module).update(about)
        home = Home(vars(module), number, owner)
        home.module = module
        module_homes[module] = home
        home.is_adopted = is_adopted
        # No name leads to an adopted one in the program either.
        if not is_adopted and (this_process.is_worker or name != SCRIPT):
            sys.modules[name] = module
    places.register(home)
    return home


class ScriptModule(ModuleType):
    """The module ``__main__`` of a worker: it has what somebody looks for in it."""

    def __getattr__(self, name: str) -> Any:  # Any: globals of any kind
        home = module_homes.get(self)
        if home is not None and name in home.rest and name not in home.bound:
            with binding:
                Binding(home).bind_all(with_needs(home.rest, name))
            if name in home.names:
                return home.names[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def with_needs(sent: dict[str, Sent], name: str) -> list[str]:
    names = [name]
    for each in names:  # grows while it is read
        more = [*sent[each].needs, *sent[each].hints]
        names += [n for n in more if n in sent and n not in names]
    return names


module_homes: WeakKeyDictionary[ModuleType, Home] = WeakKeyDictionary()


def is_that_script(main: ModuleType, owner: int, about: dict[str, Any]) -> bool:
    """Whether a fork has brought it here.

    Where `multiprocessing` has imported it, its functions have other globals than the
    module, so it is left alone.
    """
    if getattr(main, "__file__", None) != about.get("__file__"):
        return False
    was_imported = main.__name__ == "__mp_main__" or hasattr(main, "spawn_main")
    return os.getppid() == owner and not was_imported


def names_of_import(main: ModuleType, about: dict[str, Any]) -> dict[str, Any] | None:
    """The globals of the functions of *main*, if a worker of others has imported it.

    They are not those of the module itself, which is a copy.
    """
    if this_process.is_worker or main.__name__ != "__mp_main__":
        return None
    if getattr(main, "__file__", None) != about.get("__file__"):
        return None
    for thing in list(vars(main).values()):
        if type(thing) is FunctionType and thing.__module__ == "__mp_main__":
            return thing.__globals__
    return None


class NotYetError(Exception):
    """Something is needed that is only just being made."""


class Binding:
    """What one bundle binds in *home*.

    Args:
        needed: What has to be as it was sent. Of all else something later may be here.
    """

    def __init__(self, home: Home, needed: Collection[str] = ()) -> None:
        self.home = home
        self.needed = needed
        self.sent: dict[str, Sent] = home.rest
        self.begun: set[str] = set()
        self.unfinished: dict[str, Any] = {}  # Any: what has no state yet, by name
        self.finishing: set[str] = set()

    def bind_all(self, names: Iterable[str]) -> None:
        home = self.home
        news = [n for n in names if self.is_new(n)]
        if not news:
            return
        before, home.binding = home.binding, self
        try:
            self.bind_each(news)
        finally:
            home.binding = before

    def is_new(self, name: str) -> bool:
        """Whether what was sent of *name* is not what is bound, nor from before it."""
        home, each = self.home, self.sent[name]
        if home.bound.get(name) == each.version:
            return False
        return name in self.needed or home.bound_ages.get(name, 0) <= each.age

    def bind_each(self, news: list[str]) -> None:
        home = self.home
        if any(self.is_missing(name) for name in news):
            self.run_script()
        for name in news:
            try:
                self.bind(name)
            except NotYetError as error:
                home.broken[name] = class_and_text(error)
        for name in list(self.unfinished):
            self.finish(name, is_last=True)
        self.blame_needs()

    def is_missing(self, name: str) -> bool:
        """Whether *name* can only be had from the script itself."""
        return not self.sent[name].packed and name not in self.home.names

    def run_script(self) -> None:
        from .run_again import run_again

        home = self.home
        if home.was_run:
            return
        home.was_run = True
        path = home.names.get("__file__")
        try:
            if not isinstance(path, str):
                raise FileNotFoundError("the script has no file")
            for name in run_again(home, path):
                home.found[name] = home.names[name]
        except BaseException as error:
            if is_of_a_signal(error):
                raise
            home.run_error = f"to run the script again raised {class_and_text(error)}"

    def bind(self, name: str) -> None:
        home, each = self.home, self.sent[name]
        if name in self.begun or not self.is_new(name):
            return
        self.begun.add(name)
        home.broken.pop(name, None)
        is_first = name not in home.bound
        try:
            if is_first and name in home.names and self.stays(name):
                self.remember(name, home.names[name])
            elif each.packed:
                self.put(name, self.load(each.packed, each.buffers))
            elif name in home.names:
                self.remember(name, home.names[name])
            else:
                raise LookupError(home.run_error or "it is not in the script")
        except NotYetError:
            self.begun.discard(name)
            raise
        except BaseException as error:
            if is_of_a_signal(error):
                raise
            self.try_script(name, error)
        home.bound[name], home.bound_ages[name] = each.version, each.age

    def try_script(self, name: str, error: BaseException) -> None:
        """Take *name* from the script if what was sent of it is of no use here."""
        from .run_again import can_be_run

        home = self.home
        if not home.was_run and can_be_run(home):
            home.names.pop(name, None)
            self.run_script()
        if name in home.found and home.was_run:
            home.names[name] = home.found[name]
            self.remember(name, home.names[name])
        else:
            home.broken[name] = class_and_text(error)

    def stays(self, name: str) -> bool:
        """Whether a binding that the program did not send is left alone."""
        home, each = self.home, self.sent[name]
        here = home.names[name]
        if name not in home.found or home.found[name] is not here:
            return True  # a task or an initializer has bound it
        if each.token is not None and tokens.get(each.token) is here:
            return True
        if not each.packed:
            return True
        if each.token is None:
            return not this_process.is_worker
        there = self.load(each.packed, each.buffers)
        if not isinstance(here, type) or not isinstance(there, type):
            return is_same_code(here, there)
        _, state = self.load(each.state, each.buffers)
        codes = codes_in(state[0])
        return here.__qualname__ == there.__qualname__ and codes_in(vars(here)) == codes

    def put(self, name: str, thing: Any) -> None:  # Any: globals of any kind
        self.remember(name, thing)
        self.home.names[name] = thing
        if self.sent[name].state:
            self.unfinished[name] = thing
            self.finish(name)

    def finish(self, name: str, *, is_last: bool = False) -> None:
        """Give a function or class its state, unless that needs what is not there."""
        if name in self.finishing or name not in self.unfinished:
            return
        self.finishing.add(name)
        each, thing = self.sent[name], self.unfinished[name]
        try:
            put, state = self.load(each.state, each.buffers)
            put(thing, state)
            del self.unfinished[name]
        except NotYetError as error:
            if is_last:
                self.home.broken[name] = class_and_text(error)
        except BaseException as error:
            if is_of_a_signal(error):
                raise
            del self.unfinished[name]
            self.try_script(name, error)
        finally:
            self.finishing.discard(name)

    def remember(self, name: str, thing: Any) -> None:  # Any: as above
        token = self.sent[name].token
        if token is not None and tokens.get(token) is not thing:
            tokens.set(token, thing)

    def load(self, packed: bytes, buffers: list[Any]) -> Any:  # Any: as above
        with io.BytesIO(packed) as file:
            unpickler = DefinitionUnpickler(file, buffers=buffers)
            unpickler.binding = self
            return unpickler.load()

    def named(self, name: str) -> Any:  # Any: as above
        """Another global that a definition refers to, complete if that can be."""
        each, home = self.sent.get(name), self.home
        if each is not None and self.is_new(name):
            self.bind(name)
        self.finish(name)
        thing = None if each is None or not each.token else tokens.get(each.token)
        if thing is not None:
            return thing
        if name in home.broken:
            why = home.broken[name]
            raise LookupError(f"the global {name!r} cannot be had here: {why}")
        if name in self.begun and each is not None and self.is_new(name):
            raise NotYetError(f"the global {name!r} refers to itself")
        return home.names[name]

    def with_token(self, name: str, token: str) -> Any:  # Any: as above
        """The global *name*, if it is what has *token*; None if there is none."""
        each = self.sent.get(name)
        return self.named(name) if each is not None and each.token == token else None

    def blame_needs(self) -> None:
        """What needs something that is broken is broken."""
        home, broken = self.home, self.home.broken
        changed = bool(broken)
        while changed:
            changed = False
            for name, each in self.sent.items():
                if name not in home.bound:
                    continue
                bad = next((n for n in each.needs if n in broken), None)
                if bad is not None and name not in broken:
                    broken[name] = f"its global {bad!r} cannot be had: {broken[bad]}"
                    changed = True


class DefinitionUnpickler(pickle.Unpickler):
    """Reads one definition, in which other globals are named."""

    binding: Binding

    def persistent_load(self, pid: Any) -> Any:  # Any: a name, and a global
        return self.binding.named(pid)


def is_same_code(here: Any, there: Any) -> bool:  # Any: a function, a cache ...
    if type(here) is not type(there):
        return False
    code = getattr(here, "__code__", None)
    return code is None or bool(code == there.__code__)


def codes_in(attributes: Mapping[str, Any]) -> dict[str, object]:  # Any: of a class
    return {
        name: each.__code__
        for name, each in attributes.items()
        if type(each) is FunctionType
    }


def recall(number: str, name: str, token: str) -> Any:  # Any: anybody's object
    """What has *token*, or an error that says what has become of it."""
    home = places.by_number.get(number)
    if home is not None and name in home.broken and not home.is_own():
        raise BrokenGlobalError(
            f"{name!r} of the script cannot be had in this process: {home.broken[name]}"
        )
    thing = tokens.get(token)
    if thing is None and home is not None and isinstance(home.binding, Binding):
        # What is bound just now names it, and it comes later in the same bundle.
        thing = home.binding.with_token(name, token)
    if thing is not None:
        return thing
    raise BrokenGlobalError(
        f"{name!r} of the script is another one by now than when the task was sent"
    )


class BrokenGlobalError(pickle.UnpicklingError):
    """A global of a script is not in this process."""
