"""The fork server: it has no name anywhere, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cotality.core.utils._process.starting import interpreter
from tests.kit.helpers import environment_of_scripts, run_script
from tests.kit.limits import LONG_S

PACKAGES = Path(interpreter.__file__).parents[5]  # the folder with our package

CALL = """
import os, signal, sys, tempfile
from cotality.core.utils.process import *
def call():
    return execute_tasks_in_parallel([Task.of(abs, -1)] * 9, 2, True) == [1] * 9
"""


def run_with_folder(source: str, temporary: Path, tmp_path: Path) -> tuple[int, str]:
    """The exit code of a script with that TMPDIR, and what it printed."""
    script = tmp_path / "script.py"
    script.write_text(CALL + source, "utf-8")
    ended = subprocess.run(
        [sys.executable, str(script)],
        env={**environment_of_scripts(), "TMPDIR": str(temporary)},
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_a_long_path_of_temporary_files(tmp_path: Path) -> None:
    """Longer than the address of a socket may be; workers start as quickly."""
    temporary = tmp_path / ("d" * 120)
    temporary.mkdir()
    source = (
        "print(call())\n"
        "from cotality.core.utils._process.starting.fork_server import current\n"
        "print(current.server is not None)\n"
    )

    assert run_with_folder(source, temporary, tmp_path) == (0, "True\nTrue\n")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", 0),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
    ids=["normal", "_exit", "SIGTERM", "SIGKILL"],
)
def test_nothing_is_left_of_temporary_files(
    end: str, code: int, tmp_path: Path
) -> None:
    """Whatever way the program ends: there was nothing at any time."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    source = "assert call()\nprint(os.listdir(os.environ['TMPDIR']), flush=True)\n"

    assert run_with_folder(source + end, temporary, tmp_path) == (code, "[]\n")
    assert list(temporary.iterdir()) == []


def test_jobs_that_are_forked_leave_nothing(tmp_path: Path) -> None:
    """Each has workers of its own, and ends as a job queue ends it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    source = (
        "import warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # of forking, from 3.12\n"
        "assert call()\n"
        "for job in range(5):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        os._exit(0 if call() else 1)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
    )

    assert run_with_folder(source, temporary, tmp_path) == (0, "")
    assert list(temporary.iterdir()) == []


def test_a_server_that_may_not_fork_keeps_the_workers_it_has(tmp_path: Path) -> None:
    """The system refuses the third worker: the call runs on two."""
    # Python imports this by itself. It changes the server alone, which is started
    # with -c and has not been forked.
    (tmp_path / "sitecustomize.py").write_text(
        "import errno, os, sys\n"
        "if sys.argv == ['-c']:\n"
        "    fork, calls = os.fork, iter(range(2))\n"
        "    def fork_twice():\n"
        "        if next(calls, None) is None:\n"
        "            raise BlockingIOError(errno.EAGAIN, 'no more processes')\n"
        "        return fork()\n"
        "    os.fork = fork_twice\n",
        "utf-8",
    )
    source = CALL + (
        "import logging, time\n"
        "logging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
        "tasks = [Task.of(time.sleep, 0.01)] * 50\n"
        "print(execute_tasks_in_parallel(tasks, 4, True) == [None] * 50)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(source, "utf-8")
    environment = environment_of_scripts()
    environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    ended = subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    warning, result = ended.stdout.splitlines()
    assert warning.startswith("only 2 of 4 workers could be started: ")
    assert result == "True"


def test_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    """The next worker that is needed starts another one."""
    source = CALL + (
        "from cotality.core.utils._process.starting.fork_server import current\n"
        "assert call()\n"
        "first = current.server.pid\n"
        "os.kill(first, signal.SIGKILL)\n"
        "shutdown_workers()\n"
        "print(call(), current.server.pid != first)\n"
    )

    assert run_script(source, tmp_path) == "True True\n"


READING = """
def read():
    child = [sys.executable, '-c', 'import sys; print(repr(sys.stdin.read()))']
    return os.read(0, 9), sys.stdin.read(), subprocess.check_output(child)
"""


@pytest.mark.parametrize("way", ["calls", "spawn", "fork"])
def test_nobody_but_the_parent_reads_standard_input(way: str, tmp_path: Path) -> None:
    """In a worker it is empty, also for what a task starts."""
    source = CALL + (
        "import subprocess, warnings\n"
        "from multiprocessing import get_context\n"
        + READING
        + "if __name__ == '__main__':\n"
        "    warnings.simplefilter('ignore', DeprecationWarning)  # of forking\n"
    )
    if way == "calls":
        source += "    print(*execute_tasks_in_parallel([Task(read)], 1, True))\n"
    else:
        source += (
            f"    context = get_context({way!r})\n"
            "    with IsolatedProcessPoolExecutor(1, context) as executor:\n"
            "        print(executor.submit(read).result())\n"
        )
    source += "    print(sys.stdin.read())\n"
    script = tmp_path / "script.py"
    script.write_text(source, "utf-8")
    ended = subprocess.run(
        [sys.executable, str(script)],
        env=environment_of_scripts(),
        input="for the parent",
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )

    assert ended.stderr == ""
    assert ended.stdout == """(b'', '', b"''\\n")\nfor the parent\n"""


LATE_IMPORTS = """
import time
class WaitsForServer:
    def find_spec(self, name, path, target=None):
        if name.endswith({module!r}):
            until = time.monotonic() + {limit}
            while not children():
                if time.monotonic() > until:
                    sys.exit("nothing was started ahead of the imports")
                time.sleep(0.001)
def children():
    found = ""
    for each in os.listdir("/proc/self/task"):
        try:
            found += open(f"/proc/self/task/{{each}}/children").read()
        except FileNotFoundError:
            pass  # that thread has ended
    return found
sys.meta_path.insert(0, WaitsForServer())
print(call())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says who was started")
@pytest.mark.parametrize(
    "module", [".engine.run", ".backends.processes", "multiprocessing", "pickle"]
)
def test_it_starts_before_its_caller_imports_the_rest(
    module: str, tmp_path: Path
) -> None:
    """Both take a while in a program's first call, and the server a little longer."""
    source = LATE_IMPORTS.format(limit=LONG_S / 2, module=module)

    assert run_with_folder(source, tmp_path, tmp_path) == (0, "True\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there is none")
@pytest.mark.parametrize(
    "flags",
    [
        *([], ["-O"], ["-OO", "-B"], ["-W", "error", "-W", "ignore::UserWarning"]),
        *(["-X", "dev"], ["-X", "utf8=1"], ["-E", "-s"], ["-I"], ["-b"], ["-q"]),
        ["-X", "warn_default_encoding", "-v"],
    ],
    ids=" ".join,
)
def test_it_has_the_flags_of_this_interpreter(flags: list[str], tmp_path: Path) -> None:
    """As `subprocess` tells them, whose import is spared where there are none."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {f'{PACKAGES}'!r})\n"
        "from cotality.core.utils._process.starting import interpreter\n"
        "found = interpreter.flags()\n"
        "is_spared = 'subprocess' not in sys.modules\n"
        "import subprocess\n"
        "standard = subprocess._args_from_interpreter_flags()\n"
        "print(is_spared, found == [*standard, interpreter.SAFE_PATH], standard)\n",
        "utf-8",
    )
    ended = subprocess.run(
        [sys.executable, *flags, f"{script}"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )

    is_spared, is_right, *standard = ended.stdout.split(" ", 2)
    assert is_right == "True", ended.stdout
    assert is_spared == "False" or standard == ["[]\n"]
    assert flags or is_spared == "True"


@pytest.mark.skipif(sys.platform == "win32", reason="there is none")
@pytest.mark.parametrize(
    "tasks", ["[]", "iter([Task.of(abs, -1)])"], ids=["none", "one"]
)
def test_a_start_ahead_that_fails_is_told_to_who_needs_it(
    tmp_path: Path, tasks: str
) -> None:
    """Where no process can be started, a call without tasks goes well all the same."""
    source = (
        "import multiprocessing\n"
        "multiprocessing.set_executable('/bin/false')\n"
        "try:\n"
        f"    print(execute_tasks_in_parallel({tasks}, 2, True))\n"
        "except WorkerStartError as error:\n"
        "    print('set_executable' in f'{error}')\n"
    )

    expected = "[]\n" if tasks == "[]" else "True\n"
    assert run_with_folder(source, tmp_path, tmp_path) == (0, expected)


@pytest.mark.skipif(sys.platform == "win32", reason="there is none")
def test_a_module_that_it_cannot_import_does_not_end_it(tmp_path: Path) -> None:
    """It imports some that most workers need, and leaves the others to themselves."""
    broken = tmp_path / "cloudpickle.py"
    broken.write_text("raise NameError('of a file of the user')\n", "utf-8")
    source = (
        "from cotality.core.utils._process.starting.fork_server import current\n"
        "print(call())\n"
        "first = current.server.pid\n"
        "import time\n"
        "time.sleep(0.5)  # ten times as long as it has to be idle for that\n"
        "print(call(), current.server.pid == first, current.server.is_running())\n"
    )

    printed = "True\nTrue True True\n"
    assert run_with_folder(source, tmp_path, tmp_path) == (0, printed)


ODD_PATH = """
import pathlib

class Folder(str):  # as in libraries that had such before pathlib
    def __repr__(self):
        return f"Folder({self})"

sys.path[:0] = [Folder("a folder"), pathlib.Path("another")]
sys.path += [None, b"bytes", "not \\udcff text", "'\\n\\""]
print(call())
from cotality.core.utils._process.starting import interpreter
interpreter.HAS_FORK_SERVER = False
shutdown_workers()
print(call())
"""


@pytest.mark.parametrize("name", ["script.py", "html.py"])
def test_what_no_import_sees_in_the_path_is_left_out(name: str, tmp_path: Path) -> None:
    """A `pathlib.Path` in it does no harm in Python, and none here."""
    script = tmp_path / name
    script.write_text(CALL + ODD_PATH, "utf-8")
    ended = subprocess.run(
        [sys.executable, str(script)],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )
    assert (ended.stdout, ended.stderr) == ("True\nTrue\n", "")


def test_a_program_without_arguments(tmp_path: Path) -> None:
    """One that has Python inside may have no `sys.argv`."""
    assert run_script(f"{CALL}del sys.argv\nprint(call())\n", tmp_path) == "True\n"


ENDS = {
    "os._exit(3)": "(exit code 3)",
    "os.kill(os.getpid(), 9)": "(it was ended by SIGKILL)",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_server_that_ends_as_it_starts(end: str, tmp_path: Path) -> None:
    """The error says how, and does not take Python for something else."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, sys\nif 'serving' in sys.orig_argv[-1]: {end}\n", "utf-8"
    )
    source = CALL + "try: call()\nexcept WorkerStartError as error: print(error)\n"
    path = f"{tmp_path}{os.pathsep}{PACKAGES}"
    script = tmp_path / "script.py"
    script.write_text(source, "utf-8")
    ended = subprocess.run(
        [sys.executable, str(script)],
        env={**environment_of_scripts(), "PYTHONPATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )
    assert ENDS[end] in ended.stdout
    assert "is no Python interpreter" not in ended.stdout
