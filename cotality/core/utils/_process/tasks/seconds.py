"""A duration, as an argument of a public function."""

from __future__ import annotations

import math


def checked_seconds(name: str, seconds: object, *, zero: bool) -> float | None:
    """*seconds* as a duration, or None for no limit."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds or None, got {seconds!r}")
    if math.isnan(seconds) or seconds < 0 or (seconds == 0 and not zero):
        least = "at least 0" if zero else "more than 0"
        raise ValueError(f"{name} must be {least} seconds, got {seconds!r}")
    return None if math.isinf(seconds) else float(seconds)
