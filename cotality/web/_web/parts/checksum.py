"""What the values of all items come to: equal for equal values, in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

SIZE = 8  # bytes
MODULUS = 1 << 8 * SIZE
NOTHING = 0


def sum_of(index: int, value: int | None) -> int:
    """What one item adds; None stands for one that has failed."""
    text = b"%d:%d" % (index, value) if value is not None else b"%d!" % index
    return int.from_bytes(hashlib.blake2b(text, digest_size=SIZE).digest(), "big")


def added(sums: Iterable[int]) -> int:
    """Several of these together, of items or of portions of them."""
    return sum(sums) % MODULUS


def as_text(total: int) -> str:
    """As people see it."""
    return f"{total:0{2 * SIZE}x}"


def from_text(text: str) -> int:
    """What `as_text` has made a text of."""
    return int(text, 16)
