"""What a handler raises in code that we ask about an object is the caller's.

To put a failure into words, to pack an argument, to make a key: all that calls code of
other people's classes in the calling thread. A time limit or an order to stop that
strikes in there says nothing about the object. Here it strikes each time that such code
is asked, one after the other.
"""

from __future__ import annotations

import ast
import functools
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import pytest

import cotality
from cotality._kit import struck
from cotality._kit.safe_text import class_and_text, shortened, text_of
from cotality._kit.struck import is_of_a_signal
from cotality._kit.traceback_text import traceback_text_of
from cotality.core.utils._process.pickling.exceptions import (
    pack_exception,
    unpack_exception,
)
from cotality.core.utils.process import (
    DeadLetters,
    IsolatedProcessPoolExecutor,
    Journal,
    Task,
    execute_tasks_in_parallel,
    explain_unpicklable,
    is_picklable,
    replay,
    worker_state,
)
from cotality.tuning import execute, optimize
from tests.kit.helpers import run_script

MOST = 200  # times that one call asks an object; more of them would be a defect


class Bell:
    """Sends this process a signal when it has been rung so many times.

    In a worker it is another one, which nobody has set.
    """

    left: ClassVar[int] = 0
    raised: ClassVar[list[BaseException]] = []

    @classmethod
    def ring(cls) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a handler would run in another thread than this one
        cls.left -= 1
        if cls.left == 0:
            signal.raise_signal(signal.SIGTERM)


class Asked:
    """Rings whatever it is asked."""

    def __init__(self, name: str = "it") -> None:
        self.name = name

    def __repr__(self) -> str:
        Bell.ring()
        return f"Asked({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        Bell.ring()
        return made, (self.name,)

    def __getattr__(self, name: str) -> Any:  # Any: there is none
        Bell.ring()
        raise AttributeError(name)

    def __eq__(self, other: object) -> bool:
        Bell.ring()
        return isinstance(other, Asked) and other.name == self.name

    def __hash__(self) -> int:
        Bell.ring()
        return hash(self.name)

    def __call__(self, value: int) -> int:
        return 10 * value


def made(name: str) -> Asked:
    Bell.ring()
    return Asked(name)


class AskedError(Exception):
    """Rings whatever it is asked."""

    def __str__(self) -> str:
        Bell.ring()
        return "bad"

    def __reduce__(self) -> tuple[Any, ...]:  # Any: as above
        Bell.ring()
        return made_error, ()

    def add_note(self, note: str) -> None:
        Bell.ring()
        super().add_note(note)


def made_error() -> AskedError:
    Bell.ring()
    return AskedError()


@dataclass
class Row:
    """Rings when a field of it is read."""

    number: int

    def __getattribute__(self, name: str) -> Any:  # Any: any attribute
        if name == "number":
            Bell.ring()
        return super().__getattribute__(name)


def fail(value: object) -> None:
    raise AskedError


def fail_because(value: object) -> None:
    try:
        fail(value)
    except AskedError as error:
        raise ValueError("of another one") from error


def name_of(thing: Any) -> str:  # Any: has a name
    return f"{thing.name}"


def run(*tasks: Task[Any], **options: Any) -> list[str]:
    results = execute_tasks_in_parallel(tasks, 2, on_error="return", **options)
    return [type(each).__name__ for each in results]


def journalled(folder: Path) -> object:
    """What has failed, and a result that is an object."""
    path = folder / "journal"
    path.unlink(missing_ok=True)
    tasks = [Task.of(fail, 1), Task.of(Asked, "result")]
    return [run(*tasks, journal=Journal(path), resume=True) for _ in range(2)]


def keyed(folder: Path) -> object:
    path = folder / "journal"
    path.unlink(missing_ok=True)
    return run(Task.of(class_of, Row(1)), journal=Journal(path))


def lettered(folder: Path) -> object:
    """A letter about an object, and about an error with a cause."""
    letters = DeadLetters(folder / "letters")
    letters.path.unlink(missing_ok=True)
    run(Task.of(fail_because, Asked()), dead_letters=letters)
    [letter] = letters.entries()
    return letter.arguments, letter.message, "bad" in letter.traceback


def replayed(folder: Path) -> object:
    letters = DeadLetters(folder / "letters")
    letters.path.unlink(missing_ok=True)
    run(Task.of(fail, Asked()), dead_letters=letters)
    return [type(each.error).__name__ for each in replay(letters, inline=True)]


def submitted(folder: Path) -> object:
    with IsolatedProcessPoolExecutor(1) as executor:
        return executor.submit(name_of, Asked()).result()


def planned(folder: Path) -> object:
    data = [Asked("a"), Asked("b"), Asked("c")]
    plan = optimize(name_of, data)
    return execute(name_of, data, plan=plan)


def logged(folder: Path) -> object:
    logger = logging.getLogger("cotality")
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        return execute_tasks_in_parallel([Task.of(Asked(), 1)], 1)
    finally:
        logger.setLevel(before)


def with_state(folder: Path) -> object:
    tasks = [Task.of(class_of, worker_state(same, Asked())) for _ in range(2)]
    return execute_tasks_in_parallel(tasks, inline=True)


def same(thing: Asked) -> Asked:
    return thing


def class_of(thing: object) -> str:
    return type(thing).__name__


PLACES: dict[str, Callable[[Path], object]] = {
    "text": lambda _: class_and_text(AskedError()),
    "traceback": lambda _: traceback_text_of(raised_by(fail_because), chain=True),
    "repr": lambda _: shortened([Asked()], 50),
    "repr of one": lambda _: shortened(Asked(), 50),
    "packed exception": lambda _: repr(unpack_exception(pack_exception(AskedError()))),
    "is_picklable": lambda _: is_picklable([Asked()]),
    "explanation": lambda _: explain_unpicklable([Asked(), threading.Lock()]),
    "argument": lambda _: run(Task.of(name_of, Asked()), use_processes=True),
    "function": lambda _: run(Task.of(Asked(), 1), use_processes=True),
    "result": lambda _: run(Task.of(Asked, "result"), use_processes=True),
    "failure": lambda _: run(Task.of(fail, 1), use_processes=True),
    "retried": lambda _: run(Task.of(fail, 1), retries=1),
    "not to be sent": lambda _: run(
        Task.of(class_of, [Asked(), threading.Lock()]), use_processes=True
    ),
    "auto": lambda _: run(*[Task.of(name_of, Asked())] * 3, use_processes="auto"),
    "executor": submitted,
    "journal": journalled,
    "key": keyed,
    "letter": lettered,
    "replay": replayed,
    "plan": planned,
    "log": logged,
    "state": with_state,
}


# Each call starts processes. A time limit strikes each time, the others the first one.
SLOW = {"argument", "function", "result", "failure", "executor"}


def raised_by(function: Callable[[object], object]) -> BaseException:
    try:
        function(None)
    except Exception as error:
        return error
    raise AssertionError("it has raised nothing")


@contextmanager
def a_signal(kind: type[BaseException], when: int) -> Generator[None, None, None]:
    """The handler of a signal raises *kind* when the bell rings for that time."""

    def handle(number: int, frame: FrameType | None) -> None:
        Bell.raised.append(kind("struck"))
        raise Bell.raised[-1]

    before = signal.signal(signal.SIGTERM, handle)
    Bell.left = when
    Bell.raised.clear()
    try:
        yield
    finally:
        Bell.left = 0
        signal.signal(signal.SIGTERM, before)


def result_or_error(call: Callable[[Path], object], folder: Path) -> object:
    try:
        return call(folder)
    except BaseException as error:
        return error


@pytest.mark.one_python
@pytest.mark.parametrize("kind", [TimeoutError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("place", PLACES)
def test_what_strikes_the_code_of_a_class_goes_on_to_the_caller(
    place: str, kind: type[BaseException], tmp_path: Path
) -> None:
    """The very exception; and further calls are right."""
    call = PLACES[place]
    expected = call(tmp_path)

    times = range(1, 2 if place in SLOW and kind is not TimeoutError else MOST)
    for when in times:
        with a_signal(kind, when):
            got = result_or_error(call, tmp_path)
        if not Bell.raised:
            assert when > 1
            break
        assert got is Bell.raised[0], (when, got)
        assert call(tmp_path) == expected, when
    else:
        assert len(times) == 1, "there is no end of it"

    for _ in times[:2]:
        assert call(tmp_path) == expected


# What is one of a signal, and what is not.


class Handler:
    """An object that handles a signal."""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    def handle(self, *given: object) -> None:
        raise_it()


def raise_it() -> None:
    raise TimeoutError


def handle_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise TimeoutError


def handle_with(limit: float, number: int, frame: FrameType | None) -> None:
    del frame  # as some do, against circles
    raise TimeoutError(limit)


@functools.wraps(handle_once)
def wrapped(*given: Any) -> None:  # Any: what handlers get
    handle_once(*given)


HANDLERS: dict[str, Callable[..., object]] = {
    "function": handle_once,
    "object": Handler(),
    "method": Handler().handle,
    "partial": functools.partial(functools.partial(handle_with), 3.0),
    "wrapped": wrapped,
    "lambda": lambda *_: raise_it(),
    "of Python": signal.default_int_handler,
}


@pytest.fixture(params=HANDLERS.values(), ids=list(HANDLERS))
def struck_text(request: pytest.FixtureRequest) -> Iterator[AskedError]:
    """Its text is struck by a handler of each kind."""
    before = signal.signal(signal.SIGTERM, request.param)
    Bell.left = 1
    yield AskedError()
    Bell.left = 0
    signal.signal(signal.SIGTERM, before)


def test_handlers_of_all_kinds_are_known(struck_text: AskedError) -> None:
    """What they raise goes on, also when they are no handlers any more."""
    with pytest.raises((TimeoutError, KeyboardInterrupt)) as caught:
        text_of(struck_text)

    assert is_of_a_signal(caught.value)


def test_in_a_worker_it_is_the_tasks(
    struck_text: AskedError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody interrupts that, and it has other tasks."""
    monkeypatch.setattr(struck, "is_all_of_tasks", True)

    assert text_of(struck_text).startswith("<no text: its __str__ raised ")


class WrappingError(AskedError):
    def __str__(self) -> str:
        try:
            return super().__str__()
        except TimeoutError as error:
            raise ValueError("too late for a text") from error


def test_what_the_code_of_a_class_makes_of_it_is_its_own() -> None:
    """An exception of another class is a failure of that code."""
    with a_signal(TimeoutError, 1):
        text = text_of(WrappingError())

    assert text == "<no text: its __str__ raised ValueError>"
    assert Bell.raised


@pytest.mark.parametrize("kind", [TimeoutError, SystemExit, RuntimeError])
def test_other_exceptions_are_no_signals(kind: type[BaseException]) -> None:
    """Nor are those that go through a function which could be a handler."""

    def ask(number: int, frame: object) -> str:
        raise kind

    class BadError(Exception):
        def __str__(self) -> str:
            return ask(15, sys._getframe(1))

    with a_signal(kind, 1):
        text = text_of(BadError())

    assert text == f"<no text: its __str__ raised {kind.__name__}>"
    assert not Bell.raised


def test_what_strikes_a_task_in_the_callers_thread_is_the_tasks() -> None:
    """An `Exception`, that is: it may have set the time limit itself."""
    with a_signal(TimeoutError, 1):
        [error] = execute_tasks_in_parallel(
            [Task.of(repr, Asked())], inline=True, on_error="return"
        )

    assert error is Bell.raised[0]


def test_what_strikes_the_input_ends_the_call() -> None:
    """At once, and as itself, whatever is done with failures."""

    def tasks() -> Iterator[Task[str]]:
        yield Task.of(str, 1)
        repr(Asked())

    with a_signal(TimeoutError, 1), pytest.raises(TimeoutError) as caught:
        execute_tasks_in_parallel(tasks(), 1, on_error="return")

    assert caught.value is Bell.raised[0]


# Where there is nothing to pass on, and why.
OTHERS = {
    "a worker, or the server that starts them": {
        *("worker_main.py", "worker_link.py", "packed_chunk.py", "capture.py"),
        *("serving.py", "django_setup.py"),
        *("worker.py", "handling.py"),  # of a flow
    },
    "another thread than the caller's": {
        *("thread_team.py", "threads.py", "watcher.py", "settling.py"),
        *("head_start.py", "arrivals_async.py", "starts.py"),
        *("keeper.py", "starter.py", "supervisor.py", "in_thread.py"),  # of a flow
        "running.py",  # of joblib's calls
    },
    "it raises later what it caught, or asks in another function": {
        *("desk.py", "local_chunk.py"),
    },
    "a program with nobody to go on to": {
        *("dead_letters.py", "command_line.py", "command.py"),
    },
}
ASKS = re.compile(r"\bis_(of_a_signal|to_end_caller)\(|\braise$", re.MULTILINE)


@pytest.mark.one_python
def test_whatever_takes_all_exceptions_asks_whether_it_is_a_signals() -> None:
    """Or raises them, or is where no signal can strike."""
    allowed, missing = set[str]().union(*OTHERS.values()), list[str]()
    for file in Path(cotality.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler) and takes_all(node):
                said = "\n".join(map(ast.unparse, node.body))
                if not ASKS.search(said) and file.name not in allowed:
                    missing.append(f"{file.name}:{node.lineno}")

    assert missing == []


def takes_all(node: ast.ExceptHandler) -> bool:
    kinds = "" if node.type is None else ast.unparse(node.type)
    return not kinds or bool(re.search(r"\b(Base)?Exception\b", kinds))


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_to_ask_needs_no_file(tmp_path: Path) -> None:
    """Where no descriptor is left, each failure is still answered as ever."""
    program = (
        "import resource\n"
        "from cotality._kit.safe_text import text_of\n"
        "from cotality.core.utils._process.machine.run_queue import content\n"
        "class BrokenError(Exception):\n"
        "    def __str__(self):\n"
        "        raise ValueError\n"
        "limits = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))\n"
        "print(text_of(BrokenError()), content('/proc/stat', 10))\n"
    )

    said = run_script(program, tmp_path)

    assert said == "<no text: its __str__ raised ValueError> b''\n"


def test_a_handler_that_has_every_attribute_is_looked_at_once(tmp_path: Path) -> None:
    """As a `Mock` has, that a test registers."""
    program = (
        "import signal\n"
        "from unittest.mock import Mock\n"
        "from cotality._kit.safe_text import text_of\n"
        "class BrokenError(Exception):\n"
        "    def __str__(self):\n"
        "        raise ValueError\n"
        "signal.signal(signal.SIGINT, Mock())\n"
        "print(text_of(BrokenError()))\n"
    )

    said = run_script(program, tmp_path)

    assert said == "<no text: its __str__ raised ValueError>\n"
