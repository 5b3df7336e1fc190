"""Whether a living worker gives no sign of life any more.

That is so if somebody has halted it, or if it waits for itself. It never ends by
itself, so no other one would be started.
"""

from __future__ import annotations

import time

# Without a sign, which there is every two seconds. Longer than anybody may write to the
# store while all others wait, and than a machine takes that has too much to do.
SILENT_S = 60.0
FRESH_S = 15.0  # for which what was heard last counts


class Silence:
    """What was heard of the worker that was begun last."""

    was_heard: bool
    heard_at: float

    def __init__(self) -> None:
        self.was_heard = False
        self.since: float | None = None
        self.heard_at = 0.0

    def hear(self, is_alive: bool | None) -> None:
        """Take what the store says: whether there was a sign lately.

        Args:
            is_alive: None if nobody knows, as while the store is away.
        """
        self.heard_at = time.monotonic()
        self.was_heard = self.was_heard or bool(is_alive)
        # One that has not begun to serve yet is not silent.
        if is_alive is not False or not self.was_heard:
            self.since = None
        elif self.since is None:
            self.since = self.heard_at

    @property
    def is_too_long(self) -> bool:
        """Whether it has lasted for longer than anything should take."""
        now = time.monotonic()
        is_known = now - self.heard_at < FRESH_S
        return is_known and self.since is not None and now - self.since > SILENT_S
