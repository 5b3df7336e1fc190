"""Programs that `sys.executable` does not start a Python interpreter for."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.helpers import environment_of_scripts, output_of
from tests.kit.limits import LONG_S

# Stands for a program that is frozen or embeds Python: whatever its arguments are, it
# runs the same main script. It gives up at its fourth start.
PROGRAM = """#!{python}
import os, sys
with open({starts!r}, "a+") as starts:
    starts.write(f"{{os.getpid()}}\\n")
    starts.seek(0)
    if len(starts.readlines()) > 3:
        os._exit(9)
sys.executable = {program!r}
from multiprocessing import set_executable, spawn
{settings}
__name__ = "launcher"
from types import ModuleType
sys.modules["__main__"] = main = ModuleType("__main__")
main.__file__ = {script!r}
exec(compile(open({script!r}).read(), {script!r}, "exec"), vars(main))
"""
FROZEN = """
sys.frozen = True
set_executable({program!r})
def freeze_support():  # as that of PyInstaller
    if sys.argv[-2:-1] == ["-c"] and sys.argv[-1].startswith(
        ("from multiprocessing.forkserver import main",
         "from multiprocessing.resource_tracker import main")
    ):
        exec(sys.argv[-1])
        sys.exit()
    standard()
import multiprocessing
standard = multiprocessing.freeze_support
multiprocessing.freeze_support = freeze_support
"""
EMBEDDED = """
spawn._python_exe = os.fsencode({program!r})
"""
CALL = """
from cotality.core.utils.process import *
def call():
    try:
        print(execute_tasks_in_parallel([Task.of(abs, -1)] * 9, 2, True) == [1] * 9)
    except RuntimeError as error:
        print(type(error).__name__, error)
"""


def run(source: str, settings: str, folder: Path) -> tuple[str, int]:
    """What a program prints, and how often it was started."""
    program, script, starts = folder / "server", folder / "app.py", folder / "starts"
    script.write_text(source, "utf-8")
    names = {"program": str(program), "script": str(script), "starts": str(starts)}
    program.write_text(
        PROGRAM.format(
            python=sys.executable, settings=settings.format(**names), **names
        ),
        "utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    printed = output_of([str(program), "an argument"], folder)
    return printed, len(starts.read_text().splitlines())


GUARDED = """
import multiprocessing
if __name__ == "__main__":
    multiprocessing.freeze_support()
    call()
"""


def test_a_frozen_program_with_its_line(tmp_path: Path) -> None:
    """`freeze_support` may come after the imports, as the standard library says."""
    printed, starts = run(CALL + GUARDED, FROZEN, tmp_path)

    assert printed == "True\n"
    assert starts == 3  # itself, the fork server, and the tracker of multiprocessing


def test_a_frozen_program_without_its_line(tmp_path: Path) -> None:
    """An error that names the line; the second start ends before the program begins."""
    source = CALL + "print('begins')\ncall()\ncall()\n"

    printed, starts = run(source, FROZEN, tmp_path)

    begins, first, second = printed.splitlines()
    assert begins == "begins"
    assert first == second
    assert "from multiprocessing import freeze_support; freeze_support()" in first
    assert starts == 2


def test_a_frozen_program_that_comes_to_its_line_too_late(tmp_path: Path) -> None:
    """It gets as far as its first call."""
    source = CALL + "call()\nimport multiprocessing\nmultiprocessing.freeze_support()\n"

    printed, starts = run(source, FROZEN, tmp_path)

    assert "freeze_support()" in printed
    assert starts == 2


def test_a_hook_before_a_frozen_program(tmp_path: Path) -> None:
    """The one that PyInstaller takes along: the program runs once and knows nothing."""
    from cotality import __pyinstaller

    [folder] = __pyinstaller.hook_folders()
    [name] = eval(Path(folder, "rthooks.dat").read_text("utf-8"))["cotality"]
    hook = Path(folder, "rthooks", name).read_text("utf-8")
    source = CALL + "print('begins')\ncall()\n"

    printed, starts = run(hook + source, FROZEN, tmp_path)

    assert printed == "begins\nTrue\n"
    assert starts == 3


def test_a_program_that_has_python_inside(tmp_path: Path) -> None:
    """Its processes are started with the interpreter that belongs to it."""
    source = CALL + (
        "import sys\n"
        "from multiprocessing.shared_memory import SharedMemory\n"
        "def size(name):\n"
        "    shared = SharedMemory(name)\n"
        "    shared.close()\n"
        "    return sys.executable\n"
        "if __name__ == '__main__':\n"
        "    call()\n"
        "    shared = SharedMemory(create=True, size=9)\n"
        "    tasks = [Task.of(size, shared.name)]\n"
        "    [program] = execute_tasks_in_parallel(tasks, 1, True)\n"
        "    shared.close()\n"
        "    shared.unlink()\n"
        "    print('python' in program)\n"
    )

    assert run(source, EMBEDDED, tmp_path) == ("True\nTrue\n", 1)


NO_PYTHON = EMBEDDED + (
    "sys._base_executable = {program!r}\n"
    "sys.prefix = sys.base_prefix = '/nowhere'\n"
    "sys.exec_prefix = sys.base_exec_prefix = '/nowhere'\n"
)


def test_a_program_whose_interpreter_is_not_found(tmp_path: Path) -> None:
    """The error says how to name it, and naming it helps."""
    source = CALL + (
        "call()\n"
        "import multiprocessing\n"
        f"multiprocessing.set_executable({sys.executable!r})\n"
        "call()\n"
    )

    printed, starts = run(source, NO_PYTHON, tmp_path)

    refused, accepted = printed.splitlines()
    assert "multiprocessing.set_executable(" in refused
    assert str(tmp_path / "server") in refused
    assert accepted == "True"
    assert starts == 1


@pytest.mark.parametrize("name", ["/bin/true", "/nowhere/at/all"])
def test_a_wrong_interpreter(name: str, tmp_path: Path) -> None:
    """One that was named and is none: the error says so, each time."""
    source = CALL + (
        "import multiprocessing\n"
        f"multiprocessing.set_executable({name!r})\n"
        "call()\n"
        "call()\n"
    )
    script = tmp_path / "script.py"
    script.write_text(source, "utf-8")
    ended = subprocess.run(
        [sys.executable, str(script)],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    first, second = ended.stdout.splitlines()
    assert first == second
    assert f"If '{name}' is not a Python interpreter" in first
    assert "multiprocessing.set_executable(" in first


def test_an_argument_of_a_program_that_looks_like_an_option(tmp_path: Path) -> None:
    """A program may have options of its own, also -c."""
    script = tmp_path / "script.py"
    script.write_text(CALL + "call()\n", "utf-8")
    ended = subprocess.run(
        [sys.executable, str(script), "-c", "settings"],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )

    assert (ended.stdout, ended.stderr) == ("True\n", "")
    assert os.path.exists(script)
