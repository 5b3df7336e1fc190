"""A Flask service that computes: ``gunicorn --threads 64 flask_app:app``.

A thread of the server waits for each request. The work is done in worker processes, so
the threads leave the interpreter to each other, and all of them share the workers of
one manager.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, abort, request

from cotality.core.utils.process import TaskTimeoutError, WorkerCrashedError
from cotality.tuning import get_global_pool_manager

LIMIT_S = 30  # that one part of a request may take

app = Flask(__name__)


@app.get("/health")
def health() -> dict[str, Any]:
    """Needs no worker, so it is answered also while all of them compute."""
    status = get_global_pool_manager().status()
    return {"status": "ok", "busy": status.busy, "calls": status.calls}


@app.get("/primes")
def primes() -> dict[str, int]:
    """How many primes there are below *limit*, counted in *parts* tasks."""
    limit = request.args.get("limit", 0, type=int)
    parts = request.args.get("parts", 4, type=int)
    if not (2 <= limit <= 10_000_000 and 1 <= parts <= 100):
        abort(422, "limit must be 2 to 10,000,000, parts 1 to 100")
    manager = get_global_pool_manager()
    try:
        counts = manager.execute(count_primes, ranges(limit, parts), timeout=LIMIT_S)
    except (WorkerCrashedError, TaskTimeoutError):
        abort(503, "this request could not be computed")
    return {"limit": limit, "primes": sum(counts)}


def ranges(limit: int, parts: int) -> list[range]:
    """The numbers below *limit*, in at most so many parts."""
    step = -(-limit // parts)
    return [range(start, min(start + step, limit)) for start in range(0, limit, step)]


def count_primes(numbers: range) -> int:
    """The work: it runs in a process of its own, so it may compute as it likes."""
    return sum(
        all(number % divisor for divisor in range(2, int(number**0.5) + 1))
        for number in numbers
        if number > 1
    )
