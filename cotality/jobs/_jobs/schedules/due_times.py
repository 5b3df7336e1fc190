"""When something is due, whatever it goes by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol


class DueTimes(Protocol):
    """Moments in UTC, each of which everybody who asks reckons alike."""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The due times later than *moment*, the earliest first, each of them once."""
        ...

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """The last due time later than *after* and not later than *until*, if any."""
        ...
