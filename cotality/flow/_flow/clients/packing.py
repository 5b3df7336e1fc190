"""What is sent for an item, and what comes back for it."""

from __future__ import annotations

from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.hosting import (
    Arena,
    Segment,
    decoded,
    parcel,
    path_of_unpicklable,
    unpack_exception,
    unreadable_result,
)
from cotality.core.utils.process import TaskNotPicklableError
from cotality.flow._flow.errors.errors import (
    ConnectionLostError,
    DeadlineError,
    FlowStoppedError,
    QueueFullError,
    StepDownError,
)
from cotality.flow._flow.steps.routes import Routes
from cotality.flow._flow.wire.descriptors import Descriptors
from cotality.flow._flow.wire.frames import LONGEST, Kind, Why, too_long
from cotality.flow._flow.wire.notes import Welcome

NO_FDS: list[int] = []


class Entry:
    """Where items of one connection begin."""

    def __init__(self, welcome: Welcome) -> None:
        self.routes: Routes | None = (
            decoded(welcome.entry, []) if welcome.entry else None
        )
        self.levels = welcome.levels

    def number(self, item: Any) -> int:  # Any: of any type
        """The step that *item* begins with and its size there, as a frame has them.

        Raises:
            BaseException: What a condition of the flow raised.
        """
        if self.routes is None:
            return 1 << 8
        step, weight = self.routes.next(item)
        return step | weight << 8


def pack_item(
    item: Any,  # Any: of any type
    arena: Arena,
) -> tuple[bytes, list[Segment]]:
    """*item* as bytes, and the memory that belongs to them, of *arena*.

    Raises:
        TaskNotPicklableError: It cannot be sent.
    """
    try:
        data, large = parcel(item, arena)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        raise TaskNotPicklableError(
            f"the item cannot be sent to a worker: {path_of_unpicklable(item, 'item')} "
            f"({type(error).__name__}: {error}). Send plain data."
        ) from error
    if len(data) > LONGEST:
        raise ValueError(too_long("the item", len(data)))
    return data, large


def result_in(
    kind: int, body: bytes | bytearray, fds: Descriptors | None = None
) -> Any:  # Any: what a handler made
    """The result that an answer brings.

    Raises:
        Exception: What the answer says instead.
    """
    if kind == Kind.VALUE:
        try:
            return decoded(body, NO_FDS if fds is None else fds.take())
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise unreadable_result(error) from error
    raise failure_in(kind, body)


def failure_in(kind: int, body: bytes | bytearray) -> BaseException:
    if kind == Kind.FAILURE:
        return unpack_exception(body)
    text = bytes(body[1:]).decode(errors="replace")
    return REFUSALS[body[0]](text)


REFUSALS: dict[int, type[Exception]] = {
    Why.FULL: QueueFullError,
    Why.DEADLINE: DeadlineError,
    Why.DOWN: StepDownError,
    Why.STOPPED: FlowStoppedError,
}


def late(timeout: float) -> DeadlineError:
    return DeadlineError(f"there was no answer within {timeout:g} s")


def lost(where: str) -> ConnectionLostError:
    return ConnectionLostError(
        f"the connection to {where} has ended before the answer came; whether a "
        f"handler has seen the item is not known"
    )


def not_sent(where: str) -> ConnectionLostError:
    return ConnectionLostError(
        f"the connection to {where} has ended, so the item was not sent"
    )


def nobody(where: str, error: BaseException) -> ConnectionLostError:
    return ConnectionLostError(f"nobody serves a flow at {where} ({error})")
