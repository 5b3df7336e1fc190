"""Waits until a descriptor has something to read, or has come to its end."""

from __future__ import annotations

import sys


def is_readable(fd: int, most: float | None) -> bool:
    """Whether there is something to read from *fd*, or nobody left who could write.

    Args:
        most: How many seconds to wait for that; None waits for as long as it takes.
    """
    if sys.platform == "win32":  # where it is a handle
        from multiprocessing.connection import wait

        return bool(wait([fd], most))
    import selectors

    # eventlet takes the first one away. The other ones may need a descriptor.
    kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
    with kind() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(most))
