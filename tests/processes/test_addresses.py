"""What pickles name of this package: public names, and those that are for good."""

from __future__ import annotations

import importlib
import os
import pickle
import re
import shutil
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from cotality import flow, jobs, tuning, web
from cotality import joblib as joblib_door
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
from cotality.jobs import feeds, health, webhooks
from cotality.tuning import system
from tests.kit import fatal
from tests.kit.helpers import output_of, run_script
from tests.kit.limits import LONG_S
from tests.kit.pickle_names import names_in

INNER = "_process", "_tuning", "_kit", "_flow", "_jobs", "_web", "_joblib"
FRONT_DOORS = [
    *(process, tuning, system, journal, dead_letters),
    *(flow, jobs, feeds, health, webhooks, web, joblib_door),
]

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
    "set_function_state",
}


# What is pickled by name.


def test_what_is_public_is_named_by_where_it_is_imported_from() -> None:
    """A pickle of it has no address of the inside."""
    doors = {door.__name__ for door in FRONT_DOORS}
    for door in FRONT_DOORS:
        for public_name in door.__all__:
            thing = getattr(door, public_name)
            ((module, name),) = names_in(pickle.dumps(thing))

            assert module in doors, public_name
            assert getattr(importlib.import_module(module), name) is thing


def test_each_address_leads_to_what_names_it() -> None:
    """And pickles write that address."""
    for name in ADDRESSES:
        thing: Any = getattr(pickled, name)

        assert names_in(pickle.dumps(thing)) == {(pickled.__name__, name)}
        assert pickle.loads(pickle.dumps(thing)) is thing


def test_addresses_are_not_taken_away() -> None:
    """The list here is fixed: a new one is added to it, none is renamed."""
    assert pickled.LATER.keys() == ADDRESSES
    with pytest.raises(AttributeError, match="a later version"):
        _ = pickled.no_such_thing


# What was pickled before there were addresses.

# Journals and dead letters name these: do not take one of them out. Who moves a module
# leaves something in its place that leads to the same.
EARLIER = {
    "channel.ledger Entry": "",
    "engine.blame Blame": "",
    "packing.share itself": "make_shared",
    "packing.worker_state PerWorker": "WorkerState",
    "pickling.by_value make_code": "make_code",
    "pickling.class_at class_at": "import_class",
    "pickling.context_variables imported": "import_context_variable",
    "pickling.context_variables numbered": "make_context_variable",
    "pickling.exceptions Node": "PackedException",
    "pickling.exceptions rebuild_from_fields": "make_exception",
    "report.diary Pieces": "Pieces",
    "report.diary RunDiary": "RunDiary",
    "report.failure_groups FailureGroup": "FailureGroup",
    "report.seen Seen": "RunSeen",
    "report.timeline Span": "Span",
    "report.timeline Timeline": "Timeline",
    "report.worker_rows SlowTask": "SlowTask",
    "report.worker_rows Slowest": "Slowest",
    "report.worker_rows WorkerRow": "WorkerRow",
    "rules.seen Alone": "RanAlone",
    "scripts.forms make_cache": "make_lru_cache",
    "scripts.forms make_class": "make_class",
    "scripts.forms make_dispatcher": "make_single_dispatch",
    "scripts.forms make_enum": "make_enum",
    "scripts.forms make_function": "make_function",
    "scripts.forms make_new_type": "make_new_type",
    "scripts.forms make_parameters": "make_param_spec",
    "scripts.forms make_property": "make_cached_property",
    "scripts.forms register_all": "register_implementations",
    "scripts.forms set_class_state": "set_class_state",
    "scripts.names bind": "define_globals",
    "scripts.off_path found": "import_from_files",
    "scripts.references attribute_of": "recall_attribute",
    "scripts.references recalled": "recall_global",
    "tasks.tracebacks Place": "PackedFrame",
}
LATER_ON = {"set_function_state"}  # no pickle names them by where they were before
OLD = Path(__file__).parents[1] / "old_pickles"


def test_names_in_earlier_pickles_lead_to_the_same_as_ever() -> None:
    """Each of them is what has an address by now, or only ever was in errors."""
    assert {*EARLIER.values()} == ADDRESSES - LATER_ON | {""}
    for place, name in EARLIER.items():
        module, there = place.split()
        packed = f"ccotality.core.utils._process.{module}\n{there}\n.".encode()

        thing = pickle.loads(packed)

        assert not name or thing is getattr(pickled, name)


def test_files_of_an_earlier_tree_are_read(tmp_path: Path) -> None:
    """Failures, results and a task of a script, which that has kept by value."""
    python = "{}.{}".format(*sys.version_info)
    if not (OLD / python).is_dir():
        pytest.skip(f"there is no code of Python {python} among them")
    shutil.copytree(OLD / python, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "letters").read_text("utf-8")
    (packed,) = re.findall(r'"packed":"([^"]+)"', text)
    names = {f"{module} {name}" for module, name in names_in(b64decode(packed))}
    assert len(names & {f"cotality.core.utils._process.{at}" for at in EARLIER}) > 15

    program = [sys.executable, "-W", "error", str(OLD / "program.py"), "read"]
    lines = output_of(program, tmp_path).splitlines()

    values = "('number 5', 6, <Color.RED: 1>, 8, 'Given') 7 Size.SMALL"
    assert lines == [
        "OddError 1 here KeyError(1)",
        "WorkerCrashedError SIGSEGV",
        "number 3 RED here",
        *[f"""["{values}", '[1]', '2']"""] * 2,
    ]


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


def error_of(kind: Any) -> Exception:  # Any: made in either way
    """From its message alone, or with the seconds that some need besides."""
    try:
        error: Exception = kind("text")
    except TypeError:
        error = kind("text", 1.0)
    return error


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
            error_of(getattr(door, name))
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


BY_CLOUDPICKLE = """
import cloudpickle, os
from cotality.core.utils import process

for source in "share([1])", "worker_state(dict)", "RunReport()":
    if os.fork() == 0:  # where no other has loaded what it names
        value = eval(f"process.{source}")
        os.write(1, cloudpickle.dumps(value).hex().encode() + b"\\n")
        os._exit(0)
    os.wait()
"""


@pytest.mark.one_python
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fresh process for each")
def test_cloudpickle_names_what_pickle_names(tmp_path: Path) -> None:
    """It packs what it does not find in a loaded module, and makes another of it."""
    packed = map(bytes.fromhex, run_script(BY_CLOUDPICKLE, tmp_path).split())

    for data, value in zip(
        packed, (share([1]), worker_state(dict), RunReport()), strict=True
    ):
        found = names_in(data)
        assert found == names_in(pickle.dumps(value))
        assert any(module == pickled.__name__ for module, _ in found)


def is_inner(module: str) -> bool:
    return not {*INNER}.isdisjoint(module.split("."))


PROGRAM = """
import base64, enum, functools, os, typing
from contextvars import ContextVar
from pathlib import Path

import closures
from _pytest.outcomes import Skipped as SkippedTest

from cotality.core.utils._process.pickling.encode import encode, encode_answer
from cotality.core.utils._process.pickling.exceptions import pack_exception
from cotality.core.utils.process import *
from tests.kit.pickle_names import PLACED, names_in, names_in_file

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
        found |= names_in_file(file.read_bytes())
    inner = Base.Inner
    variable = ContextVar("local")
    for value in (
        made, made(), fail, by_kind, cached, Lazy, Lazy(), inner, inner.method,
        (lambda: variable), closures.made, PLACED, share(1), worker_state(dict),
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


def test_what_outlives_a_run_names_addresses_that_stay(tmp_path: Path) -> None:
    """One of each kind that ends in a journal, in a dead letter or by value."""
    (tmp_path / "closures.py").write_text("made = lambda: 1\n", "utf-8")
    lines = run_script(PROGRAM, tmp_path).splitlines()

    found = {(module, name) for module, name in map(str.split, lines)}
    public = {door.__name__ for door in FRONT_DOORS}
    assert {module for module, _ in found} <= {*public, pickled.__name__}
    # Found by files beside no path, which takes a program of its own: see the tests of
    # scripts.
    rare = {"import_from_files", "recall_attribute", *OF_REPORTS}
    names = {name for module, name in found if module == pickled.__name__}
    assert ADDRESSES - rare <= names <= ADDRESSES
