"""The errors, by the names they have there."""

from __future__ import annotations


class AqueductError(Exception):
    """What all of them have in common."""


class FlowError(AqueductError):
    """A task has not been processed: its time was up, or the flow has stopped."""


class MPStartMethodValueError(FlowError, ValueError):
    """A start method that there is not."""


class NotRunningError(FlowError):
    """The flow was not started, or has stopped."""
