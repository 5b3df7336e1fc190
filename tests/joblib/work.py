"""What the calls of joblib run in workers."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from tests.kit.helpers import Gate, Marks


def negated(number: int) -> int:
    return -number


def parallel_negated(count: int) -> list[int]:
    """On workers of our own, wherever this runs."""
    from joblib import Parallel, delayed

    from cotality.joblib import register

    register()
    calls = [delayed(negated)(number) for number in range(count)]
    found: list[int] = Parallel(n_jobs=2, backend="cotality")(calls)
    return found


def power(base: int, exponent: int = 2) -> int:
    return int(base**exponent)


def pid_of(_: object = None) -> int:
    return os.getpid()


def fail_at(number: int, bad: int) -> int:
    if number == bad:
        try:
            deep(number)
        except KeyError as error:
            raise ValueError(f"no {number}") from error
    return number


def deep(number: int) -> None:
    raise KeyError(number)


def die_at(number: int, bad: int) -> int:
    if number == bad:
        os._exit(3)
    return number


def fail_once_begun(marks: Marks, number: int, gate: Gate) -> int:
    """Task 0 fails once the other one has begun, which says who it is and waits."""
    if number == 0:
        marks.wait_for(1)
        raise ValueError("enough")
    marks.leave(os.getpid())
    gate.wait()
    return number


def meet(marks: Marks, name: object, count: int) -> int:
    """The process, once *count* are here at the same time."""
    marks.leave(name)
    marks.wait_for(count)
    return os.getpid()


def has_imported(name: str) -> bool:
    return name in sys.modules


def inner(depth: int, backend: str | None = None) -> list[tuple[str, int, bool]]:
    """What joblib takes inside of this, and inside of that, and so on.

    Of each level the backend, the number of workers it would take, and whether its
    calls run in the same process.
    """
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    here, jobs = get_active_backend()
    found = [(type(here).__name__, jobs or 0, True)]
    if depth == 0:
        return found
    calls = [delayed(inner_with_pid)(depth - 1) for _ in range(2)]
    (below, pid), _ = Parallel(n_jobs=2, backend=backend)(calls)
    name, count, _ = below[0]
    return [*found, (name, count, pid == os.getpid()), *below[1:]]


def inner_with_pid(depth: int) -> tuple[list[tuple[str, int, bool]], int]:
    return inner(depth), os.getpid()


def thread_of(_: object) -> int:
    return threading.get_ident()


def inner_threads(marks: Marks) -> int:
    """How many threads of this process a call inside of a task uses."""
    from joblib import Parallel, delayed

    calls = [delayed(meet)(marks, name, 2) for name in "ab"]
    return len(set(Parallel(n_jobs=2)(calls)))


class State:
    """Something that an initializer sets in each worker."""

    value: Any = None


def set_state(value: object) -> None:
    State.value = value


def state(_: object = None) -> Any:
    return State.value


def refuse() -> None:
    raise RuntimeError("no model here")


def variable(name: str) -> str | None:
    return os.environ.get(name)


def halve_first(array: Any) -> float:
    """Changes its argument, as careless tasks do."""
    array[0] /= 2
    return float(array[0])


def fill_in(output: Any, place: int) -> bool:
    output[place] = place + 1
    return bool(output.flags.writeable)


def sum_of(array: Any) -> float:
    return float(array.sum())


def seen(array: Any) -> tuple[bool, str, float]:
    """Whether it can be written to, what it is, and what is in it."""
    return bool(array.flags.writeable), type(array).__name__, float(array.sum())


def say(word: str) -> None:
    print(word)
