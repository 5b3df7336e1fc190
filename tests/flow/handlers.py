"""What the workers of flows run in tests. It imports nothing that takes time."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

POLL_S = 0.002
LIMIT_S = 30.0


def same(item: Any) -> Any:
    return item


def double(item: int) -> int:
    return 2 * item


def pid(item: object) -> int:
    return os.getpid()


def wait_for(path: str) -> str:
    """Return once there is a file at *path*."""
    end = time.monotonic() + LIMIT_S
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise TimeoutError(f"nobody made {path}")
        time.sleep(POLL_S)
    return path


def note(folder: str, name: object) -> None:
    """Say that *name* was handled; once more each time."""
    with open(os.path.join(folder, "notes"), "a") as file:
        file.write(f"{name}\n")


def notes(folder: Path) -> list[str]:
    file = folder / "notes"
    return file.read_text().split() if file.exists() else []


def wait_for_notes(folder: Path, count: int) -> list[str]:
    end = time.monotonic() + LIMIT_S
    while len(found := notes(folder)) < count:
        if time.monotonic() > end:
            raise TimeoutError(f"only {found}")
        time.sleep(POLL_S)
    return found


class Doubles:
    """Doubles numbers, in batches."""

    def handle(self, items: list[int]) -> list[int]:
        return [2 * item for item in items]


class BatchSizes:
    """Says how many it was called with; the first time waits for a gate."""

    def __init__(self, gate: str) -> None:
        self.gate = gate

    def handle(self, items: list[Any]) -> list[int]:
        wait_for(self.gate)
        return [len(items)] * len(items)


class Notes:
    """Notes what it handles, and does as it is told."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def start(self) -> None:
        note(self.folder, "start")

    def stop(self) -> None:
        note(self.folder, "stop")

    def handle(self, items: list[Any]) -> list[Any]:
        for item in items:
            note(self.folder, item)
        return items


class Obeys:
    """Items are orders: ``(what, argument)``. Each is noted first."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def handle(self, items: list[tuple[str, Any]]) -> list[Any]:
        return [self.obey(*item) for item in items]

    def obey(self, what: str, argument: Any) -> Any:
        note(self.folder, f"{what}:{argument}".replace(" ", "_").replace("\n", "_"))
        if what == "return":
            return argument
        if what == "raise":
            raise ValueError(argument)
        if what == "exit":
            os._exit(argument)
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "wait":
            return wait_for(argument)
        if what == "sleep":
            time.sleep(argument)
            return argument
        if what == "lock":
            import threading

            return {"inner": threading.Lock()}
        if what == "print":
            print(argument)
            return argument
        raise AssertionError(what)


class CannotStart:
    def start(self) -> None:
        raise RuntimeError("no model")

    def handle(self, items: list[Any]) -> list[Any]:
        return items


class DiesAtStart:
    def start(self) -> None:
        os._exit(3)

    def handle(self, items: list[Any]) -> list[Any]:
        return items


class FailsOn:
    """Fails alone for items that are *bad*."""

    def __init__(self, bad: object) -> None:
        self.bad = bad

    def handle(self, items: list[Any]) -> list[Any]:
        from cotality.flow import Failed

        return [Failed(KeyError(item)) if item == self.bad else item for item in items]


class RaisesOn:
    """Raises if *bad* is among its items."""

    def __init__(self, bad: object, folder: str) -> None:
        self.bad = bad
        self.folder = folder

    def handle(self, items: list[Any]) -> list[Any]:
        note(self.folder, len(items))
        if self.bad in items:
            raise KeyError(self.bad)
        return items


def is_even(item: int) -> bool:
    return item % 2 == 0


def is_odd(item: int) -> bool:
    return item % 2 == 1


def negative(item: int) -> int:
    return -item


def of_that_size(item: int) -> int:
    return item


def batch_of(items: list[int]) -> list[list[int]]:
    """Which items were together."""
    return [list(items)] * len(items)


def one_too_few(items: list[Any]) -> list[Any]:
    return items[1:]


def times_a_million(item: bytes) -> bytes:
    return item * 1_000_000 if len(item) < 1000 else item


def add_one_in_place(array: Any) -> Any:
    array += 1
    return array


class Echo:
    def handle(self, items: list[Any]) -> list[Any]:
        return items


class ObeysQuietly(Obeys):
    """The same, but nothing is noted unless it is the order."""

    def obey(self, what: str, argument: Any) -> Any:
        if what == "return":
            return argument
        if what == "note":
            note(self.folder, argument)
            return argument
        if what == "note and exit":
            note(self.folder, argument)
            os._exit(3)
        return super().obey(what, argument)


def is_sleepy(item: Any) -> bool:
    return isinstance(item, tuple) and item[0] == "sleep"


def is_other_order(item: Any) -> bool:
    return isinstance(item, tuple) and item[0] != "sleep"


def size_of(item: Any) -> int:
    return len(item)


class TakesNoNoteError(Exception):
    def add_note(self, note: str) -> None:
        raise RuntimeError("no notes here")


class OddNotesError(Exception):
    __notes__ = ()  # type: ignore[assignment]


AGAIN = ValueError("again and again")


class Hangs:
    """Takes for ever to be pickled."""

    def __reduce__(self) -> Any:
        time.sleep(LIMIT_S)


def oddly(items: list[str]) -> Any:
    """What no handler should return or raise."""
    what = items[0]
    if what == "no note":
        raise TakesNoNoteError(what)
    if what == "odd notes":
        raise OddNotesError(what)
    if what == "again":
        raise AGAIN
    if what == "hangs":
        return [Hangs(), *items[1:]]
    odd = {
        "bytearray": bytearray(len(items)),
        "frozenset": frozenset(range(len(items))),
        "ordered": OrderedDict.fromkeys(range(len(items))),
        "number": 5,
        "endless": itertools.count(),
        "generator": (item for item in items),
    }
    return odd.get(what, items)


def framed(items: list[Any]) -> Any:
    """A data frame for all of them, with as many columns as there are items."""
    import pandas as pd

    return pd.DataFrame({f"column {number}": [1] for number in range(len(items))})


def frame_of(item: dict[str, list[int]]) -> Any:
    import pandas as pd

    return pd.DataFrame(item)


def doubled(frame: Any) -> Any:
    return 2 * frame


def all_doubled(frames: list[Any]) -> list[Any]:
    return [2 * frame for frame in frames]


def are_long(frame: Any) -> Any:
    return frame > 1


def is_long(frame: Any) -> bool:
    return len(frame) > 1


class StartsAsTold:
    """Starts as the file *orders* says."""

    def __init__(self, orders: str) -> None:
        self.orders = orders

    def start(self) -> None:
        order = Path(self.orders).read_text()
        if order == "fail":
            raise RuntimeError("no model")
        if order == "one":  # the first one only
            try:
                os.rename(self.orders + ".first", self.orders + ".taken")
            except FileNotFoundError:
                raise RuntimeError("no second model") from None

    def handle(self, items: list[Any]) -> list[int]:
        for item in items:
            if item == "exit":
                os._exit(3)
        return [os.getpid()] * len(items)
