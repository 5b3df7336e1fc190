"""Computation in plain Python, which needs a CPU and gives nothing else a chance."""

from __future__ import annotations

ITERATIONS = 20_000
SIDE = 100  # of the nested loop
MODULUS = 1 << 31
BITS = MODULUS - 1


def long_loop(seed: int) -> int:
    """20,000 steps of a linear congruential generator."""
    number = seed & BITS
    for _ in range(ITERATIONS):
        number = (number * 1_103_515_245 + 12_345) & BITS
    return number


def nested_loop(seed: int) -> int:
    """100 rows of 100 columns, added up."""
    total = 0
    for row in range(SIDE):
        for column in range(SIDE):
            total += (row * column) ^ seed
    return total & BITS
