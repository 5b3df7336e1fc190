"""Tells a future how its item ended.

All of it runs in the thread that watches over a pool. So do the callbacks of the future
and any code that runs when a result is unpickled. That thread has to go on, whatever
they raise.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import Any

from cotality.core.utils._process.channel.messages import Kind, Message
from cotality.core.utils._process.channel.segments import decoded
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.pickling import refusals
from cotality.core.utils._process.pickling.exceptions import unpack_exception
from cotality.core.utils._process.tasks.errors import WorkerStartError

from .requests import Item

logger = logging.getLogger(LOGGER)


def another(error: WorkerStartError) -> WorkerStartError:
    """One like *error*: each item has a failure of its own."""
    again = WorkerStartError(*error.args)
    again.__cause__ = error.__cause__
    return again.with_traceback(error.__traceback__)


def drop(item: Item, error: Exception) -> None:
    """Cancel *item*, or let it fail if it is beyond that: its worker died once."""
    if item.is_running or not item.future.cancel():
        fail(item.future, error)
    else:
        item.future.set_running_or_notify_cancel()


def settle(future: Future[Any], message: Message) -> None:  # Any: see Item
    if message.kind & Kind.FAILURE:
        fail(future, unpack_exception(message.body))
        return
    try:
        value = decoded(message.body, message.fds)
    except BaseException as error:
        # User code runs in here, in a thread that must live on.
        fail(future, refusals.unreadable_result(error))
        return
    try:
        future.set_result(value)
    except BaseException:
        log_callback(future)


def fail(future: Future[Any], error: BaseException) -> None:  # Any: see Item
    try:
        future.set_exception(error)
    except BaseException:
        log_callback(future)


def log_callback(future: Future[Any]) -> None:  # Any: see Item
    """Go on after a done callback that raised `SystemExit` or the like.

    The future itself has caught and logged every other exception of a callback.
    """
    logger.critical("a callback of %r failed", future, exc_info=True)
