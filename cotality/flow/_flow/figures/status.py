"""How a flow is, as a program is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cotality._kit.public import public_in

from .fields import FlowFields, StepStatus

public = public_in("cotality.flow")


@public
@dataclass(frozen=True, slots=True)
class FlowStatus(FlowFields):
    """The state of a flow.

    Attributes:
        live: Whether the router answers.
        ready: Whether each step has a worker that is started, and items are accepted.
        is_draining: Whether it accepts no new items, and finishes those it has.
        pid: The process id of the router; 0 if there is none.
        waiting: How many items wait, in all steps.
        in_flight: How many calls have no answer yet.
        connections: How many clients there are.
        outcomes: How many calls ended how, by ``"value"``, ``"failure"``, ``"full"``,
            ``"deadline"``, ``"down"``, ``"stopped"`` and ``"cancelled"``.
        uptime: For how many seconds the router has run.
        steps: The state of each step.
    """

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> FlowStatus:  # Any: of several types
        """As the router tells it."""
        fields = dict(told)
        fields["steps"] = tuple(
            StepStatus(**(each | {"pids": tuple(each["pids"])}))
            for each in told["steps"]
        )
        return cls(**fields)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """The state as a table for a terminal; *width* is its columns, if known."""
        from .as_text import as_text

        return as_text(self, width)

    def html(self, refresh: float | None = 2.0) -> str:
        """The state as a page for a browser, which loads nothing from elsewhere.

        Args:
            refresh: After how many seconds the browser loads it again; None for never.
        """
        from .as_page import as_page

        return as_page(self, refresh)
