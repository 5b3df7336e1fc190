"""What Ctrl-C does to the tour as a program: one line and status 130, at any moment.

It comes before all other modules and imports few: until it has begun, Ctrl-C is
Python's, which prints a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C has ended
A_MOMENT = 0.01  # s after which Ctrl-C strikes again where Python has lost it


def run_as_program(load: Callable[[], Callable[[], int]]) -> int:
    """Run the tour that *load* imports; the status to end the interpreter with."""
    ctrl_c = CtrlC()
    # It may be ignored, as behind nohup.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, ctrl_c)
        sys.unraisablehook = ctrl_c.strike_again
    tour = load()
    try:
        ctrl_c.is_raised = True
        return tour()
    except KeyboardInterrupt:
        ctrl_c.say()
        # If it fell into exec() of a text, as each dataclass and named tuple has one,
        # Python would end by the signal after all (3.11 to 3.13). Another exec()
        # makes it forget that.
        exec("")
        return INTERRUPTED
    finally:
        ctrl_c.is_raised = False


class CtrlC:
    """Handles the signal: ends the program at once, or raises it the first time.

    It is raised while the tour runs, so that all that was begun is ended properly.
    Before that there is nothing to end, and modules that are being imported or an
    interpreter that ends are no places for an exception. Nor is what cleans up after
    the first one: who presses Ctrl-C again means it.
    """

    is_raised: bool
    is_said: bool

    def __init__(self) -> None:
        self.is_raised = False
        self.is_said = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        if self.is_raised:
            self.is_raised = False
            raise KeyboardInterrupt
        try:
            self.say()
        finally:
            os._exit(INTERRUPTED)

    def say(self) -> None:
        """Print the one line, once."""
        if not self.is_said:
            self.is_said = True
            # Past sys.stderr, which may just be printing, or be gone already.
            os.write(2, b"\nInterrupted.\n")

    def strike_again(self, lost: sys.UnraisableHookArgs) -> None:
        """Raise Ctrl-C a little later if it struck where nothing can be raised.

        Such as in the callback of a weak reference: Python prints it and goes on.
        """
        if sys.platform == "win32" or lost.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(lost)
            return
        self.is_raised = True
        signal.signal(signal.SIGALRM, self)
        signal.setitimer(signal.ITIMER_REAL, A_MOMENT)
