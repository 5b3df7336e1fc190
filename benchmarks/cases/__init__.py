"""What is measured. Every case is found here by its name."""

from benchmarks.cases import (
    balance,
    callers,
    first,
    frames,
    journal,
    large,
    latency,
    stream,
    tiny,
    watching,
)
from benchmarks.measure import Case

# What matters most comes first in the page: large data, calls on warm workers.
GROUPS = (
    *(large, frames, latency, first, callers, balance),
    *(stream, tiny, journal, watching),
)
CASES: dict[str, Case] = {case.name: case for group in GROUPS for case in group.CASES}
