"""Detects that one of our processes is about to run the user's program.

Processes of a frozen program, and of a program whose `sys.executable` is another
program, are started with that program. It has to notice that before anything else of it
runs. A hook for PyInstaller does that, see `cotality.__pyinstaller`, or
`freeze_support` of `multiprocessing`. If neither does, the second program ends here,
before it starts a third one.
"""

from __future__ import annotations

import os
import sys
from types import FrameType

from cotality.core.utils._process.scripts.inner_codes import names_in

# An expression: part of the command of each fork server, to know it by.
MARK = "'fork server of cotality'"
# How the standard library starts what tidies up after processes that share things.
TRACKER = "from multiprocessing.resource_tracker import main"
# What makes this process what it was to be, once the main module calls it.
PREVENTING = {"freeze_support", "run_in_place_of_program"}
EXIT_CODE = 70  # EX_SOFTWARE in <sysexits.h>: nothing that programs often end with


def code_to_run() -> str | None:
    """What an interpreter would run in place of this program, if it was to be one.

    An interpreter keeps the code after ``-c`` to itself.
    """
    match getattr(sys, "argv", None):
        case [_, *_, "-c", code] if MARK in code:
            return str(code)
        case [_, *_, "-c", code] if getattr(sys, "frozen", False):
            return str(code) if code.startswith(TRACKER) else None
        case _:
            return None


def run_in_place_of_program() -> None:
    """Be the process that this one was to be, if not the program, and end.

    For whoever comes before the program.
    """
    code = code_to_run()
    if code is not None:
        exec(code, vars(sys.modules["__main__"]))
        sys.exit()
    if getattr(sys, "frozen", False):
        from multiprocessing import freeze_support

        freeze_support()  # for the start method "spawn" of `multiprocessing`


def end_second_program(*, is_import: bool) -> None:
    """End this process if the program runs in it by mistake.

    While the package is imported, the line that prevents that may still be to come.
    """
    if code_to_run() is None or (is_import and prevents_it(sys._getframe())):  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
        return
    os._exit(EXIT_CODE)


def prevents_it(frame: FrameType | None) -> bool:
    """Whether the main module, or a hook before it, has such a line somewhere."""
    while frame is not None:
        is_of_main = frame.f_globals.get("__name__") == "__main__"
        if is_of_main and not PREVENTING.isdisjoint(names_in(frame.f_code)):
            return True
        frame = frame.f_back
    return False
