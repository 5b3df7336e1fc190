"""What workers do in the benchmark of flows. It imports nothing that takes time."""

from __future__ import annotations

import random
from itertools import repeat
from time import process_time, sleep
from typing import Any
from zlib import crc32

LEAST_S, MOST_S = 0.0001, 0.050  # of a handler whose times are those of Pareto
MEGABYTE = 131_072  # numbers of 8 bytes
BLOCK = bytes(4096)  # with more than 5 KB `crc32` would let go of the lock


def same(item: Any) -> Any:
    return item


def burn(loops: int) -> int:
    """Compute, and hold the interpreter's lock.

    In C, and only reading: how fast the interpreter runs an empty loop depends on how a
    process's memory happens to lie (from 0.73 to 1.28 ms for the same one).
    """
    for _ in repeat(None, loops):
        crc32(BLOCK)
    return loops


def wait(seconds: float) -> float:
    sleep(seconds)
    return seconds


def first(array: Any) -> float:
    return float(array[0])


def loops_in_a_millisecond() -> int:
    """Of the best of some tries: a busy machine only ever makes it longer."""
    loops, best = 5_000, 1.0
    for _ in range(10):
        began = process_time()
        burn(loops)
        best = min(best, process_time() - began)
    return int(loops * 1e-3 / best)


def pareto_times(count: int) -> list[float]:
    """Mostly short ones, and a few that are very long; always the same."""
    chance = random.Random(15)
    return [min(LEAST_S * chance.paretovariate(1.0), MOST_S) for _ in range(count)]
