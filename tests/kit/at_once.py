"""Calls that begin at the same moment, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.kit.limits import LONG_S

T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What *calls* return, in their order.

    Raises:
        BaseException: What the first of them has raised, once all are over.
    """
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        together.wait(LONG_S)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))
