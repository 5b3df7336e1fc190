"""Makes the errors about worker processes subclasses of `BrokenProcessPool`.

Code for the standard process pool catches that class. Its module takes 60 ms to import,
with most of `multiprocessing`, and programs that only name our errors, to catch them,
should not wait for it. So it becomes a base class when processes are first used: before
any such error can occur, and when only 1 ms of the import is left (measured).
"""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool

from .errors import WorkerCrashedError, WorkerStartError

for error in (WorkerCrashedError, WorkerStartError):
    error.__bases__ = (BrokenProcessPool,)
