"""The errors of worker processes are also what the standard process pool raises.

Code that was written for that catches `BrokenProcessPool`. Its module takes 60 ms to
import, with most of `multiprocessing`, and programs that only name our errors, to catch
them, should not wait for it. So it becomes their base when processes are first used,
before there can be any such error, and when 1 ms of that is left (measured).
"""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool

from .errors import WorkerCrashedError, WorkerStartError

for error in (WorkerCrashedError, WorkerStartError):
    error.__bases__ = (BrokenProcessPool,)
