"""Finds the Python interpreter with which new processes are started.

Usually it is `sys.executable`. If Python is part of another program, such as a web
server, `sys.executable` is that program, which must not be started a second time.
"""

from __future__ import annotations

import _socket
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from cotality._kit.struck import is_of_a_signal

from . import own_name

# Starting one is the first thing that a call does. So nothing is imported here that
# takes long, and `multiprocessing` takes 15 ms.

# Whether one of them can be a server that forks the others: as `multiprocessing` has
# it, a platform that passes descriptors on.
HAS_FORK_SERVER = sys.platform != "win32" and hasattr(_socket, "SCM_RIGHTS")

TRIAL_LIMIT = 20.0  # s that an interpreter may take to start, on a busy machine
NAMED_LIKE_PYTHON = ("python", "pypy", "graalpy")
# What an interpreter has to answer: modules that this one has compiled fit it.
QUESTION = "import sys; print(sys.implementation.cache_tag, sys.version)"


def executable() -> bytes | str:
    """What to start, as `multiprocessing` would, or another one if that is no Python.

    Raises:
        RuntimeError: None was found.
    """
    given = of_multiprocessing()
    if given is not None and (
        is_set(given) or getattr(sys, "frozen", False) or looks_right(given)
    ):
        return given
    if given not in found:
        program = look_for_interpreter()
        found[given] = program if sys.platform == "win32" else os.fsencode(program)
    return found[given]


def of_multiprocessing() -> bytes | str | None:
    """What `multiprocessing` would start; as long as nobody has imported it, this."""
    spawn: Any = sys.modules.get("multiprocessing.spawn")  # Any: as it is, if it is
    # Another thread may be in the middle of its import: what its function answers with
    # is set last.
    if spawn is None or not hasattr(spawn, "_python_exe"):
        return os.fsencode(sys.executable) if sys.executable else None
    program: bytes | str | None = spawn.get_executable()
    return program


def is_set(given: bytes | str | None) -> bool:
    """Whether somebody has called `multiprocessing.set_executable`."""
    return given is not None and os.fsdecode(given) != (sys.executable or "")


def looks_right(program: bytes | str | None) -> bool:
    if not program:
        return False
    name = os.path.basename(os.path.realpath(os.fsdecode(program)))
    return name.lower().startswith(NAMED_LIKE_PYTHON) and os.access(program, os.X_OK)


found: dict[
    bytes | str | None, bytes | str
] = {}  # for what `multiprocessing` would start


def look_for_interpreter() -> str:
    for program in candidates():
        if looks_right(program) and is_interpreter(program):
            return program
    raise RuntimeError(
        f"no Python interpreter was found to start processes with: sys.executable is "
        f"{sys.executable!r}. Say which one with "
        f"multiprocessing.set_executable('/path/to/python')"
    )


def candidates() -> Iterator[str]:
    """Where the interpreter may be that belongs to this process."""
    names = [f"python3.{sys.version_info.minor}", "python3", "python"]
    yield getattr(sys, "_base_executable", "") or ""
    for folder in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix):
        if sys.platform == "win32":
            yield os.path.join(folder, "python.exe")
        else:
            yield from (os.path.join(folder, "bin", name) for name in names)


def is_interpreter(program: str) -> bool:
    """Whether *program* answers as this interpreter would."""
    import subprocess

    try:
        answer = subprocess.run(
            [program, "-I", "-c", QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=TRIAL_LIMIT,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as raised:
        if is_of_a_signal(raised):
            raise
        return False
    expected = f"{sys.implementation.cache_tag} {sys.version}"
    return answer.stdout.split() == expected.split()


@contextmanager
def known_to_multiprocessing() -> Generator[None, None, None]:
    """Have `multiprocessing` start the same program for now, in its own way.

    What it starts does not look for modules in the directory of the moment: there may
    be files of the user that have the names of modules it needs.
    """
    from multiprocessing import spawn

    ours: Any = executable()  # Any: typeshed does not know that it may be bytes
    its = spawn.get_executable()
    if ours != its:
        spawn.set_executable(ours)
    with with_flag(SAFE_PATH):
        try:
            yield
        finally:
            if ours != its:
                spawn.set_executable(its)


def ensure_tracker() -> None:
    """See that there is the process that tidies up what other processes share.

    It needs nothing but the standard library. Where a script has the name of a part of
    that, not even the environment is to lead to the script.
    """
    from multiprocessing import resource_tracker

    alone = "-I" if own_name.hidden_module() else SAFE_PATH
    with known_to_multiprocessing(), with_flag(alone):
        resource_tracker.ensure_running()


# Leave the directory of the moment out of the path of imports. Who needs that directory
# is told so by us, as a part of the path of this program.
SAFE_PATH = "-P"


def flags() -> list[str]:
    """With which an interpreter is started: those of this one, and `SAFE_PATH`."""
    standard = [] if has_no_flags() else flags_of_this_one()
    return [*standard, SAFE_PATH] if takes_flags() else standard


def has_no_flags() -> bool:
    """Whether this interpreter runs as it does without any."""
    if sys.warnoptions or getattr(sys, "_xoptions", {}):
        return False
    given = sys.flags
    # Without any, too: by default, or by the locale.
    usual = (given.hash_randomization, given.int_max_str_digits, given.utf8_mode)
    return sum(map(bool, given)) == sum(map(bool, usual))


def flags_of_this_one() -> list[str]:
    import subprocess

    standard: Any = subprocess  # Any: typeshed leaves out what `multiprocessing` uses
    found: list[str] = standard._args_from_interpreter_flags()
    return found


def takes_flags() -> bool:
    """Whether what is started is known to take those of Python."""
    return not getattr(sys, "frozen", False) and looks_right(of_multiprocessing())


@contextmanager
def with_flag(flag: str) -> Generator[None, None, None]:
    """Have interpreters started with *flag*; used by one thread at a time."""
    from multiprocessing import util as mp_util

    util: Any = mp_util  # Any: typeshed leaves out what is used of it
    standard = util._args_from_interpreter_flags
    if not takes_flags():
        yield
        return
    util._args_from_interpreter_flags = lambda: [*standard(), flag]
    try:
        yield
    finally:
        util._args_from_interpreter_flags = standard
