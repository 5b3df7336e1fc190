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
    """How a flow is.

    Attributes:
        live: Whether the router answers.
        ready: Whether each step has a worker that is started, and items are taken.
        is_draining: Whether no new items are taken.
        pid: Of the router; 0 if there is none.
        waiting: How many items wait, in all steps.
        in_flight: How many calls have no answer yet.
        connections: How many clients there are.
        outcomes: How many calls ended how, by ``"value"``, ``"failure"``, ``"full"``,
            ``"deadline"``, ``"down"``, ``"stopped"`` and ``"cancelled"``.
        uptime: Of the router, in seconds.
        steps: How each step is.
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
        """It as a table for a terminal, which has *width* columns if that is known."""
        from .as_text import as_text

        return as_text(self, width)

    def html(self, refresh: float | None = 2.0) -> str:
        """It as a page for a browser, which needs nothing from elsewhere.

        Args:
            refresh: After how many seconds the browser asks again; None for never.
        """
        from .as_page import as_page

        return as_page(self, refresh)
