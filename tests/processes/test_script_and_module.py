"""What is in a script works in workers as it does in a module."""

from __future__ import annotations

import json
import subprocess
import sys
import zipapp
from pathlib import Path
from typing import Any

import pytest

from tests.kit.helpers import environment_of_scripts, run_script
from tests.kit.limits import LONG_S
from tests.kit.script_programs import PROGRAMS

IMPORT = (
    "from cotality.core.utils.process import *\n"
    "def run(function, *arguments, **options):\n"
    "    task = Task.of(function, *arguments)\n"
    "    return execute_tasks_in_parallel([task], 1, True, **options)[0]\n"
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of each program, as a script and as a module; all of them run by one process."""
    folder = tmp_path_factory.mktemp("programs")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.kit.script_programs", str(folder)],
        cwd=Path(__file__).parents[2],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 8,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(map(json.loads, ended.stdout.splitlines()))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_the_same_in_a_script(
    name: str, outcomes: dict[str, Any]
) -> None:
    """On warm workers, twice in a row, on two of them, in a pool, on an executor."""
    script, module = outcomes[name]["script"], outcomes[name]["module"]

    assert script == module
    assert not any("Traceback" in told for told in script.values())


def check(source: str, folder: Path, *options: str) -> None:
    """A script that prints what has to be true."""
    printed = run_script(IMPORT + source, folder, *options)
    assert printed
    assert set(printed.split()) == {"True"}, printed


def test_a_class_that_is_defined_anew_is_another_one(tmp_path: Path) -> None:
    """The new one counts, and what comes back is of the class that was sent."""
    check(
        "class Thing:\n"
        "    def name(self): return 'old'\n"
        "def make(): return Thing()\n"
        "first = run(make)\n"
        "Old, old_make = Thing, make\n"
        "class Thing:\n"
        "    def name(self): return 'new'\n"
        "def make(): return Thing()\n"
        "print(type(run(make)) is Thing, run(make).name() == 'new')\n"
        "print(type(first) is Old, run(Old().name) == 'old')\n"
        "print(type(run(lambda x: x, Old())) is Old)\n"
        "print(type(run(lambda x: x, Thing())) is Thing)\n",
        tmp_path,
    )


def test_a_class_that_is_defined_anew_while_a_task_runs(tmp_path: Path) -> None:
    """The result is of the class that the task was sent with, not of its namesake."""
    check(
        "import time\n"
        "from pathlib import Path\n"
        "class Thing: pass\n"
        "def make():\n"
        "    while not Path('go').exists(): time.sleep(0.005)\n"
        "    return Thing()\n"
        "with IsolatedProcessPoolExecutor(1) as executor:\n"
        "    future = executor.submit(make)\n"
        "    Old = Thing\n"
        "    class Thing: pass\n"
        "    Path('go').touch()\n"
        "    print(type(future.result()) is Old)\n"
        "    Path('go').unlink()\n"
        "    future = executor.submit(make)\n"
        "    del Old, Thing\n"
        "    class Thing: pass\n"
        "    import gc; gc.collect()\n"
        "    Path('go').touch()\n"
        "    try: future.result()\n"
        "    except Exception as error: print('another one by now' in str(error))\n",
        tmp_path,
    )


def test_a_global_is_sent_again_only_when_the_program_has_changed_it(
    tmp_path: Path,
) -> None:
    """What a task has changed stays; what the program changes counts from then on."""
    check(
        "level, table = 1, {}\n"
        "def look(): return level, dict(table)\n"
        "def change():\n"
        "    global level\n"
        "    level += 10\n"
        "    table['task'] = level\n"
        "with worker_pool(max_workers=1):\n"
        "    run(change)\n"
        "    print(run(look) == (11, {'task': 11}))\n"
        "    run(change)\n"
        "    print(run(look) == (21, {'task': 21}), (level, table) == (1, {}))\n"
        "    level = 2\n"
        "    print(run(look) == (2, {'task': 21}))\n"
        "    table['program'] = 1\n"
        "    print(run(look) == (2, {'program': 1}))\n",
        tmp_path,
    )


def test_functions_of_two_scripts_in_one_program(tmp_path: Path) -> None:
    """Each has globals of its own, also where they have the same names."""
    for name, value in (("one", 1), ("two", 2)):
        (tmp_path / f"{name}.py").write_text(
            f"level = {value}\n"
            "def look(): return level\n"
            "def change(n):\n"
            "    global level\n"
            "    level = n\n"
        )
    check(
        "import runpy\n"
        "one = runpy.run_path('one.py', run_name='__main__')\n"
        "two = runpy.run_path('two.py', run_name='__main__')\n"
        "print(run(one['look']) == 1, run(two['look']) == 2)\n"
        "run(one['change'], 5)\n"
        "print(run(two['look']) == 2, run(one['look']) == 5)\n",
        tmp_path,
    )


GUARD = "if __name__ == '__main__':\n"
UNGUARDED = "with open('starts', 'a') as file: file.write('x')\n"


def test_a_script_with_a_guard_is_run_again_for_what_cannot_be_sent(
    tmp_path: Path,
) -> None:
    """Once in each worker, and only if that is needed."""
    source = (
        "import os, threading\n"
        + UNGUARDED
        + "lock, level = threading.Lock(), 1\n"
        + "class Kept: pass\n"
        + "def plain(): return level\n"
        + "def locked():\n"
        + "    with lock: return level, Kept\n"
        + GUARD
        + "    level = 2\n"
        + "    starts = lambda: os.path.getsize('starts')\n"
        + "    with worker_pool(max_workers=1):\n"
        + "        print(run(plain) == 2, starts() == 1)\n"
        + "        print(run(locked) == (2, Kept), starts() == 2)\n"
        + "        print(run(locked) == (2, Kept), run(plain) == 2, starts() == 2)\n"
    )
    check(source, tmp_path)


def test_a_script_that_starts_work_outside_of_its_guard(tmp_path: Path) -> None:
    """It is not run again without end: the error says what to do."""
    source = (
        "import threading\n"
        "run(abs, -1)\n"
        "lock = threading.Lock()\n"
        "def locked():\n"
        "    with lock: return 1\n" + GUARD + "    try: run(locked)\n"
        "    except Exception as error: text = str(error)\n"
        "    print('lock' in text, 'outside of its main guard' in text)\n"
    )
    check(source, tmp_path)


def test_a_script_without_a_guard_is_never_run_again(tmp_path: Path) -> None:
    """The task that needs what cannot be sent fails, and no other."""
    source = (
        "import threading\n"
        + UNGUARDED
        + "lock = threading.Lock()\n"
        + "def locked(n):\n"
        + "    with lock: return n\n"
        + "def plain(n): return n\n"
        + "tasks = [Task.of(f, 1) for f in (plain, locked, plain)]\n"
        + "a, error, b = execute_tasks_in_parallel(tasks, 1, True,\n"
        + "    return_exceptions=True)\n"
        + "print((a, b) == (1, 1), type(error) is TaskNotPicklableError)\n"
        + "print(\"global 'lock' used by locked\" in str(error))\n"
        + "import os\n"
        + "print('__name__ ==' in str(error), os.path.getsize('starts') == 1)\n"
        + "print(not is_picklable(locked), is_picklable(plain))\n"
    )
    check(source, tmp_path)


def test_what_cannot_be_made_in_a_worker_fails_who_needs_it(tmp_path: Path) -> None:
    """It is named, with the function that needs it and the reason."""
    source = (
        "class Odd:\n"
        "    def __reduce__(self): return fail, ()\n"
        "def fail(): raise ValueError('not here')\n"
        "odd = Odd()\n"
        "def use(): return odd\n"
        "def plain(): return 1\n"
        "tasks = [Task(f) for f in (plain, use, plain)]\n"
        "a, error, b = execute_tasks_in_parallel(tasks, 1, True,\n"
        "    return_exceptions=True)\n"
        "print((a, b) == (1, 1))\n"
        "print(all(t in str(error) for t in (\"'use'\", \"'odd'\", 'not here')))\n"
    )
    check(source, tmp_path)


def test_a_large_global_is_not_copied_into_each_pickle(tmp_path: Path) -> None:
    """An array that a function of a script uses is looked at where it is."""
    pytest.importorskip("numpy")
    source = (
        "import numpy as np\n"
        "data = np.arange(1_000_000)\n"
        "def total(n): return int(data[n]), data.base is not None\n"
        "tasks = [Task.of(total, n) for n in range(4)]\n"
        "print(execute_tasks_in_parallel(tasks, 2, True) ==\n"
        "      [(n, True) for n in range(4)])\n"
    )
    check(source, tmp_path)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_standard_pool(method: str, tmp_path: Path) -> None:
    """It has the script already; what is defined anew afterwards counts."""
    source = (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "level = 1\n"
        "class Thing: pass\n"
        "def set_up(value):\n"
        "    global level\n"
        "    level = value\n"
        "def look(): return level, Thing\n"
        + GUARD
        + f"    context = get_context({method!r})\n"
        "    with ProcessPoolExecutor(1, context, set_up, (5,)) as pool:\n"
        "        def on_pool(f):\n"
        "            return execute_tasks_in_parallel([Task(f)], executor=pool)[0]\n"
        "        pool.submit(abs, 1).result()\n"
        "        print(on_pool(look) == (5, Thing))\n"
        "        def look(): return level + 1, Thing\n"
        "        print(on_pool(look) == (6, Thing))\n"
    )
    check(source, tmp_path, "-W", "ignore::DeprecationWarning")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_an_executor_with_a_context_of_the_user(method: str, tmp_path: Path) -> None:
    """Those import the script themselves, or are forks of it; it is one namespace."""
    source = (
        "import multiprocessing as mp, threading\n"
        "level, lock = 1, threading.Lock()\n"
        "class Thing: pass\n"
        "def set_up(value):\n"
        "    global level\n"
        "    level = value\n"
        "def look():\n"
        "    with lock: return level, Thing\n"
        + GUARD
        + f"    context = mp.get_context({method!r})\n"
        "    with IsolatedProcessPoolExecutor(1, context, set_up, (5,)) as pool:\n"
        "        print(pool.submit(look).result() == (5, Thing))\n"
        "    level = 3\n"
        "    with IsolatedProcessPoolExecutor(1, context) as pool:\n"
        "        print(pool.submit(look).result() == (3, Thing))\n"
    )
    check(source, tmp_path, "-W", "ignore::DeprecationWarning")


def test_results_of_workers_of_workers(tmp_path: Path) -> None:
    """A class stays the same one however many processes it went through."""
    check(
        "class Thing: pass\n"
        "def inner(thing): return thing, Thing()\n"
        "def outer(thing):\n"
        "    a, b = execute_tasks_in_parallel([Task.of(inner, thing)], 1, True)[0]\n"
        "    class Local: pass\n"
        "    return a, b, Local()\n"
        "a, b, c = run(outer, Thing())\n"
        "print(type(a) is Thing, type(b) is Thing, type(c).__name__ == 'Local')\n",
        tmp_path,
    )


def test_the_probe_and_the_way_give_the_same_answer(tmp_path: Path) -> None:
    """What `is_picklable` says of things of a script is what sending them does."""
    check(
        "import threading, typing, functools\n"
        "lock = threading.Lock()\n"
        "Id = typing.NewType('Id', int)\n"
        "@functools.cache\n"
        "def cached(): return Id\n"
        "@functools.cache\n"
        "def bad(): return lock\n"
        "class Good:\n"
        "    def method(self): return Id\n"
        "class Bad:\n"
        "    def method(self): return lock\n"
        "class Attribute:\n"
        "    lock = lock\n"
        "def itself(x): return True\n"
        "things = [Id, cached, bad, Good, Good(), Good().method, Bad, Bad(),\n"
        "    Attribute, lambda: lock, lambda: Id, bad.__wrapped__, itself]\n"
        "for thing in things:\n"
        "    sent = run(itself, thing, return_exceptions=True) is True\n"
        "    print(is_picklable(thing) == sent)\n"
        "    print((explain_unpicklable(thing) is None) == sent)\n"
        "print(not is_picklable(bad), not is_picklable(Bad), is_picklable(Good))\n",
        tmp_path,
    )


def test_a_module_that_left_the_path(tmp_path: Path) -> None:
    """As Celery imports an application: it is found by its file, with its siblings."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop_app.py").write_text(
        "import shop_parts\n"
        "class Row:\n"
        "    def __init__(self, n): self.n = n\n"
        "def square(n): return Row(shop_parts.square(n))\n"
    )
    (folder / "shop_parts.py").write_text("def square(n): return n * n\n")
    check(
        "import sys\n"
        "sys.path.insert(0, 'shop')\n"
        "import shop_app\n"
        "sys.path.remove('shop')\n"
        "for _ in range(2):\n"
        "    made = run(shop_app.square, 3)\n"
        "    print(type(made) is shop_app.Row, made.n == 9)\n"
        "with IsolatedProcessPoolExecutor(1) as executor:\n"
        "    print(executor.submit(shop_app.square, 3).result().n == 9)\n"
        "print(run(lambda row: row.n, shop_app.Row(4)) == 4)\n",
        tmp_path,
    )


def test_a_module_with_another_name_than_its_file(tmp_path: Path) -> None:
    """As the documentation of `importlib` loads one: by the file, under any name."""
    (tmp_path / "tariff.py").write_text(
        "class Row:\n"
        "    def __init__(self, n): self.n = n\n"
        "def square(n): return Row(n * n)\n"
    )
    check(
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('plugin', 'tariff.py')\n"
        "plugin = importlib.util.module_from_spec(spec)\n"
        "sys.modules['plugin'] = plugin\n"
        "spec.loader.exec_module(plugin)\n"
        "made = run(plugin.square, 3)\n"
        "print(type(made) is plugin.Row, made.n == 9)\n",
        tmp_path,
    )


def test_a_file_that_runpy_runs(tmp_path: Path) -> None:
    """It has a name that no import finds, so what it defines travels by value."""
    (tmp_path / "tariff.py").write_text(
        "from cotality.core.utils.process import *\n"
        "class Row:\n"
        "    def __init__(self, n): self.n = n\n"
        "def square(n): return Row(n * n)\n"
        "made = execute_tasks_in_parallel([Task.of(square, 3)], 1, True)[0]\n"
        "print(type(made) is Row, made.n == 9)\n"
    )
    check(
        "import runpy\n"
        "runpy.run_path('tariff.py')\n"
        "runpy.run_path('tariff.py', run_name='other')\n",
        tmp_path,
    )


def test_a_module_that_was_made_at_run_time(tmp_path: Path) -> None:
    """It travels by value, and is one namespace in a worker."""
    check(
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_loader('my_plugin', loader=None)\n"
        "plugin = importlib.util.module_from_spec(spec)\n"
        "exec('factor = 2\\nclass Row: pass\\n'\n"
        "     'def work(n): return n * factor, Row()\\n'\n"
        "     'def change(n):\\n    global factor\\n    factor = n\\n',\n"
        "     vars(plugin))\n"
        "sys.modules['my_plugin'] = plugin\n"
        "with worker_pool(max_workers=1):\n"
        "    n, row = run(plugin.work, 2)\n"
        "    print(n == 4, type(row) is plugin.Row)\n"
        "    run(plugin.change, 5)\n"
        "    print(run(plugin.work, 2)[0] == 10, plugin.factor == 2)\n",
        tmp_path,
    )


def test_tests_that_pytest_loads_by_file(tmp_path: Path) -> None:
    """With ``--import-mode=importlib`` no folder of tests is on the import path."""
    folder = tmp_path / "checks" / "deep"
    folder.mkdir(parents=True)
    (folder / "test_rows.py").write_text(
        "from dataclasses import dataclass\n"
        "from cotality.core.utils.process import *\n"
        "@dataclass\n"
        "class Row:\n"
        "    n: int\n"
        "def row(n): return Row(n)\n"
        "def test_it():\n"
        "    tasks = [Task(row, {'n': n}) for n in range(2)]\n"
        "    assert execute_tasks_in_parallel(tasks, 1, True) == [Row(0), Row(1)]\n"
    )
    options = ["--import-mode=importlib", "-p", "no:cacheprovider", "-q"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "checks"],
        cwd=tmp_path,
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 2,
    )
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


CONFIGURED = """
import functools

config, level, connection = {}, 1, None

def set_up(value):
    config["value"] = value
    connect()

def connect():
    global connection, late
    connection, late = "open", 7

def change(new):
    global level
    level = new

def looks():
    def inner(item):
        def innermost():
            return late
        return config.get("value"), connection, level, innermost(), item
    return inner

class Looking:
    def __init__(self):
        self.look = lambda item: config.get("value")

    def __call__(self, item):
        return self.look(item)

def setter():
    def inner(value):
        config["value"] = value
    return inner

small = lambda item: (config.get("value"), connection)
"""


@pytest.mark.one_python
def test_functions_of_a_module_that_have_no_name_there(tmp_path: Path) -> None:
    """They see what an initializer sets in the module, and what the program has set."""
    (tmp_path / "configured.py").write_text(CONFIGURED, "utf-8")
    source = (
        "import functools\n"
        "import configured\n"
        "from cotality import pmap\n"
        "from cotality.core.utils.process import *\n"
        "def ran(function, first, *arguments):\n"
        "    (found,) = pmap(function, [0], processes=place, initializer=first,\n"
        "                    initargs=arguments)\n"
        "    return found\n"
        "if __name__ == '__main__':\n"
        "    configured.change(2)\n"
        "    for place in (True, False):\n"
        "        looks = configured.looks()\n"
        "        wanted = 5, 'open', 2, 7, 0\n"
        "        assert ran(looks, configured.set_up, 5) == wanted\n"
        "        first = functools.partial(configured.set_up, 6)\n"
        "        assert ran(configured.small, first) == (6, 'open')\n"
        "        assert ran(configured.Looking(), configured.set_up, 7) == 7\n"
        "        assert ran(configured.small, configured.setter(), 9)[0] == 9\n"
        "        configured.config.clear()\n"
        "    pool = IsolatedProcessPoolExecutor(1, None, configured.set_up, (8,))\n"
        "    with pool:\n"
        "        assert pool.submit(configured.small, 0).result() == (8, 'open')\n"
        "    assert pmap(configured.Looking(), [0], processes=True) == [None]\n"
        "    print('ok')\n"
    )

    assert run_script(source, tmp_path) == "ok\n"


def test_what_is_no_script_costs_nothing_more(tmp_path: Path) -> None:
    """Nothing of it is loaded for functions of modules."""
    check(
        "import sys\n"
        "print(run(abs, -1) == 1)\n"
        "print('cotality.core.utils._process.scripts.references' not in sys.modules)\n"
        "print('cloudpickle' not in sys.modules)\n",
        tmp_path,
    )


LOCKED = (
    "import threading\n"
    + IMPORT
    + "lock = threading.Lock()\n"
    + "def locked(n):\n"
    + "    with lock: return n\n"
    + "if __name__ == '__main__':\n"
    + "    try: run(locked, 1)\n"
    + "    except TaskNotPicklableError as error:\n"
    + "        text = str(error)\n"
    + "        print('define it in a module' in text, '__name__' not in text)\n"
)


def test_no_guard_is_advised_where_it_would_be_of_no_use(tmp_path: Path) -> None:
    """What is no file, and a program in a zip file, cannot be run again."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text(LOCKED)
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    for arguments in (["-c", LOCKED], [str(tmp_path / "app.pyz")]):
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment_of_scripts(),
            capture_output=True,
            encoding="utf-8",
            timeout=LONG_S,
        )
        assert ended.stdout.split() == ["True", "True"], ended.stderr
