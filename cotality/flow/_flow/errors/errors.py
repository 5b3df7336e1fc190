"""The errors of a flow, each made from its message alone, so that it can travel."""

from __future__ import annotations

from cotality._kit.public import public_in

public = public_in("cotality.flow")


@public
class FlowError(RuntimeError):
    """The base class of all errors of a flow itself."""


@public
class QueueFullError(FlowError):
    """The queue is full: this item was refused, and no handler has seen it.

    A web service should answer 503, so that its client tries again later.
    """


@public
class DeadlineError(FlowError, TimeoutError):
    """The time limit of a call has passed before its answer came.

    If the item still waited, no handler has seen it, and none will. If a handler had
    already begun, it goes on, and its answer is dropped.
    """


@public
class StepDownError(FlowError):
    """The workers of a step keep dying: several in a row ended without an answer.

    A new one is tried every few seconds. Once it is ready, the step works again.
    """


@public
class ConnectionLostError(FlowError, ConnectionError):
    """The router has ended, or nothing serves the flow.

    If an item was on its way, a handler may have seen it or not.
    """


@public
class FlowStoppedError(FlowError):
    """The flow accepts no items: it was not started, drains, or has stopped."""


@public
class HandlerError(FlowError):
    """A handler broke a rule, such as to return one result for each item."""
