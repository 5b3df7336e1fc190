"""What workers do in the benchmark of flows. It imports nothing that takes time."""

from __future__ import annotations

import random
from itertools import repeat
from time import process_time, sleep
from typing import Any

LEAST_S, MOST_S = 0.0001, 0.050  # of a handler whose times are those of Pareto
MEGABYTE = 131_072  # numbers of 8 bytes


def same(item: Any) -> Any:
    return item


def burn(loops: int) -> int:
    """Compute, without any memory: how that lies makes some processes half as fast."""
    for _ in repeat(None, loops):
        pass
    return loops


def wait(seconds: float) -> float:
    sleep(seconds)
    return seconds


def first(array: Any) -> float:
    return float(array[0])


def loops_in_a_millisecond() -> int:
    """Of the best of some tries: a busy machine only ever makes it longer."""
    loops, best = 500_000, 1.0
    for _ in range(10):
        began = process_time()
        burn(loops)
        best = min(best, process_time() - began)
    return int(loops * 1e-3 / best)


def pareto_times(count: int) -> list[float]:
    """Mostly short ones, and a few that are very long; always the same."""
    chance = random.Random(15)
    return [min(LEAST_S * chance.paretovariate(1.0), MOST_S) for _ in range(count)]
