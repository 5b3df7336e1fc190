"""One set of expensive workers behind all parts of a service.

A flow is a row of steps that items pass through. Each step has worker processes of its
own, which are started once: they load a model, and handle items in batches. All callers
share them, in one program or in many, such as the web workers of a service.

* :class:`Flow` of :class:`Step` objects, each with a handler: a class with ``handle``,
  or a plain function. ``async with flow:`` runs it for this program;
* :class:`FlowServer`, or ``python -m cotality.flow serve module:flow``, runs it behind
  a Unix socket; a :class:`FlowClient` in each web worker sends items there;
* ``await flow(item)``, ``flow.map``, ``flow.outcomes``, and ``flow.call`` for threads;
* ``flow.status()``, ``drain``, ``reload`` and ``stop``.

An item that fails fails alone: its call raises what the handler raised,
:class:`DeadlineError` if its time was up, or :class:`QueueFullError` if too many items
wait. If a worker dies, the items that it was handling fail, and a new one replaces it.

:mod:`cotality.flow.aqueduct` has the names of another library, Aqueduct, for programs
that were written for it.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true; the one in `typing` would have
# every program wait for `typing`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._flow.errors.errors import (
        ConnectionLostError,
        DeadlineError,
        FlowError,
        FlowStoppedError,
        HandlerError,
        QueueFullError,
        StepDownError,
    )
    from ._flow.figures.fields import StepStatus
    from ._flow.figures.status import FlowStatus
    from ._flow.flows.client import FlowClient
    from ._flow.flows.flow import Flow
    from ._flow.serving.server import FlowServer
    from ._flow.steps.handler import Failed, Handler
    from ._flow.steps.step import Step

__all__ = [
    "ConnectionLostError",
    "DeadlineError",
    "Failed",
    "Flow",
    "FlowClient",
    "FlowError",
    "FlowServer",
    "FlowStatus",
    "FlowStoppedError",
    "Handler",
    "HandlerError",
    "QueueFullError",
    "Step",
    "StepDownError",
    "StepStatus",
]

# Where each of them is, which is imported when somebody asks for it.
LATER = {
    "ConnectionLostError": "_flow.errors.errors",
    "DeadlineError": "_flow.errors.errors",
    "Failed": "_flow.steps.handler",
    "Flow": "_flow.flows.flow",
    "FlowClient": "_flow.flows.client",
    "FlowError": "_flow.errors.errors",
    "FlowServer": "_flow.serving.server",
    "FlowStatus": "_flow.figures.status",
    "FlowStoppedError": "_flow.errors.errors",
    "Handler": "_flow.steps.handler",
    "HandlerError": "_flow.errors.errors",
    "QueueFullError": "_flow.errors.errors",
    "Step": "_flow.steps.step",
    "StepDownError": "_flow.errors.errors",
    "StepStatus": "_flow.figures.fields",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.flow", LATER)
