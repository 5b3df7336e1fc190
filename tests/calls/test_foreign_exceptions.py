"""Exceptions of extension modules arrive as themselves, or not at all.

Such a class keeps what it knows where Python does not see it. So it is rebuilt in the
way that its own pickles are, and only what then reads the same counts.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ClassVar

import pytest

from cotality._kit import struck
from cotality.core.utils._process.pickling.exceptions import (
    pack_exception,
    unpack_exception,
)
from cotality.core.utils.process import (
    RemoteTaskError,
    Task,
    execute_tasks_in_parallel,
    worker_state,
)

pydantic = pytest.importorskip("pydantic")
core = pytest.importorskip("pydantic_core")


class Order(pydantic.BaseModel):  # type: ignore[misc,name-defined]  # not always there
    number: int
    buyer: str = "Ada"

    @pydantic.field_validator("number")  # type: ignore[untyped-decorator,unused-ignore]
    def check(cls, number: int) -> int:  # noqa: N805  # as pydantic has it
        if number == 0:
            raise ValueError("there is no order 0")
        if number < 0:
            raise core.PydanticCustomError("odd", "{number} is odd", {"number": number})
        return number


def raised_by(make: Callable[[], object]) -> BaseException:
    try:
        make()
    except BaseException as error:
        return error
    raise AssertionError("it has raised nothing")


def order(number: object, buyer: object = "Ada") -> int:
    return int(Order(number=number, buyer=buyer).number)


ERRORS: dict[str, Callable[[], BaseException]] = {
    "two fields": lambda: raised_by(lambda: order("many", 3)),
    "a validator of the model": lambda: raised_by(lambda: order(0)),
    "an error of its own kind": lambda: raised_by(lambda: order(-1)),
    "JSON": lambda: raised_by(lambda: Order.model_validate_json('{"number": "x"}')),
    "custom": lambda: core.PydanticCustomError("odd", "{n} is odd", {"n": 3}),
    "known": lambda: core.PydanticKnownError("int_parsing"),
    "serialization": lambda: core.PydanticSerializationError("cannot"),
    "schema": lambda: core.SchemaError("cannot"),
    "omit": core.PydanticOmit,
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_of_an_extension_arrives_as_itself(kind: str) -> None:
    """With its notes, its cause and its text."""
    error = ERRORS[kind]()
    error.add_note("while it rained")
    error.__cause__ = KeyError("rain")
    found = unpack_exception(pack_exception(error))
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert found.__notes__ == ["while it rained"]
    assert repr(found.__cause__) == "KeyError('rain')"


def test_a_task_raises_it() -> None:
    """Its caller handles it as if the task had been called."""
    with pytest.raises(pydantic.ValidationError) as raised:
        execute_tasks_in_parallel([Task.of(order, "many", 3)], 1, True)
    (first, second) = raised.value.errors()
    assert (first["loc"], first["input"]) == (("number",), "many")
    assert (second["loc"], second["input"]) == (("buyer",), 3)


class Said:
    """Is another one after each journey."""

    count = 0

    def __str__(self) -> str:
        return f"{self.count}"

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        return said_again, (self.count,)


def said_again(count: int) -> Said:
    said = Said()
    said.count = count + 1
    return said


def test_one_that_would_read_otherwise_does_not_arrive_as_it() -> None:
    """The type alone would be half of the truth."""

    class Unlike(core.PydanticCustomError):  # type: ignore[misc,name-defined]
        def __str__(self) -> str:
            return str(self.said)

    error = Unlike("odd", "odd")
    error.said = Said()
    found = unpack_exception(pack_exception(error))
    assert isinstance(found, RemoteTaskError)


def test_an_input_that_cannot_travel_leaves_the_text() -> None:
    """And the name of the class."""
    found = unpack_exception(pack_exception(raised_by(lambda: order(threading.Lock()))))
    assert isinstance(found, RemoteTaskError)
    assert found.type_name == "pydantic_core._pydantic_core.ValidationError"
    assert "1 validation error for Order" in str(found)


def test_a_slot_with_nothing_in_it_is_still_a_slot() -> None:
    """None is a value, as of `numpy.exceptions.AxisError`."""

    class SlottedError(Exception):
        __slots__ = ("axis", "message")

        def __str__(self) -> str:
            return f"{self.message} {self.axis}"

    error = SlottedError()
    error.message = None  # type: ignore[misc]
    error.axis = 3  # type: ignore[misc]
    assert str(unpack_exception(pack_exception(error))) == "None 3"


# What strikes in the middle of it.


class StruckError(ValueError):
    """Is struck by *what* while it is packed, or unpacked."""

    what: type[BaseException] = KeyboardInterrupt
    left = 1
    by_signal = False

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        strike()
        return StruckError, self.args

    @classmethod
    def strike_later(
        cls, what: type[BaseException], times: int = 1, *, by_signal: bool = False
    ) -> None:
        cls.what, cls.left, cls.by_signal = what, times, by_signal


def strike() -> None:
    if StruckError.left:
        StruckError.left -= 1
        if StruckError.by_signal:
            before = signal.signal(signal.SIGTERM, handler)
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.signal(signal.SIGTERM, before)
        raise StruckError.what


def handler(number: int, frame: FrameType | None) -> None:
    raise StruckError.what


class StruckLaterError(ValueError):
    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle wants
        return struck_when_made, self.args


def struck_when_made(*args: object) -> StruckLaterError:
    strike()
    return StruckLaterError(*args)


@pytest.fixture(params=[KeyboardInterrupt, SystemExit, TimeoutError])
def what(request: pytest.FixtureRequest) -> Iterator[type[BaseException]]:
    yield request.param
    StruckError.strike_later(KeyboardInterrupt, 0)


def test_an_interrupt_is_no_fault_of_the_exception(what: type[BaseException]) -> None:
    """It goes on to the caller, who wanted to be interrupted by it."""
    StruckError.strike_later(what, by_signal=True)
    with pytest.raises(what):
        pack_exception(StruckError("text"))
    found = unpack_exception(pack_exception(StruckError("text")))
    assert repr(found) == "StruckError('text')"


def test_an_exception_that_always_exits_is_its_own_fault() -> None:
    """Nobody has asked for that."""
    StruckError.strike_later(SystemExit, 1000)
    try:
        found = unpack_exception(pack_exception(StruckError("text")))
    finally:
        StruckError.strike_later(SystemExit, 0)
    assert repr(found) == "StruckError('text')"  # made of its fields


def test_a_ctrl_c_goes_through_unpacking() -> None:
    """It strikes whoever reads a journal."""
    StruckError.strike_later(KeyboardInterrupt, 0)
    packed = pack_exception(StruckLaterError("text"))
    StruckError.strike_later(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        unpack_exception(packed)
    assert repr(unpack_exception(packed)) == "StruckLaterError('text')"


def test_in_a_worker_it_is_the_exceptions_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody interrupts that, and it has other tasks."""
    monkeypatch.setattr(struck, "is_all_of_tasks", True)
    StruckError.strike_later(KeyboardInterrupt, 1000)
    try:
        packed = pack_exception(StruckError("text"))
    finally:
        StruckError.strike_later(KeyboardInterrupt, 0)
    assert repr(unpack_exception(packed)) == "StruckError('text')"


class Closing:
    closed: ClassVar[list[str]] = []

    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        Closing.closed.append(self.name)
        if self.name == "second":
            signal.raise_signal(signal.SIGINT)


def test_a_ctrl_c_while_states_are_closed_closes_the_others_and_goes_on() -> None:
    """It is the caller's, where the caller is the worker."""
    Closing.closed = []
    tasks = [Task.of(name_of, worker_state(Closing, n)) for n in ("first", "second")]
    with pytest.raises(KeyboardInterrupt):
        execute_tasks_in_parallel(tasks, inline=True)
    assert Closing.closed == ["second", "first"]


def name_of(thing: Closing) -> str:
    return thing.name
