"""Two lines for the configuration of gunicorn, with which it serves a flow as well.

::

    from cotality.flow.gunicorn import hooks
    on_starting, on_exit = hooks("service:flow")

The first process of gunicorn starts the flow before its web workers, and ends it after
them. Each web worker has a ``FlowClient()``, which finds it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._flow.flows.flow import Flow
from ._flow.serving.command_line import flow_named
from ._flow.serving.server import FlowServer

__all__ = ["hooks"]

Hook = Callable[[Any], None]  # Any: gunicorn's own server
AnyFlow = Flow[Any, Any]  # Any: of any type


def hooks(
    flow: AnyFlow | Callable[[], AnyFlow] | str,
    socket: str | None = None,
    *,
    grace: float = 5.0,
) -> tuple[Hook, Hook]:
    """What gunicorn is to call when it starts, and before it ends.

    Args:
        flow: A flow, a function that makes one, or the place of one of these as
            ``"module:name"``, which is imported when gunicorn starts.
        socket: As for ``FlowServer.serve``.
        grace: How many seconds items that are being handled get at the end.
    """
    started: list[FlowServer[Any, Any]] = []

    def on_starting(server: Any) -> None:
        started.append(FlowServer.serve(flow_of(flow), socket))

    def on_exit(server: Any) -> None:
        while started:
            started.pop().stop(grace)

    return on_starting, on_exit


def flow_of(given: AnyFlow | Callable[[], AnyFlow] | str) -> AnyFlow:
    """The flow that is meant."""
    if isinstance(given, str):
        return flow_named(given)
    return given if isinstance(given, Flow) else given()
