"""One item after the other: the baseline."""

from __future__ import annotations

from .order import Give, Order, done_here


def sequential(order: Order, give: Give) -> None:
    """Do all items in this thread, in their order."""
    for index in order.indices:
        give(done_here(order.recipe, index))
