"""What workers do in the benchmark of flows. It imports nothing that takes time."""

from __future__ import annotations

from time import process_time
from typing import Any


def same(item: Any) -> Any:
    return item


def burn(loops: int) -> int:
    total = 0
    for number in range(loops):
        total += number
    return total


def loops_in_a_millisecond() -> int:
    loops = 1_000_000
    began = process_time()
    burn(loops)
    return int(loops / (1e3 * (process_time() - began)))


def first(array: Any) -> float:
    return float(array[0])
