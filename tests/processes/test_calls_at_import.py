"""Modules and scripts that make calls while they are imported: once, and bounded.

Every program here counts how often it is executed, and gives up at the thirteenth time,
so that a fault of this kind ends by itself and not with the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import cotality
from cotality.core.utils._process.starting import own_name
from cotality.core.utils._process.starting.fork_server import link
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

COUNT = """
import os
with open(os.environ["COUNT"], "a") as file:
    file.write(f"{os.getpid()}\\n")
with open(os.environ["COUNT"]) as file:
    if len(file.readlines()) > 12:
        os._exit(9)  # only so that the machine survives
"""
FUNCTION = """
def load(name):
    return name, sum(i * i for i in range(200_000))
"""
CALLS = {
    "list": """
from cotality.core.utils.process import Task, execute_tasks_in_parallel
tasks = [Task(load, {"name": name}) for name in range(20)]
DATA = execute_tasks_in_parallel(tasks, 2, use_processes=True)
""",
    "returned": """
from cotality.core.utils.process import Task, execute_tasks_in_parallel
tasks = [Task(load, {"name": name}) for name in range(20)]
DATA = execute_tasks_in_parallel(
    tasks, 2, use_processes=True, return_exceptions=True, retries=3
)
""",
    "stream": """
from cotality.core.utils.process import Task, execute_tasks_in_parallel_streaming
tasks = [Task(load, {"name": name}) for name in range(20)]
DATA = list(execute_tasks_in_parallel_streaming(tasks, 2, use_processes=True))
""",
    "asynchronous": """
import asyncio
from cotality.core.utils.process import Task, execute_tasks_in_parallel_async
tasks = [Task(load, {"name": name}) for name in range(20)]
DATA = asyncio.run(execute_tasks_in_parallel_async(tasks, 2, use_processes=True))
""",
    "executor": """
from cotality.core.utils.process import IsolatedProcessPoolExecutor
with IsolatedProcessPoolExecutor(2) as executor:
    DATA = list(executor.map(load, range(20)))
""",
    "futures": """
from cotality.core.utils.process import IsolatedProcessPoolExecutor
with IsolatedProcessPoolExecutor(2) as executor:
    futures = [executor.submit(load, number) for number in range(20)]
errors = [future.exception() for future in futures]
assert len({str(error) for error in errors}) == 1
raise errors[0]
""",
    "execute": """
from cotality.tuning import execute
DATA = execute(load, range(20), executor="processes")
""",
    "manager": """
from cotality.tuning import get_global_pool_manager
DATA = get_global_pool_manager().execute(load, range(20))
""",
}


@dataclass
class Ended:
    """What became of a program."""

    code: int
    printed: str
    errors: str
    runs: int


def run(folder: Path, *arguments: str, source: str, name: str) -> Ended:
    """Run an interpreter with *arguments* beside a module *name* that has *source*."""
    (folder / f"{name}.py").write_text(COUNT + source, "utf-8")
    count = folder / "count.txt"
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment_of_scripts(), "COUNT": str(count)},
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 2,
    )
    runs = len(count.read_text().splitlines()) if count.exists() else 0
    return Ended(ended.returncode, ended.stdout, ended.stderr, runs)


@pytest.mark.parametrize("call", CALLS)
def test_a_module_that_calls_at_import_is_told_so(call: str, tmp_path: Path) -> None:
    """The caller gets one error, which names the module and what to do."""
    ended = run(tmp_path, "-c", "import app", source=FUNCTION + CALLS[call], name="app")

    last = ended.errors.strip().splitlines()
    error = [line for line in last if line.startswith("RuntimeError: ")]
    assert ended.code == 1, ended.errors
    assert len(error) >= 1, ended.errors
    assert "'app'" in error[-1]
    assert 'if __name__ == "__main__":' in error[-1]
    # The program itself, and each of two workers once.
    assert ended.runs <= 3


BY_FILE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("plugin", "app.py")
plugin = importlib.util.module_from_spec(spec)
sys.modules["plugin"] = plugin
spec.loader.exec_module(plugin)
"""


def test_a_module_that_is_loaded_by_its_file_is_told_so(tmp_path: Path) -> None:
    """By the name that it was given."""
    source = FUNCTION + CALLS["list"]
    ended = run(tmp_path, "-c", BY_FILE, source=source, name="app")

    assert "RuntimeError: module 'plugin' makes a call" in ended.errors
    assert ended.runs <= 3


RUNS = {
    "python -m": ["-m", "app"],
    "runpy": ["-c", "import runpy; runpy.run_path('app.py')"],
    "exec": ["-c", "exec(open('app.py').read())"],
}


@pytest.mark.parametrize("how", RUNS)
def test_what_is_run_and_not_imported_may_call(how: str, tmp_path: Path) -> None:
    """No worker has to run it."""
    source = f"{FUNCTION}{CALLS['list']}print(len(DATA))\n"
    ended = run(tmp_path, *RUNS[how], source=source, name="app")

    assert (ended.code, ended.printed, ended.runs) == (0, "20\n", 1), ended.errors


@pytest.mark.parametrize("function", ["load", "partial(load)", "Loader().load"])
def test_a_module_that_lets_the_machine_decide_runs_once(
    function: str, tmp_path: Path
) -> None:
    """Where its items run is the program's own process, since no worker could."""
    source = FUNCTION + (
        "from functools import partial\n"
        "class Loader:\n"
        "    def load(self, name):\n"
        "        return load(name)\n"
        "from cotality.tuning import execute\n"
        f"DATA = execute({function}, range(60))\n"
        "print(len(DATA))\n"
    )

    ended = run(tmp_path, "-c", "import app", source=source, name="app")

    assert (ended.code, ended.printed, ended.runs) == (0, "60\n", 1), ended.errors


# Names of modules of the standard library that we, or what we import, import late.
LATE = ["html", "queue", "token", "types", "random", "selectors", "json", "tempfile"]
# One that prints when it is imported, and one that we depend on.
LATE += ["this", "cloudpickle"]
EVERYTHING = """
if __name__ == "__main__" or True:
    from cotality.core.utils.process import *
    from cotality.tuning import execute
    report = RunReport()
    def load(number):
        return number * 2
    tasks = [Task(load, {"number": number}) for number in range(20)]
    got = execute_tasks_in_parallel(tasks, 2, use_processes=True, report=report)
    report.save_html("page.html"); report.save_trace("trace.json")
    report.explain()
    assert got == execute(load, range(20)) == [2 * n for n in range(20)]
    print("right")
"""


@pytest.mark.one_python
@pytest.mark.parametrize("name", LATE)
def test_no_import_finds_the_script(name: str, tmp_path: Path) -> None:
    """A script may have the name of a module that is imported later."""
    ended = run(tmp_path, f"{name}.py", source=EVERYTHING, name=name)

    assert (ended.code, ended.printed, ended.runs) == (0, "right\n", 1), ended.errors


def test_the_front_door_knows_what_we_depend_on() -> None:
    """A script may have such a name as well, and nothing is imported to see that."""
    assert vars(cotality)["_needed"] == own_name.NEEDED


def test_a_module_that_the_platform_lacks_is_not_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script may have the name of one that is there on other systems."""
    for name, code in (("msilib", ""), ("html", "import html; ")):
        monkeypatch.setattr(own_name, "hidden_module", lambda name=name: name)
        monkeypatch.delitem(sys.modules, "msilib", raising=False)
        __import__("html")
        assert link.hidden_first().endswith(code)
        assert bool(link.hidden_first()) == bool(code)


WARMED = """
from cotality.tuning import get_global_pool_manager
get_global_pool_manager().warm_up()
def load(number):
    return number
"""


def test_a_module_may_warm_workers_up(tmp_path: Path) -> None:
    """In a worker that imports it for a task this starts no workers of its own."""
    program = (
        "import app, os, psutil\n"
        "from cotality.tuning import get_global_pool_manager\n"
        "manager = get_global_pool_manager()\n"
        "print(manager.execute(app.load, [1, 2]))\n"
        "below = [psutil.Process(p).children() for p in manager.status().pids]\n"
        "print(sum(map(len, below)))\n"
    )
    ended = run(tmp_path, "-c", program, source=WARMED, name="app")

    assert (ended.code, ended.printed) == (0, "[1, 2]\n0\n"), ended.errors


def test_a_module_that_handles_the_error_is_loaded(tmp_path: Path) -> None:
    """What it can do without the call it does in a worker as well."""
    source = FUNCTION + (
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "tasks = [Task(load, {'name': name}) for name in range(20)]\n"
        "try:\n"
        "    DATA = execute_tasks_in_parallel(tasks, 2, use_processes=True)\n"
        "    print(len(DATA))\n"
        "except RuntimeError:\n"
        "    DATA = None\n"
    )
    ended = run(tmp_path, "-c", "import app", source=source, name="app")

    assert (ended.code, ended.printed) == (0, "20\n"), ended.errors
    assert ended.runs <= 3


def test_an_initializer_in_such_a_module_is_told_so(tmp_path: Path) -> None:
    source = "def prepare(): pass\n" + CALLS["list"].replace(
        "2, use_processes=True", "2, use_processes=True, initializer=prepare"
    ).replace("Task(load, {'name': name})", "Task(abs, positional=(name,))")
    ended = run(tmp_path, "-c", "import app", source=FUNCTION + source, name="app")

    assert "module 'app' makes a call with processes" in ended.errors
    assert ended.runs <= 1 + 2 * 3


def test_the_module_is_named_that_makes_the_call(tmp_path: Path) -> None:
    """Not the one that is wanted, which imports it."""
    (tmp_path / "shop.py").write_text("def price(): return 1\nimport app\n")
    source = (
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "import shop\n"
        "execute_tasks_in_parallel([Task(shop.price)] * 4, 2, use_processes=True)\n"
    )

    ended = run(tmp_path, "-c", "import app", source=source, name="app")

    assert "RuntimeError: module 'app' makes a call" in ended.errors
    assert ended.runs <= 3


@pytest.mark.parametrize("how", ["sitecustomize", "usercustomize"])
def test_what_each_interpreter_imports_first_may_call(how: str, tmp_path: Path) -> None:
    """In those that we start it is refused, and the program goes on."""
    source = "from cotality.core.utils.process import *\n" + (
        "print(execute_tasks_in_parallel([Task.of(abs, -1)], 1, use_processes=True))\n"
    )
    (tmp_path / f"{how}.py").write_text(COUNT + source, "utf-8")
    count = tmp_path / "count.txt"
    environment = environment_of_scripts() | {"COUNT": str(count)}
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    ended = subprocess.run(
        [sys.executable, "-c", "print('program')"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 2,
    )

    assert ended.returncode == 0
    assert ended.stdout.endswith("program\n"), ended.stderr
    # The program, the fork server, and what tidies up after both.
    assert not count.exists() or len(count.read_text().splitlines()) <= 4


# Below one another.

CALLS_ITSELF = """
from cotality.core.utils.process import *
def below(number):
    import app
    return 1 + execute_tasks_in_parallel([Task(app.below, {"number": number})],
                                         1, use_processes=True)[0]
"""


def test_a_task_that_calls_itself_comes_to_an_end(tmp_path: Path) -> None:
    """So deep goes nobody on purpose."""
    program = "import app; app.below(1)"

    ended = run(tmp_path, "-c", program, source=CALLS_ITSELF, name="app")

    assert "RuntimeError: there are worker processes on 4 levels" in ended.errors
    assert ended.runs <= 5 + 1


def test_workers_of_workers_are_bounded(tmp_path: Path) -> None:
    """What a worker and all below it may start is told to it; more is refused."""
    program = (
        "import app, os\n"
        "from cotality.core.utils.process import *\n"
        "from cotality.core.utils._process.starting import nesting\n"
        "nesting.MOST_BELOW = 8\n"
        "tasks = [Task(app.pids_below, {'wanted': 6})]\n"
        "print(*execute_tasks_in_parallel(tasks, 2, use_processes=True))\n"
    )
    source = (
        "import os, time\n"
        "from pathlib import Path\n"
        "from cotality.core.utils.process import *\n"
        "def pid(caller):\n"
        "    Path(f'{caller}.{os.getpid()}').touch()\n"
        "    while len(list(Path().glob(f'{caller}.*'))) < 3:\n"
        "        time.sleep(0.01)\n"
        "    time.sleep(0.2)  # in which one more could begin\n"
        "    return os.getpid()\n"
        "def pids_below(wanted):\n"
        "    tasks = [Task(pid, positional=(os.getpid(),)) for _ in range(wanted)]\n"
        "    return len(set(execute_tasks_in_parallel(tasks, wanted, True)))\n"
    )
    ended = run(tmp_path, "-c", program, source=source, name="app")

    # 8 for two workers: each may have 3.
    assert (ended.code, ended.printed) == (0, "3\n"), ended.errors


def test_a_program_that_a_task_starts_is_below_as_well(tmp_path: Path) -> None:
    """It is told by its environment where it stands."""
    program = (
        "import app\n"
        "from cotality.core.utils.process import *\n"
        "print(*execute_tasks_in_parallel([Task(app.program)], 1, use_processes=True))"
    )
    source = (
        "import subprocess, sys\n"
        "def program():\n"
        "    code = 'import os; print(os.environ[\"COTALITY_NESTING\"])'\n"
        "    return subprocess.check_output([sys.executable, '-c', code], text=True)\n"
    )
    ended = run(tmp_path, "-c", program, source=source, name="app")

    assert ended.printed.strip() == "1:999", ended.errors


@pytest.mark.one_python
@pytest.mark.parametrize("name", ["html", "signal", "pickle"])
def test_no_import_finds_the_script_by_the_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its folder is in PYTHONPATH, for all that is started."""
    path = environment_of_scripts()["PYTHONPATH"]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{path}")
    environment = {**os.environ, "COUNT": str(tmp_path / "count.txt")}
    (tmp_path / f"{name}.py").write_text(COUNT + EVERYTHING, "utf-8")
    ended = subprocess.run(
        [sys.executable, f"{name}.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 2,
    )

    assert (ended.returncode, ended.stdout) == (0, "right\n"), ended.stderr
    assert len((tmp_path / "count.txt").read_text().splitlines()) == 1
