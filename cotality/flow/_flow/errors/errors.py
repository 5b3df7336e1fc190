"""The errors of a flow, each made from its message alone, so that it can travel."""

from __future__ import annotations

from cotality._kit.public import public_in

public = public_in("cotality.flow")


@public
class FlowError(RuntimeError):
    """What all errors of a flow itself have in common."""


@public
class QueueFullError(FlowError):
    """As many items wait as may; this one was refused, and nobody has seen it.

    A web service answers 503 and has its client try again later.
    """


@public
class DeadlineError(FlowError, TimeoutError):
    """The time that a call was given has passed before its answer came.

    If the item still waited, no handler has seen it, and none will. A handler that was
    already at it goes on, and its answer is dropped.
    """


@public
class StepDownError(FlowError):
    """The workers of a step cannot live: several in a row have ended without an answer.

    A new one is tried every few seconds, and the step is there again once it is ready.
    """


@public
class ConnectionLostError(FlowError, ConnectionError):
    """The router has ended, or nobody serves the flow.

    Of an item that was on its way nobody knows whether a handler has seen it.
    """


@public
class FlowStoppedError(FlowError):
    """The flow takes no items: it was not started, is drained, or has stopped."""


@public
class HandlerError(FlowError):
    """A handler has not kept to its part, such as one result for each item."""
