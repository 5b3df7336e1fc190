"""Runs a portion in a worker that is not ours, perhaps on another machine."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager
from time import perf_counter, time

from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.tasks.times import EPOCH

from .chunk import ChunkReport
from .packed_chunk import PackedChunk


def run_as_guest(chunk: PackedChunk, time_box: float, number: int) -> ChunkReport:
    """Run *chunk* as :func:`run_chunk` does, and report in terms for everywhere.

    Args:
        number: No other portion of the call has it. So no executor that remembers
            results, as Dask does of what it takes for pure, takes one for another.
    """
    with as_no_fork_of_ours():
        report = chunk.run(time_box)
    if chunk.measure:
        report.times.shift(time() - perf_counter())
        report.worker += f" on {socket.gethostname()}"
    return report


def make_local(report: ChunkReport) -> None:
    """Put what a guest says of times and places in the terms of this process."""
    if not report.worker:
        return  # it was not asked to measure
    report.times.shift(-EPOCH)
    report.worker = report.worker.removesuffix(f" on {socket.gethostname()}")


@contextmanager
def as_no_fork_of_ours() -> Generator[None, None, None]:
    """Let the process live on that runs this, also if a worker of ours forked it.

    A task may have a pool of its own that forks. Its processes then look like copies
    that a task made of our worker, which must end before they get to our loop.
    """
    before, this_process.is_fork = this_process.is_fork, False
    try:
        yield
    finally:
        this_process.is_fork = before
