"""Forks wait while another thread imports something for us.

In a child that is forked meanwhile, the module is half there, and locked by a thread
which the child does not have: whoever imports it waits for ever (3.11 to 3.14). Our
functions import what they need when they are called, and the first call of a program is
at that for a tenth of a second.
"""

from __future__ import annotations

import os
import sys
from itertools import starmap
from time import monotonic, sleep
from types import FrameType
from typing import Any

# What imports are made of. Any: not all of it is typed.
imports: Any = __import__("_imp")
bootstrap: Any = __import__("_frozen_importlib")
get_ident: Any = __import__("_thread").get_ident

LIMIT = 2.0  # s that a fork may wait: whom it waits for may wait for who forks
PAUSE = 0.001  # s between two looks
OURS = "cotality."
OF_IMPORTS = ("_frozen_importlib", "importlib")  # the names of such modules begin so

held: list[None] = []  # one for each time that a fork has taken the lock of imports


def hold_imports() -> None:
    """Before a fork: see that no other thread is importing anything for us."""
    end = monotonic() + LIMIT
    hold()
    while are_under_way() and monotonic() < end:
        let_go()
        pause()
        hold()


def hold() -> None:
    held.extend(starmap(imports.acquire_lock, ((),)))  # one step, whatever strikes


def let_go() -> None:
    """After a fork, in either process."""
    if held:
        imports.release_lock()
        held.pop()


def are_under_way() -> bool:
    """Whether a thread but this one imports a module of ours, or any module for us."""
    me, others = get_ident(), False
    for name, reference in list(getattr(bootstrap, "_module_locks", {}).items()):
        lock = reference()
        if lock is None or lock.owner == me:
            continue
        if lock.owner is not None and f"{name}.".startswith(OURS):
            return True
        others = True
    if not others:
        return False  # as mostly
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # nothing else tells what threads do
    return any(imports_for_us(f) for thread, f in frames.items() if thread != me)


def imports_for_us(frame: FrameType | None) -> bool:
    """Whether code of ours has an import done in *frame*, or further out."""
    is_import = False
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if is_import and name.startswith(OURS):
            return True
        is_import = name.startswith(OF_IMPORTS)
        frame = frame.f_back
    return False


def pause() -> None:
    """Let others go on, also with `logging`.

    That has its lock taken before a fork as well, and what others import may need it.
    """
    lock: Any = getattr(sys.modules.get("logging"), "_lock", None)  # Any: not public
    if hasattr(lock, "_is_owned") and lock._is_owned():
        lock.release()
    else:
        lock = None
    try:
        sleep(PAUSE)
    finally:
        if lock is not None:
            lock.acquire()


def watch_forks() -> None:
    """From now on forks wait."""
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(
            before=hold_imports, after_in_parent=let_go, after_in_child=let_go
        )
