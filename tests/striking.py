"""An exception at one instruction, as a signal handler may raise it at any."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any


class Strike:
    """Raises at one instruction in this thread, as long as the ``with`` lasts.

    Args:
        number: The how many-th instruction of what is struck.
        error: What is raised there.
        is_struck: Whether the instructions of some code count.

    Attributes:
        left: How many instructions it is until then; above 0 if it has not come to it.
    """

    def __init__(
        self,
        number: int,
        error: type[BaseException],
        is_struck: Callable[[CodeType], bool],
    ) -> None:
        self.left = number
        self.error = error
        self.is_struck = is_struck
        self.known: dict[CodeType, bool] = {}

    def __enter__(self) -> Strike:
        sys.settrace(self.enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def enter(self, frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        if code not in self.known:
            self.known[code] = self.is_struck(code)
        if not self.known[code]:
            return None
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self.step

    def step(self, frame: FrameType, event: str, _: object) -> Any:
        # Finalizers run at moments of their own, and what they raise nobody gets.
        if event == "opcode" and frame.f_code.co_name != "__del__":
            self.left -= 1
            if self.left == 0:
                raise self.error
        return self.step
