"""Reads a set of weak references that other threads change meanwhile."""

from __future__ import annotations

import weakref
from typing import TypeVar

from cotality._kit.struck import is_of_a_signal

T = TypeVar("T")


def all_in(things: weakref.WeakSet[T]) -> list[T]:
    """Those that are in it now. Such a set gives up when one is added meanwhile."""
    while True:
        try:
            return list(things)
        except RuntimeError as changed:
            if is_of_a_signal(changed):
                raise
