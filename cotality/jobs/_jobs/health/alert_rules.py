"""When a queue is not well."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from cotality._kit.public import public_in


@public_in("cotality.jobs.health")
@dataclass(frozen=True, slots=True)
class AlertRules:
    """The limits of one queue; None switches a rule off.

    Args:
        depth: More jobs than that could start, and no worker is free for them.
        oldest_s: The oldest of these jobs has waited for longer than that, in seconds.
        dead: More dead letters than that have come within *dead_within_s* seconds, or
            since the check before this one if that is longer ago.
        dead_within_s: The period for *dead*, in seconds.
        no_worker_s: Jobs wait, and no worker has served their queue for longer than
            that, in seconds.
        over_below: An alert is over once the figure is below this share of the limit.
            So a queue that hovers around its limit gives one alert, not a hundred.

    Raises:
        TypeError: A limit is not a number.
        ValueError: A limit is negative, or *over_below* is not between 0 and 1.
    """

    depth: int | None = 10_000
    oldest_s: float | None = 600.0
    dead: int | None = 10
    dead_within_s: float = 600.0
    no_worker_s: float | None = 60.0
    over_below: float = 0.8

    def __post_init__(self) -> None:
        for each in fields(self):
            check_limit(each.name, getattr(self, each.name))
        if self.over_below > 1:
            raise ValueError(f"over_below must be at most 1, got {self.over_below!r}")


def check_limit(name: str, limit: object) -> None:
    if limit is None and name not in ("dead_within_s", "over_below"):
        return
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        raise TypeError(f"{name} must be a number, got {limit!r}")
    if not (limit >= 0 and math.isfinite(limit)):
        raise ValueError(f"{name} must be at least 0, got {limit!r}")
