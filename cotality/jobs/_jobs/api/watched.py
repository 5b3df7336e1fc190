"""What the workers of a queue of jobs are to look at, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cotality.jobs._jobs.health.alert_rules import AlertRules
from cotality.jobs._jobs.health.alerts import Alert

Tell: TypeAlias = Callable[[Alert], object]


@dataclass(frozen=True, slots=True)
class Watched:
    """What `Jobs.watch` was given."""

    rules: AlertRules
    queues: Mapping[str, AlertRules]
    tell: tuple[Tell, ...]
    every: float


def checked_rules(rules: object) -> AlertRules:
    if not isinstance(rules, AlertRules):
        raise TypeError(f"rules must be AlertRules, got {rules!r}")
    return rules


def checked_tell(tell: object) -> Tell:
    if not callable(tell):
        raise TypeError(f"tell takes functions that are given an Alert, got {tell!r}")
    return tell
