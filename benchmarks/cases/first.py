"""The first call of a program: what it waits for before anything is warm."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.contenders import OURS
from benchmarks.measure import Case, Figure, Samples, at_least_ours, at_most

PROGRAM = Path(__file__).parents[1] / "first.py"
SERVER = "a process of a fork server (no pool)"
# Of the time of that bare process; and milliseconds.
AT_MOST, IMPORT_LIMIT, FIRST_LIMIT = 1.15, 12, 6


def first(contender: str) -> Samples:
    """Milliseconds of its import and of its first call, in a new interpreter."""
    done = subprocess.run(
        [sys.executable, PROGRAM, contender], check=True, capture_output=True, text=True
    )
    imported, called = json.loads(done.stdout)
    return {"import": [imported], "first": [called], "both": [imported + called]}


IMPORT = Figure("import", "ms, import", comparable=False)
FIRST = Figure("first", "ms, first call")
BOTH = Figure("both", "ms, both")
# By the names that they have in that program.
ON_PROCESSES = {
    OURS: "processes",
    SERVER: "bare fork server",
    "ProcessPoolExecutor, fork server": "fork server pool",
    "loky": "loky",
}
ON_THREADS = {
    OURS: "threads",
    "ThreadPoolExecutor.map": "thread pool",
    "joblib, threading": "joblib threads",
}

CASES = [
    Case(
        "first-processes",
        "`pmap(abs, [-1, -2], workers=2, processes=True)` in a new interpreter. All "
        "but loky start processes by a fork server. `fork` is quicker, and not safe in "
        "a program with threads; Python 3.14 no longer takes it by itself.",
        {name: partial(first, way) for name, way in ON_PROCESSES.items()},
        (IMPORT, FIRST, BOTH),
        (at_least_ours("first", SERVER, 1 / AT_MOST),),
        cold=frozenset(ON_PROCESSES),
    ),
    Case(
        "first-threads",
        "The same on threads. `concurrent.futures` and `dataclasses` of the standard "
        "library alone take 12 ms to import, if nothing else has.",
        {name: partial(first, way) for name, way in ON_THREADS.items()},
        (IMPORT, FIRST, BOTH),
        (at_most("import", IMPORT_LIMIT), at_most("first", FIRST_LIMIT)),
        cold=frozenset(ON_THREADS),
    ),
]
