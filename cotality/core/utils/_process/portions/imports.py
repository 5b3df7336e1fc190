"""Watches what a module sets in its process when a task imports it.

Such a setting stays in this worker, as it would in a program: the next task finds the
module imported, so nothing would set it again. To tell it from what the task sets
itself, the worker looks before and after each import of a new module.

The interpreter calls one of its own functions by name for exactly these imports,
however they are made. If there is no function of that name any more, the two cannot be
told apart, and a setting of a module is undone like the others.
"""

from __future__ import annotations

import sys
from contextvars import copy_context
from threading import get_ident
from typing import Any

from . import process_state
from .packed_chunk import memory

bootstrap: Any = sys.modules.get("_frozen_importlib")  # Any: not public
NAME = "_find_and_load"


def watch() -> None:
    """Watch over what this thread imports from here on."""
    find_and_load = getattr(bootstrap, NAME, None)
    if find_and_load is None:
        return
    thread = get_ident()
    is_importing = False

    def watched(name: str, import_: Any) -> Any:  # Any: as it is called
        nonlocal is_importing
        if is_importing or name in sys.modules or get_ident() != thread:
            return find_and_load(name, import_)
        is_importing = True
        try:
            before = Before()
            try:
                return find_and_load(name, import_)
            finally:
                before.adopt_what_is_new()
        finally:
            is_importing = False

    # By this the interpreter knows which frames to leave out of tracebacks.
    watched.__code__ = watched.__code__.replace(
        co_filename=find_and_load.__code__.co_filename
    )
    setattr(bootstrap, NAME, watched)


class Before:
    """What this process and the context of the task were like before an import."""

    def __init__(self) -> None:
        state = process_state.current
        self.state = None if state is None else state.snapshot()
        self.context = copy_context()

    def adopt_what_is_new(self) -> None:
        state = process_state.current
        if state is not None and self.state is not None:
            state.adopt_since(self.state)
        before = self.context
        memory.adopt_values(
            [
                (variable, value)
                for variable, value in copy_context().items()
                if variable not in before or before[variable] is not value
            ]
        )
