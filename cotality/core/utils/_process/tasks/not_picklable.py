"""The error of what cannot travel between processes.

It is not among the other `errors`, because threads need those but not pickle.
"""

from __future__ import annotations

from pickle import PicklingError

from cotality._kit.public import public


@public
class TaskNotPicklableError(PicklingError):
    """Something of a task cannot travel between processes.

    The message names the argument and the place inside it. Its cause is the error
    that pickling raised.
    """
