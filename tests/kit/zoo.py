"""Objects that fail in every way: exceptions, arguments and results.

Everything in here can be imported by a worker, so that what is tested is how it
behaves and not where it comes from.
"""

# ruff: noqa: N818  # that they are errors goes without saying in here

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from io import TextIOBase
from typing import Any, NoReturn, TextIO


def in_worker() -> bool:
    return multiprocessing.parent_process() is not None


# Exceptions that arrive as they are.


class Plain(Exception):
    """An ordinary one."""


class TwoArguments(Exception):
    """Takes two arguments and tells its base class about none of them."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__()
        self.code = code
        self.reason = reason


class MessageOfItsOwn(Exception):
    """Takes a code and makes a message of it: called again, it would do so twice."""

    def __init__(self, code: int) -> None:
        super().__init__(f"failed with code {code}")
        self.code = code


class KeywordOnly(Exception):
    """Cannot be made from its `args`."""

    def __init__(self, *, code: int) -> None:
        super().__init__("keyword only")
        self.code = code


class Slotted(Exception):
    """Keeps an attribute where no `__dict__` shows it."""

    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__("slotted")
        self.code = code


@dataclass(frozen=True)
class Frozen(Exception):
    """Refuses every assignment, also that of a traceback from Python."""

    code: int


@dataclass
class Data(Exception):
    """Compares by value, and therefore has no hash."""

    code: int
    more: list[int] = field(default_factory=list)


class Counting(Exception):
    """Has an `__init__` that may be called once only."""

    made = 0

    def __init__(self) -> None:
        if in_worker() and Counting.made:
            raise AssertionError("made twice")
        Counting.made += 1
        super().__init__("counting")


class NeverEqual(Exception):
    """Raises when it is compared."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("cannot be compared")

    __hash__ = Exception.__hash__


class WithoutText(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("no text")


class ReducedByHand(Exception):
    """Says itself how it is to be pickled."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.args[0])


class CopiedState(Exception):
    """Says itself what its state is."""

    def __init__(self, code: int = 0) -> None:
        super().__init__("state")
        self.code = code

    def __getstate__(self) -> dict[str, Any]:
        return {"code": self.code}

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)


class UrlError(OSError):
    """An `OSError` with a constructor of its own."""

    def __init__(self, url: str, code: int) -> None:
        super().__init__(code, "cannot be reached", url)
        self.url = url


class HasLambda(Exception):
    """Holds what only cloudpickle can pickle."""

    def __init__(self) -> None:
        super().__init__("lambda")
        self.retry = lambda: 3


class RefusesState(Exception):
    """Raises when it is unpickled the way its class wants; its parts are fine."""

    def __init__(self) -> None:
        super().__init__("no state")
        self.code = 3

    def __setstate__(self, state: Any) -> NoReturn:
        raise ValueError("refuses its state")


class RefusesReduce(Exception):
    """Raises when it is pickled."""

    def __reduce__(self) -> NoReturn:
        raise ValueError("refuses")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise ValueError("refuses")


class ExitsWhenPickled(Exception):
    """Tries to end the process that pickles it."""

    def __reduce__(self) -> NoReturn:
        sys.exit("pickled")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        sys.exit("pickled")


def real_import_error() -> BaseException:
    try:
        import no_such_module_anywhere  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        return error
    raise AssertionError("unreachable")


def real_attribute_error() -> BaseException:
    try:
        return sys.no_such_attribute  # type: ignore[attr-defined,no-any-return]
    except AttributeError as error:
        return error


def real_name_error() -> BaseException:
    try:
        return no_such_name  # type: ignore[name-defined,no-any-return]
    except NameError as error:
        return error


def real_syntax_error() -> BaseException:
    try:
        compile("a = = 3", "some_file.py", "exec")
    except SyntaxError as error:
        return error
    raise AssertionError("unreachable")


def real_sqlite_error() -> BaseException:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("create table t (a integer primary key)")
        connection.execute("insert into t values (1)")
        connection.execute("insert into t values (1)")
    except sqlite3.IntegrityError as error:
        return error
    finally:
        connection.close()
    raise AssertionError("unreachable")


def made_in_a_function() -> BaseException:
    class Local(Exception):
        pass

    error = Local("local")
    error.code = 3  # type: ignore[attr-defined]
    return error


def with_attributes(error: BaseException, **attributes: Any) -> BaseException:
    vars(error).update(attributes)
    return error


@dataclass(frozen=True)
class Animal:
    """An exception, how it is made, and which attributes have to survive."""

    make: Callable[[], BaseException]
    attributes: tuple[str, ...] = ()


WHOLE: dict[str, Animal] = {
    "plain": Animal(lambda: Plain("text", 3, None)),
    "no arguments": Animal(Plain),
    "extra attributes": Animal(
        lambda: with_attributes(Plain("a"), code=3, more={"a": [1]}), ("code", "more")
    ),
    "two arguments": Animal(lambda: TwoArguments(3, "why"), ("code", "reason")),
    "message of its own": Animal(lambda: MessageOfItsOwn(3), ("code",)),
    "keyword only": Animal(lambda: KeywordOnly(code=3), ("code",)),
    "slots": Animal(lambda: Slotted(3), ("code",)),
    "frozen dataclass": Animal(lambda: Frozen(3), ("code",)),
    "dataclass": Animal(lambda: Data(3, [4]), ("code", "more")),
    "made once": Animal(Counting),
    "never equal": Animal(NeverEqual),
    "no text": Animal(lambda: WithoutText(3)),
    "own reduce": Animal(lambda: ReducedByHand(3, "text"), ("code",)),
    "own state": Animal(lambda: CopiedState(3), ("code",)),
    "lambda inside": Animal(HasLambda),
    "made in a function": Animal(made_in_a_function, ("code",)),
    "key": Animal(lambda: KeyError("some key")),
    "stop iteration": Animal(lambda: StopIteration(3), ("value",)),
    "stop async iteration": Animal(lambda: StopAsyncIteration(3)),
    "memory": Animal(lambda: MemoryError("much")),
    "file not found": Animal(
        lambda: FileNotFoundError(2, "is not there", "some/file"),
        ("errno", "strerror", "filename", "filename2"),
    ),
    "two files": Animal(
        lambda: OSError(18, "cannot be moved", "from", None, "to"),
        ("errno", "strerror", "filename", "filename2"),
    ),
    "os error subclass": Animal(
        lambda: UrlError("http://x", 404), ("errno", "strerror", "filename", "url")
    ),
    "gaierror": Animal(lambda: socket.gaierror(-2, "unknown"), ("errno", "strerror")),
    "timeout": Animal(lambda: TimeoutError("late"), ("errno",)),
    "unicode decode": Animal(
        lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        ("encoding", "object", "start", "end", "reason"),
    ),
    "unicode encode": Animal(
        lambda: UnicodeEncodeError("ascii", "\xff", 0, 1, "invalid"),
        ("encoding", "object", "start", "end", "reason"),
    ),
    "syntax": Animal(
        real_syntax_error,
        ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset"),
    ),
    "import": Animal(real_import_error, ("name", "path", "msg")),
    "attribute": Animal(real_attribute_error, ("name",)),
    "attribute by hand": Animal(
        lambda: AttributeError("none", name="x", obj=3), ("name",)
    ),
    "name": Animal(real_name_error, ("name",)),
    "json": Animal(
        lambda: json.JSONDecodeError("bad", "{a}", 1),
        ("msg", "doc", "pos", "lineno", "colno"),
    ),
    "called process": Animal(
        lambda: subprocess.CalledProcessError(3, ["ls"], b"out", b"err"),
        ("returncode", "cmd", "output", "stderr"),
    ),
    "called process by keyword": Animal(
        lambda: subprocess.CalledProcessError(returncode=3, cmd="ls"),
        ("returncode", "cmd"),
    ),
    "timeout of a process": Animal(
        lambda: subprocess.TimeoutExpired("ls", 3.5), ("cmd", "timeout")
    ),
    "reduce raises": Animal(lambda: RefusesReduce("refused")),
    "setstate raises": Animal(RefusesState, ("code",)),
    "reduce exits": Animal(lambda: ExitsWhenPickled("exits")),
    "http": Animal(
        lambda: urllib.error.HTTPError("http://x", 404, "no", Message(), None),
        ("code", "msg", "filename"),
    ),
    "sqlite": Animal(real_sqlite_error, ("sqlite_errorname", "sqlite_errorcode")),
}


# Exceptions that cannot be brought to another process, or not back from there.


class HasLock(Exception):
    """Holds what no other process can have."""

    def __init__(self) -> None:
        super().__init__("with a lock")
        self.lock = threading.Lock()


def only_in_worker() -> BaseException:
    if not in_worker():
        raise ValueError("refuses to be made in the parent")
    return OnlyInWorker("stays here")


class OnlyInWorker(Exception):
    """Can be unpickled in a worker and nowhere else."""

    def __reduce__(self) -> tuple[Any, ...]:
        return only_in_worker, ()


def something_else() -> Any:
    return Chameleon("a colour") if in_worker() else "not even an exception"


class Chameleon(Exception):
    """Is unpickled as something that is no exception, in the parent."""

    def __reduce__(self) -> tuple[Any, ...]:
        return something_else, ()


BROKEN: dict[str, Animal] = {
    "lock": Animal(HasLock),
    "lock in args": Animal(lambda: Plain("a lock", threading.Lock())),
    "only in a worker": Animal(lambda: OnlyInWorker("stays here")),
    "chameleon": Animal(lambda: Chameleon("a colour")),
}


# Exceptions that try to bring down whoever handles them.


class ExitsWhenShown(Exception):
    """Tries to end the process that asks for its text."""

    def __str__(self) -> str:
        sys.exit("shown")

    __repr__ = __str__


class NotesThatFail(Exception):
    """Has a note that is no text and cannot be made one."""

    def __init__(self) -> None:
        super().__init__("notes")
        self.__notes__ = [WithoutText("note")]


class NotesThatAreNone(Exception):
    """Has notes that are no list."""

    def __init__(self) -> None:
        super().__init__("notes")
        self.__notes__ = 3


class RefusesNotes(Exception):
    """Raises when a note is added."""

    def add_note(self, note: str) -> NoReturn:
        raise ValueError("refuses notes")


class WithoutDict(Exception):
    """Hides its attributes."""

    @property
    def __dict__(self) -> NoReturn:  # type: ignore[override]
        raise ValueError("no attributes for you")


EVIL: dict[str, Animal] = {
    "exits when shown": Animal(ExitsWhenShown),
    "notes that fail": Animal(NotesThatFail),
    "notes that are no list": Animal(NotesThatAreNone),
    "refuses notes": Animal(lambda: RefusesNotes("a")),
    "no dict": Animal(lambda: WithoutDict("a")),
}

ALL = {**WHOLE, **BROKEN, **EVIL}


def misbehave(name: str) -> NoReturn:
    """Raise the animal of that name."""
    raise ALL[name].make()


# What ends a task without being an `Exception`.


class NotAnException(BaseException):
    """Of the user's own."""


class NotAnExceptionNorText(BaseException):
    """Of the user's own, and without a text."""

    def __str__(self) -> str:
        raise ValueError("no text")


EXITS: dict[str, Animal] = {
    "exit": Animal(SystemExit),
    "exit with a code": Animal(lambda: SystemExit(3), ("code",)),
    "exit with a text": Animal(lambda: SystemExit("bye"), ("code",)),
    "interrupt": Animal(KeyboardInterrupt),
    "generator exit": Animal(GeneratorExit),
    "of the user": Animal(lambda: NotAnException("a", 3)),
    "without a text": Animal(lambda: NotAnExceptionNorText("a")),
    "group": Animal(lambda: BaseExceptionGroup("g", [KeyboardInterrupt(), Plain()])),
}


def leave(name: str) -> NoReturn:
    raise EXITS[name].make()


# Arguments and results.


class PickledBy:
    """Is pickled and unpickled by functions that may do anything."""

    def __init__(
        self,
        when_pickled: Callable[[], object] = int,
        when_unpickled: Callable[[], object] = int,
    ) -> None:
        self.when_pickled = when_pickled
        self.when_unpickled = when_unpickled

    def __reduce__(self) -> tuple[Any, ...]:
        self.when_pickled()
        return self.when_unpickled, ()

    def __call__(self) -> str:
        return "called"


class ErrorWithoutText(Exception):
    """What pickling something fails with, and what cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def refuse() -> NoReturn:
    raise ValueError("refuses")


def refuse_without_text() -> NoReturn:
    raise ErrorWithoutText


def exit_now() -> NoReturn:
    sys.exit("now")


def refuse_in_worker() -> object:
    return refuse() if in_worker() else 3


def refuse_in_parent() -> object:
    return 3 if in_worker() else refuse()


def exit_in_worker() -> object:
    return exit_now() if in_worker() else 3


def exit_in_parent() -> object:
    return 3 if in_worker() else exit_now()


class BadRepr:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise ValueError("no repr")


class Proxy:
    """Raises for every attribute, as proxies do while there is nothing behind them."""

    def __init__(self) -> None:
        object.__setattr__(self, "lock", threading.Lock())

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(f"nothing behind this proxy to have a {name}")

    def __call__(self) -> str:
        return "called"


def generator() -> Iterator[int]:
    yield 1


def nested(depth: int) -> list[Any]:
    """Lists in lists, too many for a pickler."""
    outer: list[Any] = []
    for _ in range(depth):
        outer = [outer]
    return outer


def open_file() -> TextIO:
    return open(os.devnull)


def class_with_lock() -> object:
    class Local:
        lock = threading.Lock()

    return Local()


def reduced_without_text() -> PickledBy:
    return PickledBy(when_pickled=refuse_without_text)


def spoilt_in_parent() -> PickledBy:
    return PickledBy(when_unpickled=refuse_in_parent)


# How each is made; what comes of it as an argument and as a result of a task on
# processes is in test_failures.
THINGS: dict[str, Callable[[], object]] = {
    "lock": threading.Lock,
    "generator": generator,
    "open file": open_file,
    "local class that holds a lock": class_with_lock,
    "closure over a lock": lambda: (lambda lock: lambda: lock)(threading.Lock()),
    "deep list": lambda: nested(100_000),
    "reduce raises": lambda: PickledBy(when_pickled=refuse),
    "reduce raises what has no text": reduced_without_text,
    "reduce exits": lambda: PickledBy(when_pickled=exit_now),
    "proxy": Proxy,
    "unpickling raises in a worker": lambda: PickledBy(when_unpickled=refuse_in_worker),
    "unpickling exits in a worker": lambda: PickledBy(when_unpickled=exit_in_worker),
    "unpickling raises in the parent": spoilt_in_parent,
    "unpickling exits in the parent": lambda: PickledBy(when_unpickled=exit_in_parent),
}


def make(name: str) -> object:
    return THINGS[name]()


def accept(value: object) -> str:
    """Takes anything."""
    if isinstance(value, TextIOBase):
        value.close()
    return "accepted"
