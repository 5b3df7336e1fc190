"""Makes a dead letter of a task that has failed."""

from __future__ import annotations

import base64
import platform
import time
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from cotality._kit.safe_text import (
    class_and_text,
    shortened,
    text_of,
)
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.durable.keys.errors import TaskKeyError
from cotality.core.utils._process.durable.keys.task_key import Keys
from cotality.core.utils._process.pickling.encode import encode
from cotality.core.utils._process.tasks.outcome import Outcome
from cotality.core.utils._process.tasks.task import Task, describe

from .letter import DeadLetter, digest_of

SHOWN_ARGUMENT = 200  # characters


def letter_about(
    outcome: Outcome[Any], key: str | None = None
) -> DeadLetter:  # Any: of any result type
    """The letter about the task that ended in *outcome*.

    Args:
        key: Its key, if it has one already.
    """
    assert outcome.error is not None
    return letter_of(
        outcome.task,
        outcome.error,
        key,
        attempts=outcome.attempts,
        worker=outcome.worker,
    )


def letter_of(
    task: Task[Any],  # Any: as above
    error: BaseException | str,
    key: str | None = None,
    *,
    attempts: int = 1,
    worker: str = "",
) -> DeadLetter:
    """The letter about *task*, which has failed with *error* just now.

    Of a text, and nothing else, the class and the traceback are not known.
    """
    from cotality._kit.traceback_text import traceback_text_of  # only failures need it

    trace = "" if isinstance(error, str) else traceback_text_of(error, chain=True)
    data, unpicklable = packed(task)
    now = time.time()
    return DeadLetter(
        key=key or key_of(task, data, now),
        call=describe(task),
        arguments=shown(task),
        error="" if isinstance(error, str) else type(error).__qualname__,
        message=error if isinstance(error, str) else text_of(error),
        traceback=trace,
        attempts=attempts,
        times=1,
        first_failed_at=now,
        failed_at=now,
        worker=worker,
        python=platform.python_version(),
        unpicklable=unpicklable,
        packed=base64.b64encode(data).decode(),
        digest=digest_of(data),
    )


def letter_of_item(
    item: object, error: BaseException | str, *, label: str | None = None
) -> DeadLetter:
    """The letter about *item*, with which some function has failed just now."""
    letter = letter_of(Task(no_function, positional=(item,), label=label), error)
    data = b""
    if letter.packed:
        data = encode((None, (item,), {}, label))
    return replace(
        letter,
        call=f"item {shortened(item, SHOWN_ARGUMENT)}",
        packed=base64.b64encode(data).decode(),
        digest=digest_of(data),
        needs_function=True,
    )


def no_function(item: object) -> None:
    """In the place of a function that nobody knows; the key of a letter needs one."""


def packed(task: Task[Any]) -> tuple[bytes, str]:  # Any: of any result type
    """*task* as bytes that another program can read; none, and why."""
    parts = task.callback_function, task.positional, dict(task.arguments), task.label
    # A limit of its own comes last, so that other letters are as they always were.
    limit = () if task.timeout is None else (task.timeout,)
    try:
        return encode((*parts, *limit)), ""
    except Exception as error:
        if is_of_a_signal(error):
            raise
        return b"", class_and_text(error)


def key_of(task: Task[Any], data: bytes, at: float) -> str:  # Any: as above
    try:
        return Keys().of(task, 0)
    except TaskKeyError:  # then what identifies this one letter
        return blake2b(data or repr(at).encode(), digest_size=16).hexdigest()


def shown(task: Task[Any]) -> dict[str, str]:  # Any: as above
    given = {f"{n}": value for n, value in enumerate(task.positional)}
    given |= task.arguments
    return {
        f"{name}": shortened(value, SHOWN_ARGUMENT) for name, value in given.items()
    }
