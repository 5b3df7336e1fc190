"""The module that programs import: everything is there, and little is loaded."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from types import ModuleType
from typing import Any, get_type_hints

import pytest

import cotality
from cotality import joblib as joblib_door
from cotality import jobs, tuning, web
from cotality.core.utils import process
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

IMPORT = "from cotality.core.utils.process import Task, execute_tasks_in_parallel"
LISTS_AND_STREAMS = [
    "execute_tasks_in_parallel",
    "execute_tasks_in_parallel_unordered",
    "execute_tasks_in_parallel_streaming",
    "iter_outcomes",
]
# What threads do not need, and everybody would wait for.
EXPENSIVE = {
    *("asyncio", "difflib", "json", "multiprocessing", "pickle", "subprocess"),
    *("dataclasses", "inspect", "typing_extensions"),
}
# What defines a data class, or a named tuple.
RECORDS = {f"_kit.records.{name}" for name in ("data_class", "late", "named_tuple")}

FRONT_DOORS = [process, tuning, jobs, joblib_door, web]
NAMES = [
    pytest.param(door, name, id=f"{door.__name__.rpartition('.')[2]}-{name}")
    for door in FRONT_DOORS
    for name in door.__all__
]


@pytest.mark.parametrize(("door", "name"), NAMES)
def test_every_public_name_is_there(door: ModuleType, name: str) -> None:
    """Although it is imported only when it is asked for."""
    thing = getattr(door, name)

    assert getattr(thing, "__name__", name) == name
    assert name in dir(door)


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_what_is_there_is_public(door: Any) -> None:
    """And nothing else: a name that is not there says so."""
    assert door.LATER.keys() == set(door.__all__)
    assert not hasattr(door, "no_such_thing")
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        _ = door.no_such_thing


@pytest.mark.parametrize("name", cotality.__all__)
def test_the_package_itself_has_what_most_people_need(name: str) -> None:
    """The same objects as the front door of the core, and explained there."""
    assert getattr(cotality, name) is getattr(process, name)
    assert name in dir(cotality)
    assert f"`{name}`" in (cotality.__doc__ or "")


def test_the_package_has_nothing_else() -> None:
    """A name that is not there says so."""
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        _ = cotality.no_such_thing
    assert loaded_by("import cotality") <= {"cotality"}


def test_to_import_pmap_imports_next_to_nothing() -> None:
    """What runs it is imported by the first call."""
    loaded = loaded_by("from cotality import pmap")

    assert ours_of(loaded) == {
        "_kit.public",
        "call.options.declared",
        "call.mapping",
        "call.options.shown_options",
        "machine.forks",
    }
    assert not loaded & {"logging", *EXPENSIVE}


def test_to_import_the_module_imports_nothing_else() -> None:
    """Each name is imported when somebody asks for it."""
    loaded = loaded_by("import cotality.core.utils.process")

    assert ours_of(loaded) == set()
    assert not loaded & {"typing", *EXPENSIVE}


def test_to_import_what_most_programs_need_imports_little() -> None:
    """What runs the tasks is imported by the first call."""
    loaded = loaded_by(IMPORT)

    assert ours_of(loaded) == {
        "_kit.public",
        *RECORDS,
        "_kit.safe_text",
        "_kit.struck",
        "call.options.declared",
        "call.functions",
        "call.options.shown_options",
        "machine.forks",
        "tasks.checks",
        "tasks.seconds",
        "tasks.task",
    }
    assert not loaded & {"concurrent.futures", "logging", *EXPENSIVE}


@pytest.mark.parametrize("function", LISTS_AND_STREAMS)
def test_a_program_waits_for_what_it_uses(function: str) -> None:
    """Threads need nothing of what processes, retries, journals and reports need."""
    loaded = loaded_by(
        f"from cotality.core.utils.process import Task, {function}\n"
        f"list({function}([Task(abs, positional=(-1,))]))"
    )

    ours = ours_of(loaded)
    assert ours.isdisjoint(
        {
            *("workers.worker_main", "workers.pool", "rules.retry"),
            *("pickling.encode", "pickling.context_values", "pickling.reasons.explain"),
            *("pickling.context_variables", "tasks.not_picklable"),
        }
    )
    rooms = {name.partition(".")[0] for name in ours}
    assert rooms.isdisjoint({"durable", "report", "progress", "auto"})
    assert not loaded & EXPENSIVE


# Modules behind the front door that a first call loads. One more for every call makes
# every program wait for it: import what only some calls need where they need it.
MOST_LOADED = {"threads": 59, "processes": 130}


@pytest.mark.parametrize("kind", MOST_LOADED)
def test_a_first_call_loads_no_more_than_it_did(kind: str) -> None:
    """Each module is one more file to find and to run before the first result."""
    loaded = loaded_by(
        f"{IMPORT}\n"
        "execute_tasks_in_parallel(\n"
        f"    [Task(abs, positional=(-1,))], 2, {kind == 'processes'}\n"
        ")"
    )

    ours = ours_of(loaded)
    assert f"backends.{kind}" in ours
    assert not loaded & {"dataclasses", "inspect"}
    assert len(ours) <= MOST_LOADED[kind], sorted(ours)


def test_to_import_tuning_imports_nothing_else() -> None:
    """It is a front door of the same kind."""
    loaded = loaded_by("import cotality.tuning")

    assert ours_of(loaded) == set()
    assert not any(name.startswith("cotality.tuning._tuning.") for name in loaded)
    assert not loaded & EXPENSIVE


def test_a_pickle_is_opened_by_a_program_that_has_asked_for_nothing() -> None:
    """It names the front door, which brings what it is asked for."""
    packed = pickle.dumps(process.Task(abs, positional=(-1,)))

    printed = run(f"import pickle; print(pickle.loads({packed!r}))")

    assert printed.startswith("Task(abs(-1))")


def test_everything_is_there_at_once_for_those_who_want_that() -> None:
    """With a star, and in what `help` shows."""
    program = (
        "from cotality.core.utils.process import *\n"
        "import pydoc, sys\n"
        "front_door = sys.modules['cotality.core.utils.process']\n"
        "assert all(globals()[n] is vars(front_door)[n] for n in front_door.__all__)\n"
        "print(pydoc.plain(pydoc.render_doc(front_door)))"
    )

    shown = run(program)

    for name in process.__all__:
        assert re.search(rf"^    (class )?{name}\b", shown, re.MULTILINE), name


@pytest.mark.parametrize("name", [name for name in process.__all__ if name.islower()])
def test_the_types_of_a_function_can_be_asked_for(name: str) -> None:
    """What its signature names is there when the program runs."""
    assert "return" in get_type_hints(getattr(process, name))


@pytest.mark.alone
def test_a_few_trivial_items_need_nothing_of_the_core() -> None:
    """`execute` sets up the engine when there is something for it to do."""
    loaded = loaded_by(
        "from cotality.tuning import execute\n"
        "assert execute(abs, range(10)) == list(range(10))"
    )

    needed = {
        *("_kit.front_door", "_kit.public", "_kit.safe_text", "_kit.struck"),
        *RECORDS,
        *(
            "tasks.checks",
            "tasks.seconds",
            "tasks.task",
            "call.loops.head_start",
            "call.loops.loop_first",
            "call.loops.plain_loop",
        ),
        # Which its signature shows.
        *("call.options.declared", "call.options.shown_options"),
        *("machine.environment", "machine.forks", "machine.second_thread"),
    }
    # And these where other programs keep the CPUs busy.
    assert ours_of(loaded) <= needed | {"machine.run_queue", "machine.short_turns"}
    assert not loaded & {"concurrent.futures", "logging", *EXPENSIVE}


def loaded_by(source: str) -> set[str]:
    """The modules that *source* imports, beyond those that any program has."""
    return set(
        run(
            "import sys\n"
            "before = set(sys.modules)\n"
            f"{source}\n"
            "print(*set(sys.modules) - before)"
        ).split()
    )


def ours_of(loaded: set[str]) -> set[str]:
    """The modules among *loaded* that are behind the front door, with their rooms.

    The packages of the rooms are left out: they hold a docstring and nothing else.
    """
    behind = ("cotality.core.utils._process.", "cotality._kit.")
    names = {name for name in loaded if name.startswith(behind)}
    names -= {name.rpartition(".")[0] for name in names}
    return {name.removeprefix(behind[0]).removeprefix("cotality.") for name in names}


def run(program: str) -> str:
    """What *program* prints, in an interpreter of its own."""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
        check=True,
    )
    return ended.stdout
