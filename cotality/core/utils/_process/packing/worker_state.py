"""Objects that a worker makes once and keeps: a model, a connection."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from types import BuiltinFunctionType, GeneratorType, MethodType
from typing import Any, ParamSpec, TypeVar, cast, overload

from cotality._kit.public import pickled_as, public
from cotality._kit.records import NamedTuple
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.checks import check_function
from cotality.core.utils._process.tasks.task import Task, marks, name_of_function
from cotality.core.utils._process.tasks.tracebacks import field_of

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(LOGGER)


@pickled_as("WorkerState")
class PerWorker:
    """Stands for an argument in a task; the function gets what its worker made."""

    factory: Callable[..., Any]  # Any: of any result type
    positional: tuple[Any, ...]  # Any: arguments of any function
    arguments: dict[str, Any]  # Any: arguments of any function

    __slots__ = ("arguments", "factory", "positional")

    def __init__(
        self,
        factory: Callable[..., Any],  # Any: makes anything
        positional: tuple[Any, ...],  # Any: arguments of any function
        arguments: dict[str, Any],
    ) -> None:
        self.factory = factory
        self.positional = positional
        self.arguments = arguments

    def __repr__(self) -> str:
        return f"worker_state({name_of_function(self.factory)})"

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the form that pickle wants
        # Cloudpickle only names what is in modules that are loaded.
        from cotality.core.utils import pickled as pickled

        return PerWorker, (self.factory, self.positional, self.arguments)

    def key(self) -> Hashable:
        """The same for marks that stand for the same thing, as far as can be told.

        What cannot be told, such as the content of a list, makes the mark its own key.
        Never its `id`: a key is kept for longer than a mark is, and the next mark may
        be made where the last one was.
        """
        given = (self.factory, self.positional, tuple(self.arguments.items()))
        try:
            key = value_key(given)
            hash(key)
        except Exception as raised:
            # The code of an argument's class decides what this raises.
            if is_of_a_signal(raised):
                raise
            return self
        return key

    def make(self) -> Any:  # Any: whatever it makes
        return self.factory(*self.positional, **self.arguments)


def value_key(value: Any) -> Hashable:  # Any: arguments of any function
    """The same for values that any function takes for the same.

    Those that are equal need not be: 1, 1.0 and True are, and so are two accounts of
    one name, if their class compares nothing else. So what they hold counts as well.
    What is equal to itself alone is told by which object it is.
    """
    kind: type[object] = type(value)  # pyright: ignore[reportUnknownVariableType]  # of Any
    if kind in PLAIN or kind.__eq__ is object.__eq__ or isinstance(value, type):
        return kind, value
    if kind is tuple:
        return kind, *map(value_key, cast("tuple[object, ...]", value))
    hash(value)  # if it has none, there is no need to look into it
    return kind, value, content_of(value)


# Of methods, two are equal if they are of the same object.
PLAIN = frozenset([str, bytes, int, bool, MethodType, BuiltinFunctionType])


def content_of(value: object) -> bytes:
    """What *value* holds.

    Raises:
        Exception: That cannot be told.
    """
    # Threads need no pickle otherwise.
    from io import BytesIO
    from pickle import HIGHEST_PROTOCOL, Pickler

    file = BytesIO()
    pickler = Pickler(file, HIGHEST_PROTOCOL)
    # The same, whichever of its parts are one object.
    pickler.fast = True
    pickler.dump(value)
    return file.getvalue()


@overload
def worker_state(
    factory: Callable[P, Generator[T, Any, Any]],  # Any: nobody sends it anything
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T: ...
@overload
def worker_state(
    factory: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T: ...
@public
def worker_state(
    factory: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Let each worker make an object once, for all tasks that it runs.

    ``Task(predict, {"model": worker_state(load_model, "large"), "image": image})``: the
    first such task in a worker calls ``load_model("large")``, and all such tasks there
    get the object that it returned. A type checker sees the type that *factory*
    returns.

    The object lives as long as its worker serves the call; inside a ``with
    worker_pool()``, until the end of the block; on an executor, as long as the worker
    itself. Then the worker calls its ``close()``, if it has one. If *factory* is a
    generator function, it yields the object, and the code after the ``yield`` runs at
    the end::

        def connection(path):
            connection = sqlite3.connect(path)
            yield connection
            connection.close()

    Each thread makes, uses and closes an object of its own, so the object need not be
    thread-safe. If *factory* raises, the task fails with that exception, and the next
    task tries again. Worker processes that have made such an object are not kept warm
    for other calls.

    Args:
        factory: Makes the object. On processes, *factory*, *args* and *kwargs* have to
            be picklable; the object need not be.
    """
    if not callable(factory):
        raise TypeError(f"worker_state needs a function to call, got {factory!r}")
    check_function(factory, "what makes a worker_state")
    marks.state_was_used = True
    return PerWorker(factory, args, kwargs)


class Made(NamedTuple):
    """Something that was made, and how to be done with it."""

    state: Any  # Any: whatever a factory makes
    close: Callable[[], object] | None
    name: str


class States:
    """What one worker has made."""

    def __init__(self) -> None:
        self.made: dict[Hashable, Made] = {}

    def get(self, key: Hashable, mark: PerWorker) -> Any:  # Any: as above
        """What *mark* stands for, which is called *key* here; made if need be."""
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = made(mark)
        return found.state

    def close(self) -> None:
        """Be done with all of it, the latest first. What fails is logged."""
        close_all(self.made)


def close_all(made: dict[Hashable, Made]) -> None:
    while made:
        _, each = made.popitem()
        try:
            if each.close is not None:
                each.close()
        except BaseException as error:
            if is_of_a_signal(error):
                close_all(made)
                raise
            # There is no task left that could fail with it.
            logger.exception("a worker's %s could not be closed", each.name)


def made(mark: PerWorker) -> Made:
    name = name_of_function(mark.factory)
    thing = mark.make()
    if not isinstance(thing, GeneratorType):
        close = getattr(thing, "close", None)
        return Made(thing, close if callable(close) else None, name)
    steps = cast("Generator[Any, None, None]", thing)  # Any: as above
    try:
        state = next(steps)
    except StopIteration:
        raise RuntimeError(f"{name} ended without a yield: there is no state") from None
    return Made(state, lambda: next(steps, None), name)


def is_of_worker_state(error: BaseException) -> bool:
    """Whether *error* was raised by what makes a state for a worker."""
    frames = field_of(error, "__traceback__")
    while frames is not None:
        if frames.tb_frame.f_code is made.__code__:
            return True
        frames = frames.tb_next
    return False


class Here(threading.local):
    """What belongs to the thread that asks."""

    states: States | None = None


here = Here()


def open_states() -> None:
    """This thread is a worker from now on."""
    here.states = States()


def close_states() -> None:
    """This thread is one no longer."""
    states, here.states = here.states, None
    if states is not None:
        states.close()


@contextmanager
def standing_in(states: States) -> Generator[None, None, None]:
    """Let this thread be a worker that has *states*, in the ``with``."""
    before, here.states = here.states, states
    try:
        yield
    finally:
        # One that was struck is closed late, when the next is under way.
        if here.states is states:
            here.states = before


def states_here() -> States:
    """Those of this thread, which is a worker: one of ours, or of an executor.

    The latter never says when a worker ends. What it has made is closed by its thread,
    when that ends and with it what is local to it; or else when its process ends.
    """
    if here.states is None:
        # Not `atexit`, nor `weakref.finalize`, which uses it: processes that
        # `multiprocessing` has forked leave that out (3.11, 3.12).
        from multiprocessing.util import Finalize

        here.states = States()
        Finalize(here.states, close_all, (here.states.made,), exitpriority=0)
    return here.states


# On processes.


def state_of(name: bytes, packed: bytes) -> Any:  # Any: whatever a factory makes
    """What the mark *packed* stands for in this worker."""
    states = states_here()
    found = states.made.get(name)
    if found:
        return found.state
    from cotality.core.utils._process.pickling.encode import (
        decode,  # threads need no pickle
    )

    return states.get(name, decode(packed))


# On threads.


def holds_marks(task: Task[Any]) -> bool:  # Any: a task of any result type
    """Whether an argument of *task* has to be made by its worker."""
    return any(
        type(value) is PerWorker
        for value in (*task.positional, *task.arguments.values())
    )


def with_states(task: Task[Any]) -> Task[Any]:  # Any: as above
    """*task* in a form that a thread with states can run."""
    return Task(call_with_states, {"task": task}) if holds_marks(task) else task


def call_with_states(task: Task[Any]) -> Any:  # Any: what the task returns
    positional = tuple(unmarked(value) for value in task.positional)
    named = {name: unmarked(value) for name, value in task.arguments.items()}
    return task.callback_function(*positional, **named)


def unmarked(value: Any) -> Any:  # Any: arguments of any function
    if type(value) is not PerWorker:
        return value
    return states_here().get(value.key(), value)
