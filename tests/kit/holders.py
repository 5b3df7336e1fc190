"""Things that hold arrays, ways to change them, and tasks that look and spoil them.

A worker imports this: numpy and pandas come with the first thing that needs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

ROWS = 12_000  # numbers that take 96 kB: more than goes through the link


@dataclass
class Job:
    data: Any
    number: int = 0


class Dropping:
    """Has a say in what of it travels."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.lock = None

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data}


class Tickets:
    """Is another one each time it is pickled."""

    def __init__(self, data: Any, drawn: int = 0) -> None:
        self.data = data
        self.drawn = drawn

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.drawn += 1
        return Tickets, (self.data, self.drawn)


class Stamping:
    """Writes into its array whenever it is pickled."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.data[0] += 1
        return Stamping, (self.data,)


class StampingItems(dict[str, Any]):
    """Likewise, when it is asked for its items."""

    def items(self) -> Any:
        self["data"][0] += 1
        return super().items()


class Model:
    """Its method is a task, and holds what it holds."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def seen(self, *more: Any) -> str:
        return seen(self.data, *more)

    def number(self, number: int) -> int:
        return number

    def first(self, number: int) -> tuple[int, float]:
        return number, first(self.data)


def first(data: Any) -> float:
    return float(data.flat[0])


def first_of(holder: Any, number: int = 0) -> float:
    """The first number of the first array that *holder* holds."""
    if isinstance(holder, dict):
        return first_of(next(iter(holder.values())))
    if isinstance(holder, list | tuple):
        return first_of(holder[0])
    if hasattr(holder, "iloc"):
        return float(holder.iloc[0, 0])
    if hasattr(holder, "data") and not hasattr(holder, "dtype"):
        return first_of(holder.data)
    return first(holder)


# What may be changed, and how.


def array(random: Random) -> Any:
    import numpy as np

    return np.full(ROWS, random.random())


def frame(random: Random, **more: Any) -> Any:
    import pandas as pd

    return pd.DataFrame({"a": array(random), "b": array(random), **more})


def texts() -> list[str]:
    return [f"text {number % 9}" for number in range(ROWS)]


def objects(items: list[str]) -> Any:
    import pandas as pd

    return pd.Series(items, dtype=object)


def times() -> Any:
    import pandas as pd

    return pd.date_range("2020", periods=ROWS, freq="s")


MAKERS: dict[str, Callable[[Random], Any]] = {
    "dictionary": lambda random: {"a": array(random), "b": [array(random), 1]},
    "list": lambda random: [array(random) for _ in range(random.randint(1, 3))],
    "tuple": lambda random: (array(random), [array(random)]),
    "dataclass": lambda random: Job(array(random)),
    "own state": lambda random: Dropping(array(random)),
    "new each time": lambda random: Tickets(array(random)),
    "writes when pickled": lambda random: Stamping(array(random)),
    "frame": frame,
    "frame with texts": lambda random: frame(random, s=texts(), o=objects(texts())),
    "frame with times": lambda random: frame(random, t=times()),
    "series in a dictionary": lambda random: {"a": frame(random)["a"], "b": 1},
    "fortran": lambda random: {"a": matrix(random)},
    "parts of one array": lambda random: parts(random),
    "objects in an array": lambda random: {"a": objects(texts()).to_numpy().copy()},
    "records": lambda random: {"deep": [{"n": n} for n in range(9_000)]},
}


def matrix(random: Random) -> Any:
    import numpy as np

    return np.asfortranarray(np.full((300, 100), random.random()))


def parts(random: Random) -> list[Any]:
    import numpy as np

    whole = np.full((200, 400), random.random())
    return [whole[:100], whole[100:], whole]


def change(random: Random, thing: Any) -> None:
    """Change *thing* in one of the ways that its kind has."""
    value = random.random()
    if isinstance(thing, dict) and "deep" in thing:
        thing["deep"][random.randrange(99)]["n"] = value
    elif isinstance(thing, dict):
        if random.random() < 0.5 and "b" in thing:
            thing["b"] = [value]
        change_array(random, thing["a"])
    elif isinstance(thing, tuple):
        change_array(random, thing[0])
    elif isinstance(thing, list):
        if random.random() < 0.3:
            thing.append(value)
        elif random.random() < 0.5:
            thing[0] = array(random)
        else:
            change_array(random, thing[0])
    elif hasattr(thing, "columns"):
        change_frame(random, thing)
    elif random.random() < 0.3:
        thing.data = array(random)
    else:
        change_array(random, thing.data)


def change_array(random: Random, data: Any) -> None:
    value: Any = random.random()
    if data.dtype == object:
        value = f"{value}"
    if hasattr(data, "iloc"):
        data.iloc[random.randrange(99)] = value
    else:
        data.flat[random.randrange(99)] = value


def change_frame(random: Random, thing: Any) -> None:
    import pandas as pd

    row, value = random.randrange(99), random.random()
    column = random.choice(list(thing.columns))
    if random.random() < 0.2:
        thing["new"] = value
    elif column == "t":
        thing.loc[row, "t"] = pd.Timestamp("2030-01-01")
    elif column in ("s", "o"):
        thing.loc[row, column] = f"{value}"
    else:
        thing.loc[row, column] = value


# What tasks do.


def seen(*positional: Any, **named: Any) -> str:
    """All that there is in the arguments, which are spoilt afterwards."""
    digest = hashlib.md5()
    look(digest, (positional, named), {})
    spoil([*positional, *named.values()], set())
    return digest.hexdigest()


def look(digest: Any, thing: Any, before: dict[int, int]) -> None:
    """Take *thing* into the digest, and which objects are the same in it."""
    if isinstance(thing, int | float | str | None):
        return digest.update(repr(thing).encode())
    if id(thing) in before:
        return digest.update(f"the same as {before[id(thing)]}".encode())
    before[id(thing)] = len(before)
    digest.update(type(thing).__name__.encode())
    if hasattr(thing, "iloc"):
        columns = thing.columns if hasattr(thing, "columns") else [thing.name]
        digest.update(repr([*columns]).encode())
        values = [thing[c] for c in columns] if hasattr(thing, "columns") else [thing]
        return digest.update(repr([(v.dtype, v.tolist()) for v in values]).encode())
    if hasattr(thing, "dtype"):
        flags = thing.flags.f_contiguous, thing.flags.writeable
        digest.update(f"{thing.dtype} {thing.shape} {flags}".encode())
        return digest.update(repr(thing.tolist()).encode())
    for part in parts_of(thing):
        look(digest, part, before)
    return None


def parts_of(thing: Any) -> list[Any]:
    if isinstance(thing, dict):
        return [part for item in thing.items() for part in item]
    if isinstance(thing, list | tuple):
        return [*thing]
    return [vars(thing)] if hasattr(thing, "__dict__") else []


def spoil(thing: Any, before: set[int]) -> None:
    """Change *thing* and all that it holds, where that can be written to."""
    if id(thing) in before:
        return
    before.add(id(thing))
    if hasattr(thing, "columns"):
        for column in [each for each in thing.columns if each in ("a", "b")]:
            thing.loc[:60, column] = -9.0
        for column in [each for each in thing.columns if each in ("s", "o")]:
            thing.loc[:60, column] = "spoilt"
        thing["spoilt"] = 1
    elif hasattr(thing, "iloc"):
        thing.iloc[:60] = -9.0
    elif hasattr(thing, "dtype"):
        thing.flat[:60] = "spoilt" if thing.dtype == object else -9.0
    else:
        for part in parts_of(thing):
            spoil(part, before)
        if isinstance(thing, list):
            thing.append("spoilt")
        elif isinstance(thing, dict):
            thing["spoilt"] = 1


def with_data(data: Any) -> Callable[..., str]:
    return partial(seen, data)
