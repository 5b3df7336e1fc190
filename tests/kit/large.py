"""What workers do with large data; without NumPy as long as no task needs it."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.channel import messages, segments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

MB = 1_000_000
LARGE = 200_000  # bytes, well above what goes through the link
MANY = 40_000  # small integers in a list that is as large


def switch_off_segments() -> None:
    segments.ARE_AVAILABLE = False
    messages.ARE_AVAILABLE = False


class Counted:
    """Counts how often it was pickled by this process."""

    pickled = 0

    def __reduce__(self) -> tuple[type[Counted], tuple[()]]:
        Counted.pickled += 1
        return Counted, ()


def noughts(size: int = LARGE) -> Bytes:
    import numpy as np

    return np.zeros(size, np.uint8)


def length(*values: Any, **named: Any) -> int:
    return sum(len(each) for each in (*values, *named.values()))


def append(items: list[Any]) -> int:
    items.append("more")
    return len(items)


def increment(data: Any) -> int:
    data[0] += 1
    return int(data[0])


def first(data: Any) -> int:
    return int(data[0])


class Heap(list[Any]):
    """A list with something beside its items, said to be large."""

    nbytes = LARGE
    pushes = 0


def numbered() -> list[int]:
    return list(range(1000, 1000 + MANY))


def change(thing: Any) -> str:
    """Change *thing* in all ways that its type has; what it was before."""
    before = f"{type(thing).__name__} {hash(repr(thing))}"
    if isinstance(thing, Heap):
        thing.pushes += 1
        before += f", {thing.pushes} pushes"
    if isinstance(thing, list):
        if isinstance(thing[-1], list | bytearray):
            thing[-1].append(1)
        thing.reverse()
        thing.append("more")
    elif isinstance(thing, dict):
        thing[next(iter(thing))] = "changed"
        thing["more"] = 1
    elif isinstance(thing, set):
        thing.pop()
    elif isinstance(thing, tuple) and isinstance(thing[-1], list):
        thing[-1].append(1)
    return before


last_items: list[object] = []  # kept, so that each has an identity of its own


def number_of_last_items(items: Any) -> int:
    """How many different objects this worker was given as the last item."""
    last_items.append(items[len(items) - 1])
    return len({id(item) for item in last_items})


def number_of_all(**named: Any) -> int:
    return [number_of_last_items(items) for items in named.values()][-1]


class Ticket:
    """Becomes another number each time it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., int], tuple[()]]:
        return draw, ()


drawn = iter(range(1_000_000, 2_000_000))


def draw() -> int:
    return next(drawn)


def last(items: list[int]) -> int:
    return items[-1]


def lists_here(size: int) -> int:
    """How many lists of *size* items this process has."""
    lists = [thing for thing in gc.get_objects() if type(thing) is list]
    return sum(len(each) == size for each in lists)


class Visits:
    """Counts, in each process, how often it was unpickled, and who came by."""

    def __init__(self, size: int) -> None:
        self.content = bytes(size)
        self.visits = 0

    def visit(self) -> int:
        self.visits += 1
        return self.visits


def visit(guest_book: Visits) -> tuple[int, int, int]:
    return os.getpid(), id(guest_book), guest_book.visit()


class Moody:
    """Becomes a list when it is unpickled for the second time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content = bytes(LARGE)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return load_moody, (self.folder, self.content)


def load_moody(folder: Path, content: bytes) -> list[int]:
    if (folder / "tried").exists():
        return [1] * MANY
    (folder / "tried").touch()
    raise ValueError("not now")


class Leaves:
    """Leaves a mark whenever it is unpickled."""

    def __init__(self, folder: Path, size: int = LARGE) -> None:
        self.folder = folder
        self.content = bytes(size)

    def __reduce__(self) -> tuple[Callable[..., Leaves], tuple[Path, bytes]]:
        return arrive, (self.folder, self.content)


def arrive(folder: Path, content: bytes) -> Leaves:
    with (folder / f"{os.getpid()}.arrivals").open("a") as file:
        file.write("x")
    return Leaves(folder, len(content))


def result_without_room(size: int) -> Bytes:
    """An array, from a process that finds no room for it from now on."""

    def full() -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    segments.memory_file = segments.disk_file = full
    return noughts(size)


class RefusesByOSError:
    """Its pickling fails with an `OSError` of its own."""

    def __reduce__(self) -> str:
        raise FileNotFoundError("the file behind it is gone")


def die_with(data: Any) -> None:
    os._exit(len(data) and 7)


class DiesWhenPickled:
    def __reduce__(self) -> str:
        os._exit(8)


def killed_soon_after(size: int) -> Bytes:
    """A result whose worker is about to die, at whatever point of its way."""
    pause = 0.0005 * (size % 10)
    subprocess.Popen(
        ["sh", "-c", f"sleep {pause}; kill -{signal.SIGKILL.value} {os.getpid()}"]
    )
    return noughts(size)
