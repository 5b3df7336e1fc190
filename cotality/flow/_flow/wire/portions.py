"""What the router and a worker say to each other.

The router sends portions: items that are handed over together. Each item has a number
of its own with that worker, counted from 1. The worker answers with records, several in
a message, in the order in which items were done. Until a message of records is sent it
lies in the memory that the two share, complete after each handler call: what a worker
had done when it died is not lost.

What is large travels in memory of its own, by descriptor. A record with descriptors is
sent by itself, at once: they would not outlive the worker in the shared memory.

Both are bodies of the core's own messages between a parent and its child.

That memory also holds words, by which each side knows what the other is at:

* `BEGUN`: the number of the last item that a handler was called with. The worker writes
  it, then looks at the marks of these items, and only then calls the handler;
* `USED`: how many bytes of the room hold records that may not have been sent;
* `STARTED`: since when a handler runs, by `perf_counter`; infinite while none does;
* `HALT`: while it is not 0 no handler is called. The router writes it before it ends a
  worker that is late, and then looks whether the late item is still the one that runs.

A mark tells that nobody wants an item from this worker any more: it was cancelled, or
another worker is free. The router writes it, waits for `PAUSE`, and then looks at
`BEGUN`: an item that has not begun by then never will, because whoever writes first is
seen by the other.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from typing import Final

FIRST_WORD: Final = 16  # of a board that is ours, see `cotality.core.hosting`
BEGUN: Final = FIRST_WORD
USED: Final = FIRST_WORD + 1
STARTED: Final = FIRST_WORD + 2
HALT: Final = FIRST_WORD + 3

MARKS: Final = 4096
MARK_OF: Final = MARKS - 1  # the mark of an item is that of its number & MARK_OF
MOST_HELD: Final = 1024  # items that one worker may hold; far fewer than marks

PAUSE: Final = 0.002  # s between what one side writes and what it reads


class Message:
    """Kinds of messages; none that the core gives another meaning."""

    PORTION: Final = 1  # to a worker
    READY: Final = 2  # from a worker: it has started
    UNFIT: Final = 4  # from a worker: it cannot; the body is the packed exception
    RECORDS: Final = 8
    OUTPUT: Final = 64  # as the core's


class Status:
    """What became of an item."""

    VALUE: Final = 0
    FAILURE: Final = 1  # a packed exception
    BACK: Final = 2  # not begun, because of its mark


# Of a portion: first number, how many items, whether descriptors come along.
COUNT: Final = struct.Struct("=QI?")

# Status, next step, how many items the handler was called with (0 but for the first of
# them), number, weight for the next step, length; how long the handler took (s), how
# much of that was its own work (s), when it began (0 but for the first).
RECORD: Final = struct.Struct("=BBHQIIffd")


def portion(
    first: int,
    bodies: Sequence[bytes | bytearray],
    weights: Sequence[int],
    fds: bytes,
) -> bytes:
    """The body of a portion of items numbered from *first*.

    Args:
        fds: How many of the descriptors that come along belong to each item; empty if
            none do.
    """
    lengths = array("I", map(len, bodies)).tobytes()
    head = COUNT.pack(first, len(bodies), bool(fds))
    return b"".join([head, lengths, array("I", weights).tobytes(), fds, *bodies])


def items_of(
    body: bytes | bytearray,
) -> list[tuple[int, int, memoryview, int]]:
    """The number, the weight, the bytes and how many descriptors each item has."""
    first, count, has_fds = COUNT.unpack_from(body)
    view = memoryview(body)
    begin, size = COUNT.size, 4 * count
    lengths = array("I", bytes(view[begin : begin + size]))
    weights = array("I", bytes(view[begin + size : begin + 2 * size]))
    at = begin + 2 * size
    fds = bytes(view[at : at + count]) if has_fds else bytes(count)
    at += count if has_fds else 0
    items: list[tuple[int, int, memoryview, int]] = []
    for position, length in enumerate(lengths):
        data = view[at : at + length]
        items.append((first + position, weights[position], data, fds[position]))
        at += length
    return items


def unfit(text: str, packed: bytes) -> bytes:
    """The body of an `UNFIT`: why, as a text, and as a packed exception."""
    return text.encode(errors="backslashreplace") + b"\0" + packed


def read_unfit(body: bytes | bytearray) -> tuple[str, bytes]:
    text, _, packed = bytes(body).partition(b"\0")
    return text.decode(errors="replace"), packed
