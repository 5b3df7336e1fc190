"""The router of a flow that hands out one item at a time, however quick they are."""

from __future__ import annotations

from cotality.core.hosting import Host
from cotality.flow._flow.router import pace, router
from cotality.flow._flow.router.hall import Doors
from cotality.flow._flow.steps.plan import FlowPlan


def main(host: Host, plan: FlowPlan, doors: Doors) -> None:
    """As that of the router."""
    pace.PORTION = 0.0  # type: ignore[misc]  # for this process alone
    router.main(host, plan, doors)
