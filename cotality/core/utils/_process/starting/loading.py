"""Whether a module makes a call while a worker imports it to find its work.

The worker of that worker would make the call again, and so on. The stack of the call
has the answer: it shows the body of a module that our code imports, and no task. So
nothing has to be noted when work is loaded, which happens all the time, for a question
that is hardly ever asked.

Some processes have no work at all, because they only start others. Whatever such a
process imports, it imports by mistake.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from cotality._kit.imported import imported
from cotality.core.utils._process.machine import this_process

from .own_start import MARK, TRACKER, code_to_run

# Of the standard library: whatever stands between an import and the module.
OF_IMPORTS = ("<frozen importlib", "<frozen zipimport")
OURS = "cotality.core.utils._process."
BODY = "<module>"  # how Python calls the code of a module
FRAMES_OF_A_LOADER = 3  # that may stand between the two, in loaders of others


def check() -> None:
    """Refuse a call with processes that a worker comes to while it loads its work.

    Raises:
        RuntimeError: It is such a call.
    """
    module = module_that_calls(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
    if module is not None:
        refuse(module)


def refuse(module: str) -> NoReturn:
    global latest
    refused.names.add(module)
    if refused not in sys.meta_path:
        sys.meta_path.insert(0, refused)
    latest = RuntimeError(
        f"module {module!r} makes a call with processes while it is "
        f"{'set up' if is_being_set_up else 'imported'}. A worker process has to do "
        f"that too, and would make the call again. Put the call "
        f'into a function that the program calls, or under if __name__ == "__main__":'
    )
    raise latest


class Refused:
    """Keeps modules that were refused from being executed again, for the next task."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.names:
            frame = past_imports(sys._getframe())  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
            if frame is not None and (is_ours(frame) or module_being_loaded(frame)):
                refuse(name)


refused = Refused()
latest: RuntimeError | None = None  # what was raised last, to know it by


def is_refusal(error: BaseException) -> bool:
    """Whether *error* is what :func:`check` has raised."""
    return latest is not None and error is latest


def explain_loading(error: BaseException) -> None:
    """Say to *error*, by which a task could not be loaded, what may help."""
    if not is_refusal(error):
        error.add_note(NOT_SET_UP)


NOT_SET_UP = (
    "A worker process could not load this task, so it has not begun. What a task needs "
    "is imported there by a program that nothing has set up. If your program has to "
    "set something up first, such as a framework with its settings, give a function "
    "that does it: initializer= of this call, of worker_pool or of a PoolManager is "
    "called in each worker before anything else."
)


# Whether a framework is being set up here, which imports what it likes and calls it.
is_being_set_up = False


@contextmanager
def setting_up() -> Generator[None, None, None]:
    """Set a framework up, before there is any work."""
    global is_being_set_up
    is_being_set_up = True
    try:
        yield
    finally:
        is_being_set_up = False


def module_that_calls(frame: FrameType | None) -> str | None:
    """The module that makes a call in *frame* and must not; None if all is well."""
    if is_being_set_up:
        return outside_of_ours(frame)
    if this_process.is_worker:
        return module_being_loaded(frame)
    if has_no_work():
        return module_being_loaded(frame) or body_of(frame)
    return None


def has_no_work() -> bool:
    """Whether this process starts others, or tidies up, or is only just starting."""
    if this_process.is_worker or code_to_run() is not None:
        return False  # or it runs the program by mistake, which `own_start` sees to
    command: list[str] = getattr(sys, "orig_argv", [])[-2:]
    if command[:1] == ["-c"] and (MARK in command[1] or command[1].startswith(TRACKER)):
        return True
    process: Any = imported("multiprocessing.process")  # Any: typeshed
    if process is None:
        return "--multiprocessing-fork" in getattr(sys, "orig_argv", [])
    return getattr(process.current_process(), "_inheriting", False) is True


def module_being_loaded(frame: FrameType | None) -> str | None:
    """The module whose body makes the call in *frame*, if we are who imports it."""
    found: str | None = None
    while frame is not None:
        if frame.f_code.co_name == BODY and is_imported(frame):
            found = found or str(frame.f_globals.get("__name__"))
            frame = past_imports(frame)
            if frame is not None and is_ours(frame):
                return found
            continue
        frame = frame.f_back
    return None


def outside_of_ours(frame: FrameType | None) -> str:
    """The name of the module that has called us."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if not name.startswith("cotality."):
            return name
        frame = frame.f_back
    return "__main__"


def body_of(frame: FrameType | None) -> str:
    """The name of the module whose body *frame* is in, whoever has it executed."""
    while frame is not None and frame.f_code.co_name != BODY:
        frame = frame.f_back
    return "__main__" if frame is None else str(frame.f_globals.get("__name__"))


def is_imported(frame: FrameType) -> bool:
    """Whether *frame* is the body of a module that any loader has executed."""
    before = frame.f_back
    for _ in range(FRAMES_OF_A_LOADER):
        if before is None or is_ours(before):
            return False
        if is_of_imports(before):
            return True
        before = before.f_back
    return False


def past_imports(frame: FrameType) -> FrameType | None:
    """Who has the import done in which the module of *frame* is executed."""
    before = frame.f_back
    while before is not None and not is_of_imports(before):
        before = before.f_back
    while before is not None and is_of_imports(before):
        before = before.f_back
    return before


def is_of_imports(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(OF_IMPORTS) or frame.f_globals.get("__name__") in (
        "importlib",
        "importlib._bootstrap",
        "importlib._bootstrap_external",
    )


def is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(OURS)


def obstacle_of(function: object) -> str:
    """Why no worker should import what *function* needs; mostly empty.

    What else a task needs is seen in the worker, before it begins.
    """
    called: Any = getattr(function, "func", function)  # Any: that of a partial
    owner: object = getattr(called, "__self__", called)  # of a bound method
    for thing in (called, owner.__class__):
        name = getattr(thing, "__module__", None)
        while isinstance(name, str) and name:
            spec = getattr(sys.modules.get(name), "__spec__", None)
            if getattr(spec, "_initializing", False) is True:
                return (
                    f"module {name!r} is being imported, and a worker would do so too"
                )
            name = name.rpartition(".")[0]  # the package around it comes first
    return ""
