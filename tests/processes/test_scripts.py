"""Functions and classes of a main module: scripts, ``-m``, ``-c``, REPL, notebooks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.helpers import environment_of_scripts, run_script
from tests.kit.limits import LONG_S


def run_python(options: list[str], folder: Path, typed: str = "") -> str:
    """What Python prints with *options* in *folder*, quietly, with *typed* as input."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", *options],
        cwd=folder,
        env=environment_of_scripts(),
        input=typed,
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 2,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


# No main guard anywhere. Each start of the script adds a line to a file.
SCRIPT = """
import enum, os, threading
from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple
from cotality.core.utils.process import *

with open("starts", "a") as file:
    file.write(f"{os.getpid()}\\n")

OFFSET = 10

def shift(x):
    return x + OFFSET

def run(function, *arguments):
    tasks = [Task.of(function, *arguments)] * 4
    results = execute_tasks_in_parallel(tasks, 2, True)
    assert len(results) == 4
    return results[0]
"""

KINDS = {
    "function": "print(run(shift, 1) == 11)",
    "recursive function": (
        "def factorial(n): return n * factorial(n - 1) if n else 1\n"
        "print(run(factorial, 10) == 3628800)"
    ),
    "lambda": "print(run(lambda x: shift(x) * 2, 1) == 22)",
    "closure": (
        "def adder(n):\n"
        "    def add(x): return x + n\n"
        "    return add\n"
        "print(run(adder(5), 1) == 6)\n"
    ),
    "closure as a result": (
        "def adder(n): return lambda x: x + n\nprint(run(adder, 5)(1) == 6)"
    ),
    "class": (
        "class Thing:\n"
        "    count = 3\n"
        "    def __init__(self, name): self.name = name\n"
        "    def double(self): return Thing(self.name * 2)\n"
        "result = run(Thing('a').double)\n"
        "print(type(result) is Thing, isinstance(result, Thing), result.name == 'aa')\n"
    ),
    "subclass with super": (
        "class Base:\n"
        "    def value(self): return 1\n"
        "class Derived(Base):\n"
        "    def value(self): return super().value() + 1\n"
        "    def copy(self): return Derived()\n"
        "print(run(Derived().value) == 2, isinstance(run(Derived().copy), Base))\n"
    ),
    "dataclass": (
        "@dataclass(frozen=True, slots=True)\n"
        "class Point:\n"
        "    x: int\n"
        "def move(p): return Point(p.x + 1)\n"
        "print(run(move, Point(1)) == Point(2), type(run(move, Point(1))) is Point)\n"
    ),
    "enum": (
        "class Color(enum.Enum):\n"
        "    RED = 1\n"
        "    BLUE = 2\n"
        "def other(c):\n"
        "    return Color.BLUE if c is Color.RED else Color.RED\n"
        "print(run(other, Color.RED) is Color.BLUE)\n"
    ),
    "named tuples": (
        "Pair = namedtuple('Pair', 'a b')\n"
        "class Typed(NamedTuple):\n"
        "    a: int\n"
        "def swap(p): return Pair(p.b, p.a)\n"
        "print(run(swap, Pair(1, 2)) == Pair(2, 1))\n"
        "print(type(run(swap, Pair(1, 2))) is Pair)\n"
        "print(type(run(lambda: Typed(1))) is Typed)\n"
    ),
    "exception": (
        "class Failure(Exception):\n"
        "    def __init__(self, code): super().__init__(f'code {code}')\n"
        "def fail(code): raise Failure(code)\n"
        "try: run(fail, 3)\n"
        "except Failure as error: print(str(error) == 'code 3')\n"
    ),
    "exception with attributes": (
        "class Failure(ValueError):\n"
        "    pass\n"
        "def fail():\n"
        "    error = Failure('text')\n"
        "    error.code = 7\n"
        "    raise error\n"
        "try: run(fail)\n"
        "except Failure as error: print(error.code == 7, error.args == ('text',))\n"
    ),
    "class with a cache": (
        "class Counted:\n"
        "    made = 0\n"
        "    def __new__(cls):\n"
        "        cls.made += 1\n"
        "        return super().__new__(cls)\n"
        "print(type(run(Counted)) is Counted)\n"
    ),
    "what the worker changes stays there": (
        "state = []\n"
        "def note(x):\n"
        "    state.append(x)\n"
        "    return len(state)\n"
        "print(run(note, 1) >= 1, state == [])\n"
    ),
    "executor": (
        "with IsolatedProcessPoolExecutor(2) as executor:\n"
        "    print(list(executor.map(shift, range(3))) == [10, 11, 12])\n"
    ),
    "executor with an initializer": (
        "def prepare(value): os.environ['PREPARED'] = value\n"
        "with IsolatedProcessPoolExecutor(1, None, prepare, ('yes',)) as executor:\n"
        "    print(executor.submit(os.getenv, 'PREPARED').result() == 'yes')\n"
    ),
    "pool": (
        "prepared = None\n"
        "def prepare(value):\n"
        "    os.environ['PREPARED'] = value\n"
        "with worker_pool(max_workers=2, initializer=prepare, initargs=('yes',)):\n"
        "    print(run(lambda: os.environ['PREPARED']) == 'yes')\n"
    ),
    "call inside of a task": (
        "def inner(): return execute_tasks_in_parallel([Task.of(shift, 1)] * 2, 2)\n"
        "print(run(inner) == [11, 11])\n"
    ),
    "call on processes inside of a task": (
        "def inner():\n"
        "    return execute_tasks_in_parallel([Task.of(shift, 1)] * 2, 1, True)\n"
        "print(run(inner) == [11, 11])\n"
    ),
}


def check(printed: str) -> None:
    assert printed
    assert set(printed.split()) == {"True"}


def check_started_once(folder: Path) -> None:
    assert len((folder / "starts").read_text().splitlines()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_without_a_main_guard(kind: str, tmp_path: Path) -> None:
    """What it defines works in workers, keeps its identity, and it runs once."""
    check(run_script(SCRIPT + KINDS[kind], tmp_path))
    check_started_once(tmp_path)


def test_what_a_script_redefines_is_what_runs(tmp_path: Path) -> None:
    """Each call takes the functions as they are at that time."""
    source = SCRIPT + (
        "print(run(shift, 1) == 11)\n"
        "OFFSET = 20\n"
        "print(run(shift, 1) == 21)\n"
        "def shift(x): return -x\n"
        "print(run(shift, 1) == -1)\n"
    )
    check(run_script(source, tmp_path))
    check_started_once(tmp_path)


def test_a_script_with_a_main_guard(tmp_path: Path) -> None:
    """It works as well, of course."""
    source = SCRIPT + "if __name__ == '__main__':\n    print(run(shift, 1) == 11)\n"

    check(run_script(source, tmp_path))
    check_started_once(tmp_path)


def test_a_module_run_with_m(tmp_path: Path) -> None:
    """``python -m`` is as good as a script, with its relative imports."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "beside.py").write_text("def triple(x): return 3 * x\n")
    source = (
        SCRIPT
        + "from .beside import triple\n"
        + KINDS["class"]
        + "print(run(triple, 2) == 6, run(lambda x: triple(x), 2) == 6)\n"
    )
    (package / "module.py").write_text(source)

    check(run_python(["-m", "package.module"], tmp_path))
    check_started_once(tmp_path)


def test_a_package_run_with_m(tmp_path: Path) -> None:
    """So is the ``__main__`` of a package."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SCRIPT + KINDS["dataclass"])

    check(run_python(["-m", "package"], tmp_path))
    check_started_once(tmp_path)


def test_a_program_on_the_command_line(tmp_path: Path) -> None:
    """``python -c`` needs no file at all."""
    check(run_python(["-c", SCRIPT + KINDS["enum"]], tmp_path))
    check_started_once(tmp_path)


def test_a_program_on_standard_input(tmp_path: Path) -> None:
    """Nor does one that is piped into Python."""
    check(run_python(["-"], tmp_path, SCRIPT + KINDS["exception"]))
    check_started_once(tmp_path)


def test_the_interactive_interpreter(tmp_path: Path) -> None:
    """What is typed line by line can be sent to workers."""
    typed = (
        "from cotality.core.utils.process import *\n"
        "class Thing: pass\n"
        "\n"
        "def make(): return Thing()\n"
        "\n"
        "tasks = [Task(make)] * 4\n"
        "all(type(t) is Thing for t in execute_tasks_in_parallel(tasks, 2, True))\n"
        "def make(): return 5\n"
        "\n"
        "execute_tasks_in_parallel([Task(make)] * 2, 2, True) == [5, 5]\n"
        "execute_tasks_in_parallel([Task(lambda: 6)] * 2, 2, True) == [6, 6]\n"
    )
    check(run_python(["-i", "-q"], tmp_path, typed))


def test_cells_of_a_notebook(tmp_path: Path) -> None:
    """Each cell may use what earlier ones have defined."""
    pytest.importorskip("IPython")
    source = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "cells = ['from cotality.core.utils.process import *',\n"
        "    'class Thing: pass\\ndef make(): return Thing()',\n"
        "    'r = execute_tasks_in_parallel([Task(make)] * 4, 2, True)',\n"
        "    'print(all(type(t) is Thing for t in r))']\n"
        "for cell in cells:\n"
        "    shell.run_cell(cell).raise_error()\n"
    )
    check(run_python(["-c", source], tmp_path))


def test_a_script_read_by_runpy(tmp_path: Path) -> None:
    """Profilers and debuggers run a script this way, under the name ``__main__``."""
    (tmp_path / "inner.py").write_text(SCRIPT + KINDS["function"])
    source = "import runpy; runpy.run_path('inner.py', run_name='__main__')"

    check(run_python(["-c", source], tmp_path))
    check_started_once(tmp_path)


IN_A_DICTIONARY = """
from cotality import pmap
from cotality.core.utils.process import IsolatedProcessPoolExecutor

def run(function, *items, **options):
    options |= dict(processes=True, workers=1, chunksize=1)
    return pmap(function, items, **options)

names = NAMES
exec('''
offset = count = 0
class Thing:
    def work(self, x): return x + offset
def set_up(value):
    global offset
    offset = value
def work(x): return x + offset
def counted(x):
    global count
    count += 1
    return count
add = lambda x: x + offset
def make(x): return Thing()
''', names)
work, set_up, add = names["work"], names["set_up"], names["add"]
once = dict(initializer=set_up, initargs=(100,))
print(run(work, 1, 2, **once) == [101, 102], run(add, 1, **once) == [101])
print(run(names["Thing"]().work, 1, **once) == [101])
print(run(names["counted"], 1, 1) == [1, 2], run(names["counted"], 1) == [3])
exec('''
def work(x): return x * 2 + offset
offset = 7
''', names)
print(run(names["work"], 1) == [9], run(add, 1) == [8])
print(type(run(names["make"], 1)[0]) is names["Thing"])
with IsolatedProcessPoolExecutor(1, None, set_up, (5,)) as executor:
    print(executor.submit(add, 1).result() == 6)
"""


@pytest.mark.parametrize("names", ["{'__name__': '__console__'}", "{}"])
def test_what_runs_in_a_dictionary_of_its_own(names: str, tmp_path: Path) -> None:
    """A worker has it once, as it has the globals of a script.

    So run consoles of `code`, Django's shell, `runpy` and `exec`.
    """
    source = IN_A_DICTIONARY.replace("NAMES", names)
    assert set(run_script(source, tmp_path).split()) == {"True"}
