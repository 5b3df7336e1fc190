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
# Written by docs/write_stubs.py: a change here is lost.

from cotality.flow._flow.errors.errors import ConnectionLostError as ConnectionLostError
from cotality.flow._flow.errors.errors import DeadlineError as DeadlineError
from cotality.flow._flow.errors.errors import FlowError as FlowError
from cotality.flow._flow.errors.errors import FlowStoppedError as FlowStoppedError
from cotality.flow._flow.errors.errors import HandlerError as HandlerError
from cotality.flow._flow.errors.errors import QueueFullError as QueueFullError
from cotality.flow._flow.errors.errors import StepDownError as StepDownError
from cotality.flow._flow.figures.fields import StepStatus as StepStatus
from cotality.flow._flow.figures.status import FlowStatus as FlowStatus
from cotality.flow._flow.flows.client import FlowClient as FlowClient
from cotality.flow._flow.flows.flow import Flow as Flow
from cotality.flow._flow.serving.server import FlowServer as FlowServer
from cotality.flow._flow.steps.handler import Failed as Failed
from cotality.flow._flow.steps.handler import Handler as Handler
from cotality.flow._flow.steps.step import Step as Step

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
