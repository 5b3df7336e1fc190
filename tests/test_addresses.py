"""What pickles name of this package: public names, and those that are for good."""

from __future__ import annotations

import importlib
import pickle
import pickletools
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from cotality import tuning
from cotality.core.utils import dead_letters, journal, pickled, process
from cotality.core.utils.process import (
    DeadLetters,
    IsolatedProcessPoolExecutor,
    Journal,
    Outcome,
    Progress,
    Retry,
    RunReport,
    Skipped,
    Task,
    advise,
    execute_tasks_in_parallel,
    iter_outcomes,
    share,
    worker_state,
)
from cotality.tuning import system
from tests import fatal
from tests.helpers import run_script
from tests.limits import LONG_S

INNER = "_process", "_tuning", "_kit"
FRONT_DOORS = [process, tuning, system, journal, dead_letters]

# Never take one out of this list, and never give one another meaning: pickles that
# were made by an earlier release name it.
OF_REPORTS = {
    "FailureGroup",
    "Pieces",
    "RanAlone",
    "RunDiary",
    "RunSeen",
    "SlowTask",
    "Slowest",
    "Span",
    "Timeline",
    "WorkerRow",
}
ADDRESSES = {
    *OF_REPORTS,
    "PackedException",
    "PackedFrame",
    "WorkerState",
    "define_globals",
    "import_class",
    "import_context_variable",
    "import_from_files",
    "make_cached_property",
    "make_class",
    "make_code",
    "make_context_variable",
    "make_enum",
    "make_exception",
    "make_function",
    "make_lru_cache",
    "make_new_type",
    "make_param_spec",
    "make_shared",
    "make_single_dispatch",
    "recall_attribute",
    "recall_global",
    "register_implementations",
    "set_class_state",
}


def names_in(data: bytes) -> set[tuple[str, str]]:
    """What the pickle *data*, and pickles among its bytes, name of this package."""
    found: set[tuple[str, str]] = set()
    memo: list[Any] = []
    last: list[Any] = []  # the texts before, of which a name is made
    for code, given, _ in pickletools.genops(data):
        if code.name == "GLOBAL":
            module, _, name = str(given).partition(" ")
            found.add((module, name))
        elif code.name == "STACK_GLOBAL":
            found.add((last[-2], last[-1]))
        elif "BINUNICODE" in code.name:
            last.append(given)
        elif code.name == "MEMOIZE":
            memo.append(last[-1] if last else None)
        elif code.name in ("BINGET", "LONG_BINGET"):
            last.append(memo[given])
        elif "BYTES" in code.name or "BYTEARRAY" in code.name:
            found |= names_in_bytes(bytes(given))
        if code.name in ("STACK_GLOBAL", "REDUCE", "NEWOBJ"):
            last.append(None)
    return {each for each in found if each[0].partition(".")[0] == "cotality"}


def names_in_bytes(data: bytes) -> set[tuple[str, str]]:
    """The same, of bytes that need not be a pickle."""
    try:
        return names_in(data)
    except (ValueError, IndexError):
        return set()


# What is pickled by name.


NAMED = [
    pytest.param(getattr(door, name), id=f"{door.__name__}-{name}")
    for door in FRONT_DOORS
    for name in door.__all__
]


@pytest.mark.parametrize("thing", NAMED)
def test_what_is_public_is_named_by_where_it_is_imported_from(thing: Any) -> None:
    """A pickle of it has no address of the inside."""
    ((module, name),) = names_in(pickle.dumps(thing))

    assert module in {door.__name__ for door in FRONT_DOORS}
    assert getattr(importlib.import_module(module), name) is thing


@pytest.mark.parametrize("name", sorted(ADDRESSES))
def test_each_address_leads_to_what_names_it(name: str) -> None:
    """And pickles write that address."""
    thing: Any = getattr(pickled, name)

    assert names_in(pickle.dumps(thing)) == {(pickled.__name__, name)}
    assert pickle.loads(pickle.dumps(thing)) is thing


def test_addresses_are_not_taken_away() -> None:
    """The list here is fixed: a new one is added to it, none is renamed."""
    assert pickled.LATER.keys() == ADDRESSES
    with pytest.raises(AttributeError, match="a later version"):
        _ = pickled.no_such_thing


# What is in pickles of examples.


def failed_outcomes() -> list[Outcome[Any]]:
    tasks = [Task.of(fatal.exit_with, 3), Task.of(int, "x"), Task.of(int, "1")]
    return list(iter_outcomes(tasks, use_processes=True))


def report_of_run() -> RunReport:
    report = RunReport()
    tasks = [Task.of(int, "x"), Task.of(int, "1")]
    execute_tasks_in_parallel(tasks, 1, True, True, report=report)
    return report


def error_of_executor() -> BaseException | None:
    with IsolatedProcessPoolExecutor(1) as executor:
        return executor.submit(fatal.exit_with, 3).exception(LONG_S)


def plan_and_result() -> list[object]:
    plan = tuning.optimize(abs, range(100))
    return [plan, plan.profile, tuning.execute(abs, range(100), verbose=True)]


def letters_in(folder: Path) -> list[object]:
    letters = DeadLetters(folder / "letters")
    execute_tasks_in_parallel([Task.of(int, "x")], 1, False, True, dead_letters=letters)
    return [letters, *letters.entries()]


def with_progress() -> list[object]:
    seen: list[Progress] = []
    execute_tasks_in_parallel([Task.of(int, "1")], progress=seen.append)
    return [*seen]


def test_examples_of_what_is_public_name_nothing_of_the_inside(
    tmp_path: Path,
) -> None:
    """Whatever of ours a user may keep in a pickle of his own."""
    examples: dict[str, object] = {
        "outcomes": failed_outcomes(),
        "report": report_of_run(),
        "error": error_of_executor(),
        "plan": plan_and_result(),
        "letters": letters_in(tmp_path),
        "progress": with_progress(),
        "rules": [Retry(), Journal(tmp_path / "journal"), Skipped("key")],
        "advice": advise([Task.of(abs, 1)] * 3),
        "task": [Task.of(abs, 1), share([1]), worker_state(dict)],
        "policy": tuning.DLQPolicy(),
        "errors": [
            getattr(door, name)("text")
            for door in FRONT_DOORS
            for name in door.__all__
            if name.endswith("Error")
        ],
    }
    found = {name: names_in(pickle.dumps(each)) for name, each in examples.items()}
    assert all(found.values())
    inner = {each for names in found.values() for each in names if is_inner(each[0])}
    assert inner == set()
    named = {each for names in found.values() for each in names}
    assert {of for at, of in named if at == pickled.__name__} <= ADDRESSES


def is_inner(module: str) -> bool:
    return not {*INNER}.isdisjoint(module.split("."))


PROGRAM = """
import base64, enum, functools, os, typing
from contextvars import ContextVar
from pathlib import Path

from _pytest.outcomes import Skipped as SkippedTest

from cotality.core.utils._process.pickling.encode import encode, encode_answer
from cotality.core.utils._process.pickling.exceptions import pack_exception
from cotality.core.utils.process import *
from tests import test_addresses
from tests.test_addresses import names_in

here = ContextVar("here")

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.lock = None

class Color(enum.Enum):
    RED = 1

class Base:
    class Inner:
        def method(self):
            return Color.RED

@functools.singledispatch
def by_kind(value):
    return here

@by_kind.register
def _(value: int):
    return Odd

@functools.lru_cache
def cached(value):
    return value

class Lazy:
    @functools.cached_property
    def value(self):
        return cached(1)

Number = typing.NewType("Number", int)
Given = typing.ParamSpec("Given")

def fail(value):
    raise Odd(value, here)

def made():
    def inner():
        return cached
    class Local(Lazy):
        color = Color
    return inner, Local, Number, Given, enum.Enum("Size", "SMALL")

if __name__ == "__main__":
    journal, letters = Journal("journal"), DeadLetters("letters")
    by_value = Task(fail, {"value": lambda: by_kind}, label="by value")
    tasks = [Task.of(fail, 1), by_value, Task.of(made)]
    execute_tasks_in_parallel(
        tasks, 1, True, True, dead_letters=letters, journal=journal
    )
    found = set()
    for letter in letters.entries():
        found |= names_in(base64.b64decode(letter.packed))
    for file in journal.results_path.iterdir():
        found |= test_addresses.names_in_file(file.read_bytes())
    inner = Base.Inner
    variable = ContextVar("local")
    for value in (
        made, made(), fail, by_kind, cached, Lazy, Lazy(), inner, inner.method,
        (lambda: variable), test_addresses.PLACED, share(1), worker_state(dict),
    ):
        found |= names_in(encode(value))
        found |= names_in(encode_answer(value))
    found |= names_in(pack_exception(SkippedTest("no")))
    try:
        fail(1)
    except Odd as error:
        found |= names_in(pack_exception(error))
    for module, name in sorted(found):
        print(module, name)
"""
PLACED: ContextVar[int] = ContextVar("PLACED")


def names_in_file(data: bytes) -> set[tuple[str, str]]:
    """The names in pickles that follow one another."""
    found: set[tuple[str, str]] = set()
    for part in data.split(b"\x80\x05"):
        found |= names_in_bytes(b"\x80\x05" + part)
    return found


def test_what_outlives_a_run_names_addresses_that_stay(tmp_path: Path) -> None:
    """One of each kind that ends in a journal, in a dead letter or by value."""
    lines = run_script(PROGRAM, tmp_path).splitlines()

    found = {(module, name) for module, name in map(str.split, lines)}
    public = {door.__name__ for door in FRONT_DOORS}
    assert {module for module, _ in found} <= {*public, pickled.__name__}
    # Found by files beside no path, which takes a program of its own: see the tests of
    # scripts.
    rare = {"import_from_files", "recall_attribute", *OF_REPORTS}
    names = {name for module, name in found if module == pickled.__name__}
    assert ADDRESSES - rare <= names <= ADDRESSES
