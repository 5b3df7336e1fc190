"""What can be sent to another process, and what is said about the rest."""

from __future__ import annotations

import asyncio
import collections
import copyreg
import ctypes
import functools
import gc
import io
import itertools
import logging
import mmap
import multiprocessing
import os
import pickle
import queue
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import types
import weakref
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotality.core.utils._process.pickling.probe import is_picklable
from cotality.core.utils._process.pickling.reasons.explain import (
    explain_unpicklable,
    path_of_unpicklable,
)
from cotality.core.utils._process.pickling.refusals import unpicklable_call
from tests.kit.helpers import without_addresses

LOCK = threading.Lock()
IS_A_LOCK = " is a _thread.lock"
LARGE = 100_000_000  # bytes
SMALL = 5_000_000  # bytes; what the check may take for itself, whatever the size


class Holder:
    def __init__(self, value: object) -> None:
        self.value = value

    def method(self) -> object:
        return self.value


@dataclass
class Data:
    value: object


@dataclass(frozen=True, slots=True)
class Frozen:
    number: int
    value: object


class Slotted:
    __slots__ = ("__hidden", "value")

    def __init__(self, value: object) -> None:
        self.value = value
        self.__hidden = 1


class Pair(NamedTuple):
    first: object
    second: object


class MyDict(dict[object, object]):
    pass


class MyList(list[object]):
    pass


class MyTuple(tuple[object, ...]):
    __slots__ = ()


class WithState(Holder):
    def __getstate__(self) -> object:
        return (1, self.value)


class WithoutLock:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {}


class Raising:
    """Raises *error* when it is pickled."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error


class RaisingState(Raising):
    __reduce__ = object.__reduce__

    def __getstate__(self) -> Any:
        raise self.error


class Endless:
    def __reduce__(self) -> Any:
        return Endless, (Endless(), Endless())


class Hostile:
    """Answers every question with the end of the program."""

    def __repr__(self) -> str:
        raise SystemExit

    def __hash__(self) -> int:
        return 1

    def __getattr__(self, name: str) -> object:
        raise SystemExit


class HostileError(Exception):
    def __str__(self) -> str:
        raise SystemExit


def module_function() -> None:
    pass


def closing_over(connection: object) -> Callable[[], object]:
    return lambda: connection


def with_unassigned_variable(connection: object) -> Callable[[], object]:
    def function() -> object:
        return assigned_later, connection

    if connection is None:
        assigned_later = 1
    return function


def generate() -> Iterator[int]:
    yield 1


async def wait() -> None:
    pass


def from_main(code: str, **names: object) -> Any:
    """What *code* calls ``made``, as if it were written in the main module."""
    namespace: dict[str, Any] = {"__name__": "__main__", **names}
    exec(code, namespace)
    return namespace["made"]


def nested(value: object, levels: int) -> object:
    for _ in range(levels):
        value = [value]
    return value


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


# ------------------------------------------------------------- what can be sent

TRAVEL_ALONE = {
    "plain data": {"a": [1, 2.5, None, True, "text", b"bytes", (1, {2}), 3 + 4j]},
    "surrogates": "\ud800",
    "large number": 1 << 100_000,
    "bytearray": bytearray(b"x"),
    "array": array("d", [1.0]),
    "NumPy array": np.arange(10),
    "strided NumPy array": np.arange(10)[::2],
    "NumPy array of objects": np.array([{}, None], dtype=object),
    "structured NumPy array": np.zeros(2, dtype=[("a", "i4"), ("b", "O")]),
    "module function": module_function,
    "builtin": len,
    "class": Holder,
    "instance": Holder(Data(Slotted(Frozen(1, Pair(1, 2))))),
    "bound method": Holder(1).method,
    "partial": functools.partial(module_function, 1, a=2),
    "error": ValueError("text"),
    "logger": logging.getLogger("some.name"),
    "memory file": io.BytesIO(b"x"),
    "a state without the lock": WithoutLock(),
    "iterator": iter([1, 2]),
    "containers of their own": MyDict(a=MyList([1])),
}

TRAVEL_BY_VALUE = {
    "lambda": lambda: 1,
    "closure": closing_over([1]),
    "local class": from_main("class made: pass"),
    "instance of a class of __main__": from_main("class A: pass\nmade = A()"),
    "function of __main__": from_main("def made(): return made"),
    "module": os,
    "memoryview": memoryview(b"x"),
    "property": property(lambda self: 1),
    "read-only mapping": types.MappingProxyType({"a": 1}),
}

CANNOT_TRAVEL: dict[str, Callable[[ExitStack], object]] = {
    "lock": lambda stack: threading.Lock(),
    "reentrant lock": lambda stack: threading.RLock(),
    "event": lambda stack: threading.Event(),
    "thread": lambda stack: threading.Thread(),
    "thread local": lambda stack: threading.local(),
    "queue": lambda stack: queue.Queue(),
    "simple queue": lambda stack: queue.SimpleQueue(),
    "text file": lambda stack: opened(stack, "r"),
    "binary file": lambda stack: opened(stack, "rb"),
    "temporary file": lambda stack: temporary_file(stack),
    "standard output": lambda stack: sys.__stdout__,
    "standard input": lambda stack: sys.__stdin__,
    "socket": lambda stack: stack.enter_context(socket.socket()),
    "socket in a dict": lambda stack: {"a": [stack.enter_context(socket.socket())]},
    "end of a pipe": lambda stack: pipe_end(stack),
    "memory map": lambda stack: stack.enter_context(mmap.mmap(-1, 10)),
    "connection": lambda stack: connection(stack),
    "cursor": lambda stack: connection(stack).cursor(),
    "generator": lambda stack: generate(),
    "coroutine": lambda stack: stack.enter_context(closing(wait())),
    "future": lambda stack: stack.enter_context(
        closing(asyncio.new_event_loop())
    ).create_future(),
    "weak reference": lambda stack: weakref.ref(module_function),
    "weak dictionary": lambda stack: weakref.WeakValueDictionary(),
    "pointer": lambda stack: ctypes.pointer(ctypes.c_int(1)),
    "void pointer": lambda stack: ctypes.c_void_p(1),
    "loaded library": lambda stack: ctypes.pythonapi,
    "lock of processes": lambda stack: lock_of_processes(),
    "frame": lambda stack: sys._getframe(),
    "the main module": lambda stack: sys.modules["__main__"],
    "released view": lambda stack: released_view(),
    "read-only mapping of a lock": lambda stack: types.MappingProxyType({1: LOCK}),
    "NumPy array of locks": lambda stack: np.array([LOCK], dtype=object),
    "method of what has a lock": lambda stack: Holder(LOCK).method,
    "function over a lock": lambda stack: closing_over(LOCK),
}


def connection(stack: ExitStack) -> sqlite3.Connection:
    return stack.enter_context(closing(sqlite3.connect(":memory:")))


def pipe_end(stack: ExitStack) -> object:
    one, other = multiprocessing.Pipe()
    stack.enter_context(one)
    return stack.enter_context(other)


def opened(stack: ExitStack, mode: str) -> object:
    return stack.enter_context(Path(__file__).open(mode))


def temporary_file(stack: ExitStack) -> object:
    return stack.enter_context(tempfile.NamedTemporaryFile("w+"))


def lock_of_processes() -> object:
    # One that is not handed to a resource tracker process, where there is one.
    can_fork = "fork" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if can_fork else "spawn").Lock()


def released_view() -> memoryview:
    view = memoryview(b"x")
    view.release()
    return view


@pytest.mark.parametrize("plain", [False, True], ids=["by value", "plain"])
@pytest.mark.parametrize("name", TRAVEL_ALONE)
def test_data_and_what_has_a_name_can_travel(name: str, plain: bool) -> None:
    """Plain data, arrays, instances, and what a module names can be sent."""
    assert is_picklable(TRAVEL_ALONE[name], plain=plain)
    assert explain_unpicklable(TRAVEL_ALONE[name], plain=plain) is None


@pytest.mark.parametrize("name", TRAVEL_BY_VALUE)
def test_what_has_no_name_travels_by_value(name: str) -> None:
    """Lambdas, closures and what ``__main__`` defines can be sent."""
    assert is_picklable(TRAVEL_BY_VALUE[name])


@pytest.mark.parametrize("name", ["lambda", "closure", "module", "memoryview"])
def test_the_standard_pickle_needs_names(name: str) -> None:
    """*plain* asks about the standard pickle, which sends nothing by value."""
    assert not is_picklable(TRAVEL_BY_VALUE[name], plain=True)
    assert explain_unpicklable(TRAVEL_BY_VALUE[name], plain=True)


@pytest.mark.parametrize("plain", [False, True], ids=["by value", "plain"])
@pytest.mark.parametrize("name", CANNOT_TRAVEL)
def test_what_lives_in_one_process_cannot_travel(
    name: str, plain: bool, stack: ExitStack
) -> None:
    """What only lives in this process cannot be sent, and there is a reason given."""
    thing = CANNOT_TRAVEL[name](stack)
    assert not is_picklable(thing, plain=plain)
    assert explain_unpicklable(thing, plain=plain)
    assert " x['a']" in f" {path_of_unpicklable({'a': thing}, 'x', plain=plain)}"


def test_file_is_not_read(stack: ExitStack, tmp_path: Path) -> None:
    """Asking about an open file neither reads it nor moves in it."""
    (tmp_path / "file").write_text("some text")
    file = stack.enter_context((tmp_path / "file").open())
    file.read(4)
    assert not is_picklable({"log": file})
    assert file.read() == " text"


def test_library_that_knows_how_to_travel() -> None:
    """A class that says itself how it is pickled is taken at its word."""

    class Library(ctypes.PyDLL):
        def __init__(self) -> None:
            pass

        def __reduce__(self) -> Any:
            return ctypes.PyDLL, (None,)

    assert is_picklable(Library(), plain=True)
    assert not is_picklable(ctypes.pythonapi)


# ------------------------------------------------------------- it never raises

ERRORS: list[BaseException] = [
    *(ValueError("text"), RecursionError(), MemoryError(), SystemExit(3)),
    *(GeneratorExit(), asyncio.CancelledError(), HostileError()),
]


@pytest.mark.parametrize("kind", [Raising, RaisingState])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_while_pickling_is_a_no(
    kind: type[Raising], error: BaseException
) -> None:
    """Whatever an object raises when it is pickled is a reason, never an error."""
    thing = {"a": kind(error)}
    assert not is_picklable(thing)
    assert not is_picklable(thing, plain=True)
    text = explain_unpicklable(thing)
    assert text is not None
    assert text.startswith("['a'] is a ")
    assert f"pickling it raised {type(error).__name__}" in text


@pytest.mark.parametrize("ask", [is_picklable, explain_unpicklable])
def test_interrupt_of_the_user_passes(ask: Callable[[object], object]) -> None:
    """Only a `KeyboardInterrupt` passes through."""
    with pytest.raises(KeyboardInterrupt):
        ask(Raising(KeyboardInterrupt()))


def test_interrupt_during_the_search_passes() -> None:
    """A `KeyboardInterrupt` ends the search for the reason, too."""

    class Second(Raising):
        calls = 0

        def __reduce__(self) -> Any:
            self.calls += 1
            raise KeyboardInterrupt if self.calls > 1 else ValueError

    with pytest.raises(KeyboardInterrupt):
        explain_unpicklable([Second(ValueError())])


@pytest.mark.parametrize(
    "thing",
    [
        {Hostile(): LOCK},
        [Hostile(), LOCK],
        Holder([Hostile, Hostile(), {Hostile(): {LOCK}}]),
        Raising(HostileError()),
    ],
)
def test_hostile_objects_do_not_end_the_program(thing: object) -> None:
    """Objects that raise `SystemExit` when they are looked at are explained."""
    assert not is_picklable(thing)
    assert explain_unpicklable(thing)
    assert path_of_unpicklable(thing, "x")


def frames_left() -> int:
    """How much deeper calls can go from the caller's; calls out of C count as well."""

    def deeper(frames: int) -> int:
        try:
            return deeper(frames + 1)
        except RecursionError:
            return frames

    return deeper(0)


@pytest.mark.parametrize("thing", [{"a": LOCK}, Holder(LOCK), 1])
def test_full_stack_is_an_answer_too(thing: object) -> None:
    """With hardly any stack left there is an answer, not an error."""

    def ask(frames: int) -> tuple[bool, str | None]:
        if frames:
            return ask(frames - 1)
        return is_picklable(thing), explain_unpicklable(thing)

    room = frames_left()
    for left in range(8, 60):
        assert len(ask(room - left)) == 2
    assert ask(0) == (thing == 1, explain_unpicklable(thing))


class Reducing(Holder):
    def __reduce__(self) -> Any:
        return self.value


WRONG_REDUCTIONS: list[object] = [
    *(1, None, [int, ()], (int,), (int, 1), (1, ()), (int, (), 1, 2, 3, 4, 5)),
    *("no_such_name", (int, (), None, 1), (copyreg.__newobj__, (int,))),
]


@pytest.mark.parametrize("plain", [False, True], ids=["by value", "plain"])
@pytest.mark.parametrize("form", WRONG_REDUCTIONS, ids=without_addresses)
def test_wrong_reduction_is_told(form: object, plain: bool) -> None:
    """An object whose ``__reduce__`` gives what no pickler takes is the culprit."""
    text = explain_unpicklable([1, Reducing(form)], plain=plain)
    assert text is not None
    assert text.startswith("[1] is a ")
    assert "Reducing, and pickling it raised " in text


def test_nothing_is_kept() -> None:
    """After the answer nothing keeps the object, not even until a collection."""
    gc.disable()
    try:
        thing = Holder(generate())
        gone = weakref.ref(thing)
        assert not is_picklable([thing])
        assert explain_unpicklable([thing, Endless()])
        assert explain_unpicklable([Hostile, thing, Hostile()])
        del thing
        assert gone() is None
    finally:
        gc.enable()


# ------------------------------------------------------------- memory

LARGE_THINGS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: bytes(LARGE),
    "bytearray": lambda path: bytearray(LARGE),
    "text": lambda path: "x" * LARGE,
    "text of two bytes a character": lambda path: "\u0416" * (LARGE // 2),
    "array": lambda path: array("d", bytes(LARGE)),
    "memoryview": lambda path: memoryview(bytes(LARGE)),
    "list of numbers": lambda path: list(range(1000, LARGE // 36)),
    "buffer": lambda path: pickle.PickleBuffer(np.zeros(LARGE, dtype="i1")),
    "NumPy array": lambda path: np.zeros(LARGE, dtype="i1"),
    "strided NumPy array": lambda path: np.zeros(2 * LARGE, dtype="i1")[::2],
    "mapped file": lambda path: np.memmap(path, "i1", "w+", shape=(LARGE,)),
    "list of parts": lambda path: [array("d", bytes(LARGE // 100)) for _ in range(100)],
}


@pytest.mark.parametrize("name", LARGE_THINGS)
def test_no_second_copy(name: str, tmp_path: Path) -> None:
    """Asking about a large object does not hold a copy of it, nor its pickle."""
    thing = {"a": Holder(LARGE_THINGS[name](tmp_path / "mapped"))}
    is_picklable(thing.keys())  # what has to be imported is not counted
    tracemalloc.start()
    try:
        assert is_picklable(thing)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SMALL


# ------------------------------------------------------------- where it is


def test_object_itself() -> None:
    """Without a way into the object the text is about the object."""
    assert explain_unpicklable(LOCK) == "it is a _thread.lock"
    assert path_of_unpicklable(LOCK, "arguments['a']") == (
        "arguments['a'] is a _thread.lock"
    )


def test_path_starts_with_its_root() -> None:
    """The way into the object is an expression that starts with the root."""
    arguments = {"config": Holder([1, LOCK])}
    assert explain_unpicklable(arguments) == "['config'].value[1] is a _thread.lock"
    assert path_of_unpicklable(arguments, "arguments") == (
        "arguments['config'].value[1] is a _thread.lock"
    )


def test_looked_at_again() -> None:
    """When all is well after all, that is what is said."""
    assert (
        path_of_unpicklable(1, "x") == "x could be pickled when it was looked at again"
    )


def test_article() -> None:
    """The kind of thing is named with its article."""
    with open(__file__) as file:
        assert explain_unpicklable([file]) == "[0] is an _io.TextIOWrapper"


def test_reason_of_its_own_is_told() -> None:
    """An error that says more than the kind of the thing is told, shortened."""
    thing = {"a": Raising(ValueError("two\nlines " + "x" * 1000))}
    text = explain_unpicklable(thing)
    assert text is not None
    assert "Raising, and pickling it raised ValueError: two lines xxx" in text
    assert len(text) < 400


EXPRESSIONS = [
    [1, LOCK],
    (1, [LOCK]),
    {"a": {2: {(3, "b"): LOCK}}},
    {"quote'\"": LOCK, None: 1},
    Holder(LOCK),
    Data(LOCK),
    Frozen(1, LOCK),
    Slotted(LOCK),
    Pair(1, LOCK),
    MyDict(a=LOCK),
    MyList([1, LOCK]),
    MyTuple([1, LOCK]),
    WithState(LOCK),
    collections.OrderedDict(a=LOCK),
    collections.defaultdict(LOCK.acquire),
    collections.defaultdict(list, a=LOCK),
    collections.Counter({"a": LOCK}),
    collections.ChainMap({"a": LOCK}),
    collections.deque([1, LOCK]),
    types.SimpleNamespace(a=LOCK),
    types.MappingProxyType({"a": LOCK}),
    functools.partial(module_function, 1, LOCK),
    functools.partial(module_function, a=[LOCK]),
    functools.partial(LOCK.acquire),
    Holder(LOCK).method,
    ValueError(1, LOCK),
    np.array([[1, 2], [LOCK, 4]], dtype=object),
    from_main("def made(value=lock): pass", lock=LOCK),
    from_main("def made(*, value=lock): pass", lock=LOCK),
    from_main("class made: value = lock", lock=LOCK),
    from_main("class A: value = lock\nmade = A()", lock=LOCK),
    from_main("def made(): pass\nmade.value = lock", lock=LOCK),
]


@pytest.mark.parametrize("thing", EXPRESSIONS, ids=lambda thing: type(thing).__name__)
def test_expression_leads_to_the_culprit(thing: object) -> None:
    """The text before "is a" is an expression for the culprit."""
    text = explain_unpicklable(thing)
    assert text is not None
    assert eval(f"thing{text.removesuffix(IS_A_LOCK)}") is LOCK


WORDS = [
    (closing_over(LOCK), "closure variable 'connection'"),
    ([closing_over({"a": LOCK})], "['a'] of closure variable 'connection' of [0]"),
    (
        closing_over(closing_over(LOCK)),
        "closure variable 'connection' of closure variable 'connection'",
    ),
    (with_unassigned_variable(LOCK), "closure variable 'connection'"),
    (from_main("def made(): return lock", lock=LOCK), "global 'lock'"),
    (
        [from_main("def f(): return lock\ndef made(): return f()", lock=[LOCK])],
        "[0] of global 'lock' used by global 'f' used by [0]",
    ),
    ({"a": {1: 2, LOCK: 3}}, "the key at position 1 of ['a']"),
    ({(1, Holder(LOCK)): 3}, "[1].value of the key at position 0"),
    ([{LOCK}], "an element of [0]"),
    ({"a": iter([LOCK])}, "[1][0][0] of the reduced form of ['a']"),
]


@pytest.mark.parametrize(("thing", "where"), WORDS, ids=[words for _, words in WORDS])
def test_words_where_there_is_no_expression(thing: object, where: str) -> None:
    """What Python has no expression for is told in words, from the inside out."""
    assert explain_unpicklable(thing) == f"{where}{IS_A_LOCK}"


def test_reduced_form_is_what_reduce_gives() -> None:
    """A way into the reduced form is one into what ``__reduce_ex__`` gives."""
    iterator = iter([1, LOCK])
    text = explain_unpicklable(iterator)
    assert text is not None
    way, _, _ = text.partition(" of the reduced form")
    assert eval(f"iterator.__reduce_ex__(5){way}") is LOCK


def test_connection_of_a_closure(stack: ExitStack) -> None:
    """What a function closes over is named by its variable."""
    assert explain_unpicklable(closing_over(connection(stack))) == (
        "closure variable 'connection' is a sqlite3.Connection"
    )


def test_only_what_is_pickled_is_blamed() -> None:
    """What ``__getstate__`` leaves out is not the reason."""
    text = explain_unpicklable([WithoutLock(), Holder(LOCK)])
    assert text == "[1].value is a _thread.lock"


def test_plain_blames_the_lambda_itself() -> None:
    """For the standard pickle the function is the culprit, not what it closes over."""
    text = explain_unpicklable([closing_over(LOCK)], plain=True)
    assert text is not None
    assert text.startswith("[0] is a function, and pickling it raised ")


# ------------------------------------------------------------- size and shape


def test_cycles_end() -> None:
    """An object that contains itself is searched once."""
    around: dict[str, object] = {}
    around["self"] = [around, {"again": around}]
    around["lock"] = LOCK
    assert explain_unpicklable(around) == "['lock'] is a _thread.lock"
    del around["lock"]
    assert explain_unpicklable(around) is None


def test_depth_is_told() -> None:
    """What is nested too deeply is said to be, with both ends of the way there."""
    text = path_of_unpicklable({"tree": nested(1, 100_000)}, "arguments")
    assert text.startswith("arguments['tree'][0][0]")
    assert text.endswith("[0][0] is nested too deeply to be pickled")
    assert len(text) < 200


def test_depth_of_instances_is_told() -> None:
    """The way into deep objects is told by their attributes, not by how they pickle."""
    thing: object = 1
    for _ in range(100_000):
        thing = Holder(thing)
    text = explain_unpicklable(thing)
    assert text is not None
    assert text.endswith(".value.value is nested too deeply to be pickled")
    assert "reduced" not in text


def test_culprit_in_the_depth() -> None:
    """A culprit is found deeper than a pickler gets."""
    text = explain_unpicklable(nested(LOCK, 10_000))
    assert text is not None
    assert text.endswith("[0][0] is a _thread.lock")


def test_objects_without_end() -> None:
    """An object that is made of ever new ones is said to be nested too deeply."""
    assert not is_picklable(Endless())
    text = explain_unpicklable(Endless())
    assert text is not None
    assert text.endswith("is nested too deeply to be pickled")


def test_culprit_in_a_million() -> None:
    """A culprit at the end of a long list is found."""
    things = [*range(1_000_000), LOCK]
    assert explain_unpicklable(things) == "[1000000] is a _thread.lock"


def test_each_object_is_asked_a_few_times() -> None:
    """The search is not quadratic: no part is taken apart for each of its owners."""
    asked = itertools.count()

    class Counted:
        def __init__(self, others: list[Counted]) -> None:
            self.others = others

        def __reduce__(self) -> Any:
            next(asked)
            return object, (), None, iter(self.others)

    others: list[Counted] = []
    others += [Counted(others) for _ in range(300)]
    assert explain_unpicklable([*others, LOCK]) == "[300] is a _thread.lock"
    assert next(asked) <= 2 * 300


# ------------------------------------------------------------- properties

atoms = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()
)
keys = st.one_of(st.text(max_size=5), st.integers(-99, 99), st.none())


def containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Holder, inner),
        st.builds(Slotted, inner),
        st.builds(MyDict, st.dictionaries(keys, inner, max_size=2)),
        st.builds(closing_over, inner),
    )


culprits = st.sampled_from([threading.Lock, threading.local, generate]).map(
    lambda make: make()
)
anything = st.recursive(atoms | culprits, containers, max_leaves=8)
harmless = st.recursive(atoms, containers, max_leaves=4)


def is_taken_by_pickle(thing: object) -> bool:
    try:
        pickle.dumps(thing, 5)
    except Exception:
        return False
    return True


@given(anything)
def test_plain_is_what_the_standard_pickle_does(thing: object) -> None:
    """The plain answer is the one that pickling gives."""
    assert is_picklable(thing, plain=True) == is_taken_by_pickle(thing)


@given(anything, st.booleans())
def test_reason_if_and_only_if_not_picklable(thing: object, plain: bool) -> None:
    """There is a reason exactly for what cannot be pickled."""
    assert (explain_unpicklable(thing, plain=plain) is None) == is_picklable(
        thing, plain=plain
    )


Wrap = Callable[[object], object]
wraps: st.SearchStrategy[Wrap] = st.one_of(
    st.builds(
        lambda before, after: lambda thing: [*before, thing, *after],
        st.lists(harmless, max_size=2),
        st.lists(harmless, max_size=2),
    ),
    st.builds(
        lambda others, key: lambda thing: {**others, key: thing},
        st.dictionaries(keys, harmless, max_size=2),
        keys,
    ),
    st.builds(lambda first: lambda thing: Pair(first, thing), harmless),
    st.builds(lambda first: lambda thing: (first, thing), harmless),
    st.just(lambda thing: MyDict(a=thing)),
    st.sampled_from(
        [
            *(Holder, Data, Slotted, ValueError, lambda thing: Holder(thing).method),
            *(lambda thing: functools.partial(module_function, thing),),
            *(lambda thing: collections.deque([thing]),),
        ]
    ),
)


@given(st.lists(wraps, max_size=5))
def test_path_leads_to_the_culprit(around: list[Wrap]) -> None:
    """Whatever is around the culprit, the expression leads to it."""
    thing: object = LOCK
    for wrap in around:
        thing = wrap(thing)
    text = path_of_unpicklable(thing, "thing")
    assert eval(text.removesuffix(IS_A_LOCK)) is LOCK


# ------------------------------------------------------------- imports


def test_import_is_light() -> None:
    """Importing the modules does not import cloudpickle or tblib."""
    code = (
        "import sys\n"
        "import cotality.core.utils._process.pickling.reasons.explain\n"
        "import cotality.core.utils._process.advice.task_words\n"
        "print({'cloudpickle', 'tblib', 'numpy'} & set(sys.modules))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_refusal_says_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a free descriptor, for instance, what explains it cannot be imported."""
    explain = "cotality.core.utils._process.pickling.reasons.explain"
    error = TypeError("cannot pickle '_thread.lock' object")
    full = unpicklable_call(print, (LOCK,), {}, error)
    monkeypatch.setitem(sys.modules, explain, None)
    short = unpicklable_call(print, (LOCK,), {}, error)

    assert f"positional[0]{IS_A_LOCK}" in str(full)
    assert "TypeError: cannot pickle '_thread.lock' object. Use threads" in str(short)
    assert short.__cause__ is full.__cause__ is error
